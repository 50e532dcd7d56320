"""dataops on an AWS that no one here wrote: it deploys, the rules for the ends of crawls and runs lead to its topic, and
nothing stays behind."""

import json
import unittest

import harness
from harness import ROOT

STACK = "dataops-dev"


class Dataops(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.emulator = harness.Emulator()
        cls.addClassCleanup(cls.emulator.stop)
        cls.p = harness.Pumphouse(cls.emulator, ROOT / "pipelines")
        cls.addClassCleanup(cls.p.stop)

    def test_its_whole_life(self):
        for step in [
            self.deploy,
            self.the_topic_is_told_of_each_end,
            self.destroy,
        ]:
            with self.subTest(step.__name__):
                step()
            if self._outcome.result.failures or self._outcome.result.errors:
                break

    def deploy(self):
        self.p.ok("bootstrap", "--yes")
        self.p.ok("deploy", "dataops", "--yes")
        self.assertEqual(self.p.json("status", "dataops")["status"], "CREATE_COMPLETE")
        outputs = {o["name"]: o["value"] for o in self.p.json("outputs", "dataops")}
        type(self).lake = outputs["LakeBucketName"]
        crawler = self.emulator.client("glue").get_crawler(Name=f"{STACK}-input")["Crawler"]
        self.assertEqual(crawler["Targets"]["S3Targets"][0]["Path"], f"s3://{self.lake}/input/")
        self.assertEqual(self.p.json("crawlers", "list")[0]["state"], "READY")

    def the_topic_is_told_of_each_end(self):
        # Nobody but AWS may put an event of its services onto a bus: that the rules lead there is all that can be seen.
        sns, events = self.emulator.client("sns"), self.emulator.client("events")
        topic = next(t["TopicArn"] for t in sns.list_topics()["Topics"] if t["TopicArn"].endswith("events"))
        told = set()
        for rule in events.list_rules()["Rules"]:
            pattern = json.loads(rule.get("EventPattern") or "{}")
            targets = [t["Arn"] for t in events.list_targets_by_rule(Rule=rule["Name"])["Targets"]]
            if topic in targets:
                told |= {(pattern["detail-type"][0], state) for state in pattern["detail"]["state"]}
        crawls = {("Glue Crawler State Change", state) for state in ("Succeeded", "Failed")}
        runs = {("Glue Job State Change", state) for state in ("SUCCEEDED", "FAILED", "TIMEOUT")}
        self.assertEqual(told, crawls | runs)

    def destroy(self):
        self.p.ok("destroy", "dataops", "--yes")
        stacks = self.emulator.client("cloudformation").list_stacks()["StackSummaries"]
        left = [s["StackStatus"] for s in stacks if s["StackName"] == STACK]
        self.assertEqual(set(left), {"DELETE_COMPLETE"})
        self.assertEqual(self.emulator.client("glue").get_crawlers()["Crawlers"], [])
        buckets = [b["Name"] for b in self.emulator.client("s3").list_buckets()["Buckets"]]
        self.assertEqual([b for b in buckets if b.startswith("dataops")], [])


if __name__ == "__main__":
    unittest.main()
