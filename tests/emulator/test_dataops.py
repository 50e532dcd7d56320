"""dataops on an AWS that no one here wrote: deployed with the policies of its roles enforced, its functions run there, and
nothing stays behind. The emulator's crawler looks at nothing and tells nobody of its end: that event is given by hand."""

import json
import pathlib
import tempfile
import unittest

import harness
from harness import ROOT, wait_for

STACK = "dataops-dev"
EVENTS = ROOT / "pipelines" / "dataops" / "events"


class Dataops(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.emulator = harness.Emulator()
        cls.addClassCleanup(cls.emulator.stop)
        cls.p = harness.Pumphouse(cls.emulator, ROOT / "pipelines")
        cls.addClassCleanup(cls.p.stop)
        cls.dir = tempfile.TemporaryDirectory(prefix="events-")
        cls.addClassCleanup(cls.dir.cleanup)

    def test_its_whole_life(self):
        for step in [
            self.deploy,
            self.a_file_starts_the_crawler,
            self.a_crawler_at_work_is_no_mistake,
            self.the_end_of_a_crawl_starts_the_job,
            self.the_end_of_a_run_is_looked_at,
            self.a_failure_is_told_to_the_topic,
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

    def state(self):
        return self.emulator.client("glue").get_crawler(Name=f"{STACK}-input")["Crawler"]["State"]

    def a_file_starts_the_crawler(self):
        s3 = self.emulator.client("s3")
        # What the job writes starts nothing.
        s3.put_object(Bucket=self.lake, Key="output/orders/a.parquet", Body=b"x")
        self.assertEqual(self.state(), "READY")
        s3.put_object(Bucket=self.lake, Key="input/a.csv", Body=b"order_id\n1\n")
        wait_for("the crawler is started by the function", 60, lambda: self.state() == "RUNNING", pause=0.1)

    def a_crawler_at_work_is_no_mistake(self):
        def invoked():
            said = self.p.json("invoke", "dataops/start_crawler", "--event", EVENTS / "start_crawler.json")
            self.assertIsNone(said["error"], said)
            return said["payload"]["started"]

        started = [invoked(), invoked()]
        self.assertIn(False, started, "the second finds it at work")

    def event(self, name, **detail):
        event = json.loads((EVENTS / f"{name}.json").read_text())
        event["detail"] |= detail
        path = pathlib.Path(self.dir.name) / f"{name}.json"
        path.write_text(json.dumps(event))
        return path

    def the_end_of_a_crawl_starts_the_job(self):
        glue = self.emulator.client("glue")

        def started():
            wait_for("the crawler is at rest", 60, lambda: self.state() == "READY", pause=0.2)
            said = self.p.json("invoke", "dataops/start_etl", "--event", self.event("start_etl"))
            self.assertIsNone(said["error"], said)
            return said["payload"].get("started")

        # A time of S3 is a whole second: the file may seem to have come after the first crawl had begun.
        wait_for("the job is started by the function", 60, started, pause=1)
        self.assertEqual(len(glue.get_job_runs(JobName=f"{STACK}-etl")["JobRuns"]), 1)

    def the_end_of_a_run_is_looked_at(self):
        run = self.emulator.client("glue").get_job_runs(JobName=f"{STACK}-etl")["JobRuns"][0]["Id"]
        event = self.event("start_etl_again", jobRunId=run)
        said = self.p.json("invoke", "dataops/start_etl_again", "--event", event)
        self.assertIsNone(said["error"], said)

    def a_failure_is_told_to_the_topic(self):
        sns, sqs, events = (self.emulator.client(name) for name in ("sns", "sqs", "events"))
        rules = [r for r in events.list_rules()["Rules"] if "Glue Job State Change" in r.get("EventPattern", "")]
        told = [t["Arn"] for r in rules for t in events.list_targets_by_rule(Rule=r["Name"])["Targets"]]
        topic = next(t["TopicArn"] for t in sns.list_topics()["Topics"] if t["TopicArn"].endswith("events"))
        self.assertIn(topic, told)
        queue = sqs.create_queue(QueueName="judge")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        allow = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage"}
        policy = {"Version": "2012-10-17", "Statement": [allow | {"Resource": arn}]}
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(policy)})
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        detail = {"jobName": f"{STACK}-etl", "state": "FAILED", "jobRunId": "jr_x", "message": "no"}
        entry = {"Source": "aws.glue", "DetailType": "Glue Job State Change", "Detail": json.dumps(detail)}
        events.put_events(Entries=[entry])

        def message():
            return sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages")

        body = json.loads(wait_for("the topic is told", 30, message, pause=0.2)[0]["Body"])
        self.assertEqual(json.loads(body["Message"])["detail"]["state"], "FAILED")

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
