"""crypto-stream's whole life on an AWS that no one here wrote: bootstrap, deploy, data, alerts, queries, an update, a broken
update, drift, destroy. One story: each step builds on the one before, so a failure ends it."""

import json
import pathlib
import shutil
import tempfile
import unittest

import harness
from console import Console
from harness import ROOT, wait_for

STACK = "crypto-stream-dev"


class CryptoStream(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.TemporaryDirectory(prefix="pipelines-")
        cls.addClassCleanup(cls.dir.cleanup)
        cls.emulator = harness.Emulator()
        cls.addClassCleanup(cls.emulator.stop)
        cls.prices = harness.Prices()
        cls.addClassCleanup(cls.prices.stop)
        pipelines = pathlib.Path(cls.dir.name)
        shutil.copytree(ROOT / "pipelines" / "crypto-stream", pipelines / "crypto-stream")
        cls.toml = pipelines / "crypto-stream" / "pipeline.toml"
        # The real source is not reachable from a build machine.
        cls.edit("https://api.coinbase.com/v2/prices/{pair}/spot", cls.prices.url)
        # The emulator keeps to the real time: a buffer of a minute is a minute.
        cls.p = harness.Pumphouse(cls.emulator, pipelines)
        cls.addClassCleanup(cls.p.stop)

    @classmethod
    def edit(cls, old, new):
        text = cls.toml.read_text()
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {cls.toml}"
        cls.toml.write_text(text.replace(old, new))

    def bucket(self, name):
        buckets = [b["name"] for b in self.p.json("buckets", "list")]
        found = [b for b in buckets if b.startswith(f"{STACK}-{name}")]
        self.assertEqual(len(found), 1, buckets)
        return found[0]

    def landed(self):
        pages = self.emulator.client("s3").get_paginator("list_objects_v2").paginate(Bucket=self.landing)
        return [o["Key"] for page in pages for o in page.get("Contents", [])]

    def bases(self):
        """Whose prices have landed: AWS puts all records of a buffer into a file, the emulator each into its own."""
        s3 = self.emulator.client("s3")
        bodies = [s3.get_object(Bucket=self.landing, Key=key)["Body"].read().decode() for key in self.landed()]
        return {json.loads(line)["base"] for body in bodies for line in body.splitlines()}

    def test_its_whole_life(self):
        steps = [
            self.before_the_bootstrap,
            self.bootstrap,
            self.plan_and_deploy,
            self.data_flows_by_itself,
            self.a_threshold_is_obeyed,
            self.athena_answers,
            self.the_console_shows_it,
            self.one_property_changes,
            self.an_update_whose_name_is_taken_changes_nothing,
            self.an_update_that_fails_in_the_middle_is_rolled_back,
            self.drift_is_found,
            self.nothing_is_left,
        ]
        for step in steps:
            print(f"... {step.__name__}", flush=True)
            step()

    def before_the_bootstrap(self):
        said = self.p.run("deploy", "crypto-stream", "--yes")
        self.assertEqual(said.code, 1, said)
        self.assertIn("pumphouse bootstrap", said.err)

    def bootstrap(self):
        self.p.ok("bootstrap", "--yes")
        again = self.p.ok("bootstrap", "--yes")
        self.assertNotIn("CREATE", again.err)

    def plan_and_deploy(self):
        plan = self.p.json("plan", "crypto-stream")
        self.assertTrue(plan["changes"])
        self.assertEqual({c["action"] for c in plan["changes"]}, {"add"})
        stacks = self.emulator.client("cloudformation").describe_stacks()["Stacks"]
        self.assertEqual([s["StackName"] for s in stacks], ["pumphouse-bootstrap"], "a plan leaves no stack behind")
        self.p.ok("deploy", "crypto-stream", "--yes")
        self.assertEqual(self.p.json("plan", "crypto-stream")["changes"], [])
        self.assertEqual(self.p.json("status", "crypto-stream")["status"], "CREATE_COMPLETE")
        outputs = {o["name"]: o["value"] for o in self.p.json("outputs", "crypto-stream")}
        self.landing = outputs["LandingBucketName"]
        self.assertEqual(self.landing, self.bucket("landing"))

    def data_flows_by_itself(self):
        self.judge = harness.Judge(self.emulator, "price_alerts")
        # Nobody invokes anything: the schedule fires within a minute, the buffer is written after another.
        wait_for("files of all three prices", 240, lambda: {"BTC", "ETH", "XRP"} <= self.bases())
        events = wait_for(
            "the log of the function that reads it",
            60,
            lambda: self.p.json("logs", "tail", "crypto-stream/alert_on_price", "--since", "1h"),
        )
        self.assertTrue(events)
        self.assertEqual(self.judge.received(), [], "97,000.50 is below the threshold of 100,000")
        self.assertEqual(
            [k["key"] for k in self.p.json("buckets", "objects", "crypto-stream/landing", "--recursive")["objects"]],
            self.landed(),
        )

    def a_threshold_is_obeyed(self):
        before = len(self.landed())
        self.p.ok("alerts", "set", "crypto-stream/btc_usd", "90000", "--yes")
        value = self.emulator.client("ssm").get_parameter(Name="/crypto-stream/dev/btc_usd")["Parameter"]["Value"]
        self.assertEqual(float(value), 90000)
        messages = wait_for("an alert", 240, self.judge.received)
        self.assertGreater(len(self.landed()), before, "the next file is the one that is obeyed")
        self.assertEqual([(c["base"], c["amount"]) for c in messages[0]["crossings"]], [("BTC", "97000.5")])
        self.p.ok("alerts", "set", "crypto-stream/btc_usd", "100000", "--yes")

    def athena_answers(self):
        # The emulator runs no Spark, so what the job would have written is taken from the embedded cloud's own run.
        with tempfile.TemporaryDirectory(prefix="local-") as state:
            local = ["--local", "--state-dir", state]
            sample = str(ROOT / "pipelines" / "crypto-stream" / "sample" / "spot_prices.jsonl")
            self.p.ok(*local, "deploy", "crypto-stream", "--yes")
            self.p.ok(*local, "run", "crypto-stream", "--source", f"coinbase={sample}", "--yes")
            wanted = self.p.json(*local, "query", "select base, count(*) n from prices group by base order by base")
            staged = self.p.json(*local, "buckets", "objects", "crypto-stream/staging", "--recursive")["objects"]
            for item in staged[:3]:
                self.p.ok(*local, "buckets", "get", "crypto-stream/staging", item["key"], f"{state}/part")
                self.p.ok("buckets", "put", "crypto-stream/staging", item["key"], f"{state}/part")
            self.assertTrue(wanted["rows"])
        answer = self.p.json("query", 'select "base", "amount" from "crypto_stream"."prices"')
        self.assertEqual([c["name"] for c in answer["columns"]], ["base", "amount"])
        self.assertGreaterEqual(len(answer["rows"]), 3)
        history = self.p.json("queries", "history")
        self.assertEqual(history[0]["state"], "SUCCEEDED")

    def the_console_shows_it(self):
        console = Console(self.p.arguments("--read-only"), self.p.environment())
        try:
            console.see("crypto-stream", "READ-ONLY", harness.ACCOUNT)
            console.press("2")
            console.see(self.landing)
            console.press("3")
            console.see(f"{STACK}-clean_prices")
            console.press("4")
            console.see(f"lambda/{STACK}-fetch_prices")
            console.press("5")
            console.see("btc_usd", "price_alerts")
            console.press("7")
            console.see("crypto-stream", "CREATE_COMPLETE")
        finally:
            status = console.close()
        self.assertEqual(status, 0)

    def one_property_changes(self):
        metric = 'metric = "function.fetch_prices:errors"'
        self.edit(metric, f"{metric}\nabove = 3")
        [change] = self.p.json("plan", "crypto-stream")["changes"]
        self.assertEqual((change["logical_id"], change["action"]), ("FetchFailingAlarm", "change"))
        [threshold] = change["properties"]
        self.assertEqual((threshold["path"], float(threshold["after"])), ("Threshold", 3.0), threshold)
        self.p.ok("deploy", "crypto-stream", "--yes")
        self.assertEqual(self.p.json("plan", "crypto-stream")["changes"], [])

    def an_update_whose_name_is_taken_changes_nothing(self):
        # A bucket of the name that the new resource would get is there already.
        s3, name = self.emulator.client("s3"), f"{STACK}-extra-{harness.ACCOUNT}-{harness.REGION}"
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": harness.REGION})
        text = self.toml.read_text()
        self.toml.write_text(text + "\n[bucket.extra]\n")
        said = self.p.run("deploy", "crypto-stream", "--yes")
        self.assertEqual(said.code, 1, said)
        self.assertIn("ExtraBucket", said.err)
        self.assertIn("already exists", said.err)
        self.assertIn(self.p.json("status", "crypto-stream")["status"], ["UPDATE_ROLLBACK_COMPLETE", "UPDATE_COMPLETE"])
        self.toml.write_text(text)
        s3.delete_bucket(Bucket=name)
        self.assertEqual(self.p.json("plan", "crypto-stream")["changes"], [])

    def an_update_that_fails_in_the_middle_is_rolled_back(self):
        # A parameter of the new threshold's name is there already. Validation does not look at parameters, so the alarm has
        # its new limit by the time that the threshold cannot be made.
        ssm, cloudwatch = self.emulator.client("ssm"), self.emulator.client("cloudwatch")
        alarm, name = f"{STACK}-fetch_failing", "/crypto-stream/dev/zzz"
        limit = lambda: cloudwatch.describe_alarms(AlarmNames=[alarm])["MetricAlarms"][0]["Threshold"]
        ssm.put_parameter(Name=name, Value="1", Type="String")
        text, before = self.toml.read_text(), limit()
        self.edit("above = 3", "above = 7")
        self.toml.write_text(self.toml.read_text() + "\n[threshold.zzz]\ndefault = 5.0\n")
        self.assertEqual(
            {c["logical_id"]: c["action"] for c in self.p.json("plan", "crypto-stream")["changes"]},
            {"FetchFailingAlarm": "change", "ZzzThreshold": "add"},
        )
        said = self.p.run("deploy", "crypto-stream", "--yes")
        self.assertEqual(said.code, 1, said)
        for words in ["threshold threshold.zzz (ZzzThreshold)", "already exists", "everything is as it was before"]:
            self.assertIn(words, said.err)
        self.assertEqual(self.p.json("status", "crypto-stream")["status"], "UPDATE_ROLLBACK_COMPLETE")
        told = self.p.json("events", "crypto-stream", "--limit", "1000")
        events = [(e["logical_id"], e["status"]) for e in told]
        events = events[max(n for n, e in enumerate(events) if e == (STACK, "UPDATE_IN_PROGRESS")) :]
        changed, failed = events.index(("FetchFailingAlarm", "UPDATE_COMPLETE")), ("ZzzThreshold", "UPDATE_FAILED")
        rolled_back = events.index((STACK, "UPDATE_ROLLBACK_IN_PROGRESS"))
        self.assertLess(changed, events.index(failed), events)
        self.assertIn(("FetchFailingAlarm", "UPDATE_COMPLETE"), events[rolled_back:], "taken back")
        reasons = [e["reason"] for e in told if (e["logical_id"], e["status"]) == failed]
        self.assertIn("already exists", reasons[-1])
        last = self.p.json("history", "crypto-stream")[0]
        self.assertEqual((last["kind"], last["status"]), ("update", "UPDATE_ROLLBACK_COMPLETE"))
        self.assertIn("ZzzThreshold", last["reason"])
        self.assertEqual((limit(), before), (3.0, 3.0), "the alarm has its old limit again")
        self.assertEqual(ssm.get_parameter(Name=name)["Parameter"]["Value"], "1", "what was there is untouched")
        self.toml.write_text(text)
        ssm.delete_parameter(Name=name)
        self.assertEqual(self.p.json("plan", "crypto-stream")["changes"], [])

    def drift_is_found(self):
        self.assertEqual(self.p.json("drift", "crypto-stream")["resources"], [])
        function = f"{STACK}-fetch_prices"
        self.emulator.client("lambda").update_function_configuration(FunctionName=function, MemorySize=1024)
        drift = self.p.json("drift", "crypto-stream")["resources"]
        self.assertEqual([r["logical_id"] for r in drift], ["FetchPricesFunction"])
        self.assertIn("1024", json.dumps(drift))

    def nothing_is_left(self):
        said = self.p.run("destroy", "crypto-stream")
        self.assertEqual(said.code, 3, said)
        self.p.ok("destroy", "crypto-stream", "--yes")
        client = self.emulator.client
        left = {
            "stacks": [
                s["StackName"]
                for s in client("cloudformation").describe_stacks()["Stacks"]
                if s["StackStatus"] != "DELETE_COMPLETE"
            ],
            "buckets": [b["Name"] for b in client("s3").list_buckets()["Buckets"]],
            "functions": [f["FunctionName"] for f in client("lambda").list_functions()["Functions"]],
            "streams": client("kinesis").list_streams()["StreamNames"],
            "deliveries": client("firehose").list_delivery_streams()["DeliveryStreamNames"],
            "topics": [t["TopicArn"] for t in client("sns").list_topics()["Topics"]],
            "queues": [q for q in client("sqs").list_queues().get("QueueUrls", []) if not q.endswith("/judge")],
            "parameters": [p["Name"] for p in client("ssm").describe_parameters()["Parameters"]],
            "secrets": [s["Name"] for s in client("secretsmanager").list_secrets()["SecretList"]],
            "alarms": [a["AlarmName"] for a in client("cloudwatch").describe_alarms()["MetricAlarms"]],
            "groups": [
                g["logGroupName"]
                for g in client("logs").describe_log_groups()["logGroups"]
                if STACK in g["logGroupName"]
            ],
            "jobs": [j["Name"] for j in client("glue").get_jobs()["Jobs"]],
            "databases": [d["Name"] for d in client("glue").get_databases()["DatabaseList"] if d["Name"] != "default"],
            "apis": [a["name"] for a in client("apigateway").get_rest_apis()["items"]],
            "rules": [r["Name"] for r in client("events").list_rules()["Rules"]],
            "roles": [r["RoleName"] for r in client("iam").list_roles()["Roles"] if STACK in r["RoleName"]],
        }
        self.assertEqual(left.pop("stacks"), ["pumphouse-bootstrap"])
        buckets = left.pop("buckets")
        self.assertEqual(buckets, [f"pumphouse-artifacts-{harness.ACCOUNT}-{harness.REGION}"])
        self.assertEqual({k: v for k, v in left.items() if v}, {})


if __name__ == "__main__":
    unittest.main(verbosity=2)
