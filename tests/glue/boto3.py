"""A stand-in for boto3, for tests alone: the Glue Data Catalog's calls that the runner makes, kept in a JSON file.

The file is named by GLUE_STANDIN_CATALOG: tables by "database.table", each with its partitions.
"""

import json
import os


def client(service):
    if service != "glue":
        raise NotImplementedError(service)
    return _Glue()


class _Glue:
    def _load(self):
        with open(os.environ["GLUE_STANDIN_CATALOG"], encoding="utf-8") as catalog:
            return json.load(catalog)

    def _save(self, catalog):
        with open(os.environ["GLUE_STANDIN_CATALOG"], "w", encoding="utf-8") as out:
            json.dump(catalog, out)

    def get_table(self, DatabaseName, Name):
        return {"Table": self._load()[f"{DatabaseName}.{Name}"]["table"]}

    def batch_create_partition(self, DatabaseName, TableName, PartitionInputList):
        assert len(PartitionInputList) <= 100, "BatchCreatePartition takes 100 partitions"
        catalog, errors = self._load(), []
        there = catalog[f"{DatabaseName}.{TableName}"]["partitions"]
        for partition in PartitionInputList:
            if any(p["Values"] == partition["Values"] for p in there):
                detail = {"ErrorCode": "AlreadyExistsException", "ErrorMessage": "Partition already exists."}
                errors.append({"PartitionValues": partition["Values"], "ErrorDetail": detail})
            else:
                there.append(partition)
        self._save(catalog)
        return {"Errors": errors}

    def batch_delete_partition(self, DatabaseName, TableName, PartitionsToDelete):
        assert len(PartitionsToDelete) <= 25, "BatchDeletePartition takes 25 partitions"
        catalog = self._load()
        gone = [p["Values"] for p in PartitionsToDelete]
        of_table = catalog[f"{DatabaseName}.{TableName}"]
        of_table["partitions"] = [p for p in of_table["partitions"] if p["Values"] not in gone]
        self._save(catalog)
        return {"Errors": []}

    def get_paginator(self, operation):
        assert operation == "get_partitions", operation
        return self

    def paginate(self, DatabaseName, TableName, ExcludeColumnSchema):
        there = self._load()[f"{DatabaseName}.{TableName}"]["partitions"]
        for first in range(0, len(there), 100):
            yield {"Partitions": there[first : first + 100]}
