"""dataops on an AWS that no one here wrote: its files are uploaded at deploy, and from there each step starts the next, the
functions with their own roles. What the emulator lacks is given by the judge, and said where it is."""

import json
import time
import unittest

import harness
from harness import ROOT, wait_for

STACK = "dataops-dev"
CRAWLER, JOB = f"{STACK}-input", f"{STACK}-etl"
FILES = sorted(p.name for p in (ROOT / "pipelines" / "dataops" / "sample" / "input").glob("*.csv"))


class Dataops(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.emulator = harness.Emulator()
        cls.addClassCleanup(cls.emulator.stop)
        cls.p = harness.Pumphouse(cls.emulator, ROOT / "pipelines")
        cls.addClassCleanup(cls.p.stop)
        cls.glue = cls.emulator.client("glue")

    def test_its_whole_life(self):
        for step in [
            self.deploy,
            self.a_file_starts_the_crawler,
            self.many_files_are_no_mistake,
            self.the_rules_lead_to_the_topic,
            self.the_end_of_a_crawl_starts_the_job,
            self.the_end_of_a_run_is_looked_at,
            self.nothing_is_left,
        ]:
            print(f"... {step.__name__}", flush=True)
            step()

    def said(self, function):
        """What a function has written, of all its invocations."""
        events = self.p.json("logs", "tail", f"dataops/{function}", "--since", "1h")
        return "\n".join(e["message"] for e in events)

    def crawler(self):
        return self.glue.get_crawler(Name=CRAWLER)["Crawler"]

    def runs(self):
        return self.glue.get_job_runs(JobName=JOB)["JobRuns"]

    def deploy(self):
        self.p.ok("bootstrap", "--yes")
        files = [c["physical_name"].split("/")[-1] for c in self.p.json("plan", "dataops")["changes"] if c["kind"] == "file"]
        self.assertEqual(files, FILES)
        self.p.ok("deploy", "dataops", "--yes")
        self.assertEqual(self.p.json("status", "dataops")["status"], "CREATE_COMPLETE")
        outputs = {o["name"]: o["value"] for o in self.p.json("outputs", "dataops")}
        type(self).lake = outputs["LakeBucketName"]
        self.assertEqual(self.crawler()["Targets"]["S3Targets"][0]["Path"], f"s3://{self.lake}/input/")
        type(self).judge = harness.Judge(self.emulator, "events")
        self.may_use_the_crawler_here("start_crawler", "start_etl", "start_etl_again")

    def may_use_the_crawler_here(self, *functions):
        """The emulator takes the `Name` in GetCrawler and StartCrawler for that of a table and asks for a permission to
        that. So these roles get it, after a look that they have the right one, on the crawler, and on nothing else."""
        iam = self.emulator.client("iam")
        arn = f"arn:aws:glue:{harness.REGION}:{harness.ACCOUNT}"
        for function in functions:
            lambda_ = self.emulator.client("lambda")
            role = lambda_.get_function(FunctionName=f"{STACK}-{function}")["Configuration"]["Role"].split("/")[-1]
            policies = [
                iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
                for name in iam.list_role_policies(RoleName=role)["PolicyNames"]
            ]
            statements = [s for p in policies for s in p["Statement"] if "glue:GetCrawler" in s["Action"]]
            self.assertEqual([s["Resource"] for s in statements], [f"{arn}:crawler/{CRAWLER}"])
            here = [{**statements[0], "Resource": f"{arn}:table/{CRAWLER}"}]
            document = json.dumps({"Version": "2012-10-17", "Statement": here})
            iam.put_role_policy(RoleName=role, PolicyName="what-the-emulator-asks-for", PolicyDocument=document)

    def a_file_starts_the_crawler(self):
        # What the deploy has uploaded has been told to the function, which could not start the crawler yet; it is tried
        # again. Let that be over.
        wait_for("what was uploaded is told", 60, lambda: all(f"input/{f} has landed" in self.said("start_crawler") for f in FILES))
        wait_for("the crawler is at rest", 60, self.at_rest)
        s3 = self.emulator.client("s3")
        # What the job writes starts nothing.
        s3.put_object(Bucket=self.lake, Key="output/orders/a.parquet", Body=b"x")
        s3.put_object(Bucket=self.lake, Key="input/orders-2026-11-04.csv", Body=b"order_id\n1\n")
        wait_for(
            "the function has started the crawler",
            60,
            lambda: "input/orders-2026-11-04.csv has landed" in self.said("start_crawler")
            and f"{CRAWLER} starts" in self.said("start_crawler"),
        )
        last = wait_for("the crawl is over", 60, lambda: self.at_rest() and self.crawler().get("LastCrawl"))
        self.assertEqual(last["Status"], "SUCCEEDED")
        self.assertNotIn("output/", self.said("start_crawler"))

    def at_rest(self):
        return self.crawler()["State"] == "READY"

    def many_files_are_no_mistake(self):
        s3 = self.emulator.client("s3")
        for n in range(4):
            s3.put_object(Bucket=self.lake, Key=f"input/more-{n}.csv", Body=b"order_id\n1\n")
        wait_for(
            "all are told, and one crawl is begun",
            60,
            lambda: all(f"input/more-{n}.csv has landed" in self.said("start_crawler") for n in range(4))
            and f"{CRAWLER} is at work: its end tells of what came meanwhile" in self.said("start_crawler"),
        )

    def rules(self):
        events = self.emulator.client("events")
        for rule in events.list_rules()["Rules"]:
            pattern = json.loads(rule.get("EventPattern") or "{}")
            targets = [t["Arn"] for t in events.list_targets_by_rule(Rule=rule["Name"])["Targets"]]
            yield rule["Name"], pattern, targets

    def the_rules_lead_to_the_topic(self):
        told = set()
        for _, pattern, targets in self.rules():
            if self.judge.topic in targets:
                self.assertEqual(pattern["source"], ["aws.glue"])
                told |= {(pattern["detail-type"][0], state) for state in pattern["detail"]["state"]}
        crawls = {("Glue Crawler State Change", state) for state in ("Succeeded", "Failed")}
        runs = {("Glue Job State Change", state) for state in ("SUCCEEDED", "FAILED", "TIMEOUT")}
        self.assertEqual(told, crawls | runs)
        # The emulator's Glue tells EventBridge nothing, and nobody else may put an event of AWS's services onto a bus, not
        # there and not on AWS. So the rules listen to the judge from here on; all else of them is as it was deployed.
        events = self.emulator.client("events")
        for name, pattern, _ in self.rules():
            if pattern.get("source") == ["aws.glue"]:
                events.put_rule(Name=name, EventPattern=json.dumps({**pattern, "source": ["judge"]}), State="ENABLED")

    def tell(self, function, **detail):
        """What Glue would tell: the example event of the function, with other details."""
        event = json.loads((ROOT / "pipelines" / "dataops" / "events" / f"{function}.json").read_text())
        entry = {"Source": "judge", "DetailType": event["detail-type"], "Detail": json.dumps(event["detail"] | detail)}
        answer = self.emulator.client("events").put_events(Entries=[entry])
        self.assertEqual(answer["FailedEntryCount"], 0, answer)

    def heard(self, kind, state):
        return [m for m in self.judge.received() if m.get("detail-type") == kind and m["detail"]["state"] == state]

    def the_end_of_a_crawl_starts_the_job(self):
        told, end = 0, time.monotonic() + 90
        # A file that came after the crawl had begun is crawled first: then the job comes with the next end.
        while not self.runs():
            self.assertLess(time.monotonic(), end, f"no job is started:\n{self.said('start_etl')}")
            wait_for("the crawler is at rest", 60, self.at_rest)
            self.tell("start_etl")
            told += 1
            said = wait_for("it is looked at", 60, lambda: self.ended(told))
            self.assertNotIn("[ERROR]", said)
        self.assertEqual(len(self.runs()), 1)
        self.assertIn(f"{JOB} starts: {self.runs()[0]['Id']}", self.said("start_etl"))
        heard = wait_for("the topic is told", 60, lambda: self.heard("Glue Crawler State Change", "Succeeded"))
        self.assertEqual(heard[-1]["detail"]["crawlerName"], CRAWLER)

    def ended(self, invocations):
        said = self.said("start_etl")
        return said if said.count("END RequestId") >= invocations else None

    def the_end_of_a_run_is_looked_at(self):
        run = self.runs()[0]["Id"]
        self.tell("start_etl_again", jobRunId=run)
        said = wait_for("it is looked at", 60, lambda: self.said("start_etl_again"))
        self.assertIn(f"run {run} of {JOB} has ended: SUCCEEDED", said)
        heard = wait_for("the topic is told", 60, lambda: self.heard("Glue Job State Change", "SUCCEEDED"))
        self.assertEqual(heard[-1]["detail"]["jobRunId"], run)

    def nothing_is_left(self):
        self.p.ok("destroy", "dataops", "--yes")
        stacks = self.emulator.client("cloudformation").list_stacks()["StackSummaries"]
        left = [s["StackStatus"] for s in stacks if s["StackName"] == STACK]
        self.assertEqual(set(left), {"DELETE_COMPLETE"})
        self.assertEqual(self.glue.get_crawlers()["Crawlers"], [])
        buckets = [b["Name"] for b in self.emulator.client("s3").list_buckets()["Buckets"]]
        self.assertEqual([b for b in buckets if b.startswith("dataops")], [])
        roles = self.emulator.client("iam").list_roles(PathPrefix="/pumphouse/")["Roles"]
        self.assertEqual([r["RoleName"] for r in roles], [])


if __name__ == "__main__":
    unittest.main()
