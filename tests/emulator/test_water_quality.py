"""water-quality on an AWS that no one here wrote: its files are uploaded at deploy, its functions run with their own roles,
`run --source` feeds it with others, and nothing is left of it. Spark jobs run nothing there: items are put by the judge."""

import json
import pathlib
import shutil
import tempfile
import unittest
from decimal import Decimal

import harness
from harness import ROOT, wait_for

NAME = "water-quality"
STACK = f"{NAME}-dev"
TURBID = """| Sample | pH  | Temperature (°C) | Turbidity (NTU) |
|--------|-----|------------------|-----------------|
| 1      | 7.1 | 18.4             | 6.2             |
| 2      | 7.0 | 18.9             | 21.5            |
"""


class WaterQuality(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.TemporaryDirectory(prefix="pipelines-")
        cls.addClassCleanup(cls.dir.cleanup)
        cls.emulator = harness.Emulator()
        cls.addClassCleanup(cls.emulator.stop)
        pipelines = pathlib.Path(cls.dir.name)
        cls.folder = pipelines / NAME
        shutil.copytree(ROOT / "pipelines" / NAME, cls.folder)
        cls.p = harness.Pumphouse(cls.emulator, pipelines)
        cls.addClassCleanup(cls.p.stop)

    def keys(self, bucket):
        pages = self.emulator.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [o["Key"] for page in pages for o in page.get("Contents", [])]

    def test_its_whole_life(self):
        for step in [
            self.it_deploys_with_its_files,
            self.a_deploy_without_changes_uploads_nothing,
            self.its_settings_are_those_of_its_file,
            self.a_turbid_sample_is_told,
            self.a_run_is_fed_with_other_files,
            self.the_counts_are_true,
            self.items_are_shown,
            self.nothing_is_left,
        ]:
            print(f"... {step.__name__}", flush=True)
            step()

    def it_deploys_with_its_files(self):
        self.p.ok("bootstrap", "--yes")
        plan = self.p.json("plan", NAME)
        files = [c["physical_name"].split("/", 3)[3] for c in plan["changes"] if c["kind"] == "file"]
        self.assertEqual(files, ["species/species.csv", "samples/mill_pond.txt", "samples/old_weir.txt"])
        self.p.ok("deploy", NAME, "--yes")
        outputs = {o["name"]: o["value"] for o in self.p.json("outputs", NAME)}
        self.lake = outputs["LakeBucketName"]
        self.assertEqual(sorted(self.keys(self.lake)), sorted(files))

    def a_deploy_without_changes_uploads_nothing(self):
        self.assertEqual(self.p.json("plan", NAME)["changes"], [])
        self.p.ok("deploy", NAME, "--yes")
        versions = self.emulator.client("s3").list_object_versions(Bucket=self.lake)["Versions"]
        self.assertEqual(len(versions), 3)

    def its_settings_are_those_of_its_file(self):
        s3, dynamodb = self.emulator.client("s3"), self.emulator.client("dynamodb")
        self.assertEqual(s3.get_bucket_versioning(Bucket=self.lake)["Status"], "Enabled")
        rule = s3.get_bucket_cors(Bucket=self.lake)["CORSRules"][0]
        self.assertEqual(rule["AllowedOrigins"], ["https://water.example.com"])
        table = dynamodb.describe_table(TableName=f"{STACK}-species")["Table"]
        keys = [(k["AttributeName"], k["KeyType"]) for k in table["KeySchema"]]
        self.assertEqual(keys, [("UniqueID", "HASH"), ("SpeciesName", "RANGE")])
        self.assertEqual([i["IndexName"] for i in table["GlobalSecondaryIndexes"]], ["by_population"])
        self.assertEqual(table["StreamSpecification"]["StreamViewType"], "NEW_AND_OLD_IMAGES")

    def a_turbid_sample_is_told(self):
        judge = harness.Judge(self.emulator, "water_alerts")
        path = self.folder / "sample" / "samples" / "old_weir.txt"
        path.write_text(TURBID, encoding="utf-8")
        changes = self.p.json("plan", NAME)["changes"]
        self.assertEqual([(c["action"], c["kind"]) for c in changes], [("change", "file")])
        self.p.ok("deploy", NAME, "--yes")
        messages = wait_for("an alert", 120, judge.received)
        self.assertEqual(messages[-1]["site"], "old_weir")
        self.assertEqual(messages[-1]["samples"], [{"sample": "2", "turbidity_ntu": 21.5}])

    def a_run_is_fed_with_other_files(self):
        species = self.folder / "plants.csv"
        species.write_text("UniqueID,SpeciesName,PopulationCount\n1,Oak,7\n")
        said = self.p.ok("run", NAME, "--source", f"species={species}", "--yes", timeout=600)
        self.assertIn("species: 1 files uploaded, 1 others removed", said.err)
        self.assertEqual([k for k in self.keys(self.lake) if k.startswith("species/")], ["species/plants.csv"])

    def the_counts_are_true(self):
        with self.emulator.resource("dynamodb").Table(f"{STACK}-species").batch_writer() as batch:
            for n in range(30):
                item = {"UniqueID": 2001 + n, "SpeciesName": f"Species {n}", "PopulationCount": Decimal(100 - n)}
                batch.put_item(Item=item)
        answer = self.p.json("invoke", f"{NAME}/count")
        self.assertIsNone(answer["error"], answer)
        # Versions and what is deleted do not count.
        wanted = {"numberOfS3Objects": len(self.keys(self.lake)), "numberOfDynamoDBItems": 30}
        self.assertEqual(answer["payload"], wanted)

    def items_are_shown(self):
        items = self.p.json("tables", "items", f"{NAME}/species", "--hash", "2003")
        self.assertEqual(items, [{"PopulationCount": 98, "SpeciesName": "Species 2", "UniqueID": 2003}])
        by_index = self.p.json("tables", "items", f"{NAME}/species", "--index", "by_population", "--hash", "Species 5")
        self.assertEqual([i["UniqueID"] for i in by_index], [2006])
        self.assertEqual(len(self.p.json("tables", "items", f"{NAME}/species", "--limit", "20")), 20)

    def nothing_is_left(self):
        self.p.ok("destroy", NAME, "--yes")
        self.assertEqual([b["Name"] for b in self.emulator.client("s3").list_buckets()["Buckets"] if STACK in b["Name"]], [])
        self.assertEqual(self.emulator.client("dynamodb").list_tables()["TableNames"], [])
        roles = self.emulator.client("iam").list_roles(PathPrefix="/pumphouse/")["Roles"]
        self.assertEqual(roles, [])


if __name__ == "__main__":
    unittest.main()
