"""A stand-in for boto3, for tests alone: the calls that the runner makes, of the Glue Data Catalog and of DynamoDB, kept
in a JSON file.

The file is named by GLUE_STANDIN_CATALOG: tables by "database.table", each with its partitions; a key-value table by its
name, with its keys and its items.
"""

import decimal
import json
import os


def client(service):
    if service != "glue":
        raise NotImplementedError(service)
    return _Glue()


def resource(service):
    if service != "dynamodb":
        raise NotImplementedError(service)
    return _Dynamodb()


class _Dynamodb:
    def Table(self, name):
        return _Table(name)


class _Table:
    """A table whose numbers are decimals, as boto3 has them, and whose pages are small."""

    def __init__(self, name):
        self.name = name
        self.key_schema = [{"AttributeName": n, "KeyType": k} for n, k in zip(self._load()[name]["keys"], ("HASH", "RANGE"))]

    def _load(self):
        with open(os.environ["GLUE_STANDIN_CATALOG"], encoding="utf-8") as catalog:
            return json.load(catalog)

    def _key(self, item):
        return [str(item[key["AttributeName"]]) for key in self.key_schema]

    def _write(self, put, deleted):
        catalog = self._load()
        items = {tuple(self._key(item)): item for item in catalog[self.name]["items"]}
        for item in put:
            for value in item.values():
                assert value is not None and not isinstance(value, float), f"boto3 refuses {value!r}"
            items[tuple(self._key(item))] = {n: _plain(v) for n, v in item.items()}
        for key in deleted:
            assert set(key) == {k["AttributeName"] for k in self.key_schema}, key
            items.pop(tuple(self._key(key)), None)
        catalog[self.name]["items"] = list(items.values())
        with open(os.environ["GLUE_STANDIN_CATALOG"], "w", encoding="utf-8") as out:
            json.dump(catalog, out)

    def batch_writer(self):
        return _Writer(self)

    def scan(self, ProjectionExpression, ExpressionAttributeNames, ConsistentRead, ExclusiveStartKey=None):
        assert ConsistentRead and ProjectionExpression.split(", ") == list(ExpressionAttributeNames)
        items = sorted(self._load()[self.name]["items"], key=self._key)
        if ExclusiveStartKey:
            items = [item for item in items if self._key(item) > self._key(ExclusiveStartKey)]
        names = ExpressionAttributeNames.values()
        page = [{n: _boto(item[n]) for n in names} for item in items[:2]]
        return {"Items": page} | ({"LastEvaluatedKey": page[-1]} if len(items) > 2 else {})


class _Writer:
    def __init__(self, table):
        self.table, self.put, self.deleted = table, [], []

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        keys = [tuple(self.table._key(item)) for item in self.put + self.deleted]
        assert len(set(keys)) == len(keys), "BatchWriteItem: Provided list of item keys contains duplicates"
        if kind is None:
            self.table._write(self.put, self.deleted)

    def put_item(self, Item):
        self.put.append(Item)

    def delete_item(self, Key):
        self.deleted.append(Key)


def _plain(value):
    if isinstance(value, decimal.Decimal):
        return int(value) if value == int(value) else float(value)
    return value


def _boto(value):
    return decimal.Decimal(str(value)) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


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
