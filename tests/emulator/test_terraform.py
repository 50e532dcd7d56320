"""A directory of Terraform's as its users write it, on an AWS that no one here wrote, by the real terraform: adopted, planned,
applied, drifted, repaired and destroyed, in one environment from the command line and in the other from the console.

The providers come from tests/terraform/providers, which stand in for those that can only be downloaded."""

import datetime
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.request

import harness
from console import Console
from harness import ROOT

sys.path.append(str(ROOT / "tests" / "terraform" / "providers"))
import mirror  # noqa: E402

STATES = "acme-terraform-state"
TOKEN, NEXT_TOKEN = "tok-4c1f7a90", "tok-d93b02e6"
RESOURCES = 14
# What an emulator wants of Terraform's backend, which takes the endpoint from the environment.
BACKEND = "use_path_style = true\nskip_credentials_validation = true\n"
SUBSCRIPTION = "module.ingest.aws_sns_topic_subscription.mail"
FUNCTION = "module.ingest.aws_lambda_function.ingest"
STREAM = "module.ingest.aws_kinesis_stream.orders"
# A plan takes seconds, and minutes on a machine that has much to do.
LONG = 180
VERSIONING = 'module.lake.aws_s3_bucket_versioning.zone["landing"]'


class Gate(harness.Site):
    """In front of the emulator: requests for one operation wait until it is opened."""

    def __init__(self, emulator, operation):
        self.emulator, self.operation = emulator, operation
        self.reached, self.opened = threading.Event(), threading.Event()
        super().__init__(self.answer)

    def answer(self, request):
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        if self.operation in request.path + request.headers.get("X-Amz-Target", ""):
            self.reached.set()
            self.opened.wait(60)
        own = "host", "connection", "content-length"
        headers = {name: value for name, value in request.headers.items() if name.lower() not in own}
        asked = urllib.request.Request(self.emulator.url + request.path, body, headers, method=request.command)
        with urllib.request.urlopen(asked, timeout=60) as answer:
            kept = {k: v for k, v in answer.headers.items() if k.lower().startswith(("content-type", "x-amz"))}
            return answer.status, kept, answer.read()


class Pumphouse(harness.Pumphouse):
    """The binary, and what Terraform has from the environment. It never tells what is sensitive."""

    def __init__(self, emulator, pipelines, more):
        super().__init__(emulator, pipelines)
        self.more = more

    def environment(self):
        return super().environment() | self.more

    def run(self, *args, **more):
        said = super().run(*args, **more)
        assert TOKEN not in str(said) and NEXT_TOKEN not in str(said), said
        return said

    def begin(self, *args):
        """A command that is not waited for."""
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(self.arguments(*args), env=self.environment(), cwd=self.dir.name, **pipes)


@unittest.skipUnless(shutil.which("terraform"), "no terraform")
class Terraform(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.emulator = harness.Emulator()
        cls.addClassCleanup(cls.emulator.stop)
        cls.mirror = mirror.Mirror()
        cls.addClassCleanup(cls.mirror.stop)
        work = tempfile.TemporaryDirectory(prefix="terraform-")
        cls.addClassCleanup(work.cleanup)
        cls.work = pathlib.Path(work.name)
        cls.furnish()
        cls.p = Pumphouse(cls.emulator, cls.work / "pipelines", cls.mirror.environment | {"TF_VAR_api_token": TOKEN})
        cls.addClassCleanup(cls.p.stop)
        cls.values = cls.work / "infra" / "environments" / "dev" / "dev.tfvars"

    @classmethod
    def furnish(cls):
        """The directory, untouched but for what the emulator needs, and the bucket for its states."""
        shutil.copytree(ROOT / "tests" / "terraform" / "orders", cls.work / "infra")
        for environment in ("dev", "prod"):
            (cls.work / "infra" / "environments" / environment / "emulator.s3.tfbackend").write_text(BACKEND)
        place = {"LocationConstraint": harness.REGION}
        cls.emulator.client("s3").create_bucket(Bucket=STATES, CreateBucketConfiguration=place)

    def test_a_directory_that_is_there(self):
        for step in [
            self.it_is_adopted_from_its_plan,
            self.what_was_planned_is_applied,
            self.the_panes_know_it,
            self.drift_is_named_property_by_property,
            self.a_deploy_repairs_it,
            self.values_that_change_are_shown_before_and_after,
            self.a_lock_of_somebody_else_is_told_and_taken_away,
            self.a_stale_plan_is_not_applied,
            self.an_apply_outlives_us_and_is_found,
            self.an_apply_that_is_interrupted_ends_in_order,
            self.production_is_planned_and_applied_in_the_console,
            self.its_drift_is_found_and_repaired_in_the_console,
            self.it_is_destroyed_in_the_console,
            self.nothing_is_left,
        ]:
            begun = datetime.datetime.now()
            step()
            print(f"... {step.__name__} ({(datetime.datetime.now() - begun).seconds} s)", flush=True)

    def changes(self):
        """What a plan would change: action and properties by address."""
        said = self.p.json("plan", "orders")["changes"]
        return {c["logical_id"]: (c["action"], {p["path"]: p for p in c["properties"]}) for c in said}

    def queue(self, name):
        return self.emulator.client("sqs").get_queue_url(QueueName=name)["QueueUrl"]

    def shards(self, environment="dev"):
        stream = self.emulator.client("kinesis").describe_stream_summary(StreamName=f"acme-orders-{environment}-orders")
        return stream["StreamDescriptionSummary"]["OpenShardCount"]

    def variables(self):
        found = self.emulator.client("lambda").get_function_configuration(FunctionName="acme-orders-dev-ingest")
        return found["Environment"]["Variables"]

    def it_is_adopted_from_its_plan(self):
        said = self.p.ok("adopt", str(self.work / "infra"), "--name", "orders")
        for environment in ("dev", "prod"):
            self.assertIn(f"{environment}: {RESOURCES} resources in its plan, as its state has nothing", said.err)
        toml = self.work / "pipelines" / "orders" / "pipeline.toml"
        written = toml.read_text()
        self.assertIn('dir = "../../infra/environments/{env}"', written)
        self.assertIn('backend_config = ["emulator.s3.tfbackend"]', written)
        self.assertIn('buckets = ["acme-orders-dev-curated", "acme-orders-dev-landing"]', written)
        self.assertIn("protected = true", written.partition("[env.prod]")[2])
        # Whoever holds the lock is not waited for here.
        toml.write_text(written.replace("[deploy]\n", "[deploy]\nlock_timeout_seconds = 0\n"))
        self.p.ok("check")

    def what_was_planned_is_applied(self):
        plan = self.p.dir.name + "/plan.json"
        said = self.p.run("plan", "orders", "--detailed-exitcode", "--out", plan)
        self.assertEqual(said.code, 2, said)
        self.assertIn(f"{RESOURCES} to add, 0 to change, 0 to replace, 0 to remove", said.out)
        said = self.p.ok("deploy", "orders", "--plan-file", plan, "--yes")
        self.assertIn(f"{RESOURCES}/{RESOURCES} CREATE_COMPLETE", said.err)
        status = self.p.json("status", "orders")
        self.assertEqual((status["status"], len(status["resources"])), ("CREATE_COMPLETE", RESOURCES))
        outputs = {o["name"]: o["value"] for o in self.p.json("outputs", "orders")}
        self.assertEqual(outputs, {"landing_bucket": "acme-orders-dev-landing", "api_token": "(sensitive)"})
        self.assertEqual(self.variables()["API_TOKEN"], TOKEN)
        tags = self.emulator.client("sqs").list_queue_tags(QueueUrl=self.queue("acme-orders-dev-failed-1"))["Tags"]
        self.assertEqual(tags, {"team": "orders", "environment": "dev"})
        self.p.ok("plan", "orders", "--detailed-exitcode")

    def the_panes_know_it(self):
        for command, name in [
            ("buckets", "acme-orders-dev-landing"),
            ("queues", "acme-orders-dev-failed-0"),
            ("topics", "acme-orders-dev-alerts"),
        ]:
            owners = {row["name"]: row["pipeline"] for row in self.p.json(command, "list")}
            self.assertEqual(owners.get(name), "orders", owners)
            self.assertIsNone(owners.get(STATES))

    def drift_is_named_property_by_property(self):
        sqs, queue = self.emulator.client("sqs"), self.queue("acme-orders-dev-failed-0")
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "77"})
        sqs.delete_queue(QueueUrl=self.queue("acme-orders-dev-failed-1"))
        suspended = {"Status": "Suspended"}
        self.emulator.client("s3").put_bucket_versioning(
            Bucket="acme-orders-dev-landing", VersioningConfiguration=suspended
        )
        self.emulator.client("kinesis").update_shard_count(
            StreamName="acme-orders-dev-orders", TargetShardCount=2, ScalingType="UNIFORM_SCALING"
        )
        variables = {"Variables": self.variables() | {"API_TOKEN": NEXT_TOKEN}}
        self.emulator.client("lambda").update_function_configuration(
            FunctionName="acme-orders-dev-ingest", Environment=variables
        )
        found = {}
        for resource in self.p.json("drift", "orders")["resources"]:
            properties = {p["path"]: (p["expected"], p["actual"]) for p in resource["properties"]}
            properties.pop("last_modified", None)
            found[resource["name"]] = (resource["status"], properties)
        wanted = {
            STREAM: ("MODIFIED", {"shard_count": (1, 2)}),
            FUNCTION: ("MODIFIED", {"environment[0].variables.API_TOKEN": ("(sensitive)", "(sensitive)")}),
            "module.ingest.aws_sqs_queue.failed[0]": ("MODIFIED", {"visibility_timeout_seconds": (30, 77)}),
            "module.ingest.aws_sqs_queue.failed[1]": ("DELETED", {}),
            VERSIONING: ("MODIFIED", {"versioning_configuration[0].status": ("Enabled", "Suspended")}),
        }
        self.assertEqual(found, wanted)

    def a_deploy_repairs_it(self):
        changes = self.changes()
        self.assertEqual({address: action for address, (action, _) in changes.items()}, {
            STREAM: "change",
            FUNCTION: "change",
            "module.ingest.aws_sqs_queue.failed[0]": "change",
            "module.ingest.aws_sqs_queue.failed[1]": "add",
            VERSIONING: "change",
        })
        self.p.ok("deploy", "orders", "--yes")
        self.assertEqual(self.shards(), 1)
        self.assertEqual(self.variables()["API_TOKEN"], TOKEN)
        asked = {"QueueUrl": self.queue("acme-orders-dev-failed-0"), "AttributeNames": ["VisibilityTimeout"]}
        attributes = self.emulator.client("sqs").get_queue_attributes(**asked)["Attributes"]
        self.assertEqual(attributes["VisibilityTimeout"], "30")
        self.queue("acme-orders-dev-failed-1")
        versioning = self.emulator.client("s3").get_bucket_versioning(Bucket="acme-orders-dev-landing")
        self.assertEqual(versioning["Status"], "Enabled")
        self.assertEqual(self.p.json("drift", "orders")["resources"], [])

    def values_that_change_are_shown_before_and_after(self):
        text = self.values.read_text().replace("orders-dev@", "alerts-dev@").replace("= 30", "= 60")
        self.values.write_text(text)
        self.p.more["TF_VAR_api_token"] = NEXT_TOKEN
        changes = self.changes()
        action, properties = changes[SUBSCRIPTION]
        self.assertEqual(action, "replace")
        endpoint = properties["endpoint"]
        self.assertEqual((endpoint["before"], endpoint["after"]), ("orders-dev@example.com", "alerts-dev@example.com"))
        forced = [path for path, p in properties.items() if p["requires_replacement"]]
        self.assertEqual(forced, ["endpoint"])
        days = changes["module.lake.aws_s3_bucket_lifecycle_configuration.landing"][1]["rule[0].expiration[0].days"]
        self.assertEqual((days["before"], days["after"]), (30, 60))
        token = changes[FUNCTION][1]["environment[0].variables.API_TOKEN"]
        self.assertEqual((token["before"], token["after"]), ("(sensitive)", "(sensitive)"))
        self.p.ok("deploy", "orders", "--yes")
        self.assertEqual(self.variables()["API_TOKEN"], NEXT_TOKEN)
        topic = f"arn:aws:sns:{harness.REGION}:{harness.ACCOUNT}:acme-orders-dev-alerts"
        told = self.emulator.client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
        self.assertEqual([s["Endpoint"] for s in told], ["alerts-dev@example.com"])

    def a_lock_of_somebody_else_is_told_and_taken_away(self):
        # As Terraform writes it.
        id, key = "0b9a9c1e-5f0e-4d6b-8c57-0d8f0b5f8f11", "orders/dev.tfstate"
        lock = {"ID": id, "Operation": "OperationTypeApply", "Info": "", "Who": "ana@laptop", "Version": "1.11.4"}
        lock |= {"Created": "2026-01-20T18:01:02.123456789Z", "Path": f"{STATES}/{key}"}
        s3 = self.emulator.client("s3")
        s3.put_object(Bucket=STATES, Key=f"{key}.tflock", Body=json.dumps(lock).encode())
        for command in (["plan", "orders"], ["deploy", "orders", "--yes"], ["drift", "orders"]):
            said = self.p.run(*command)
            self.assertEqual(said.code, 1, said)
            for words in ("ana@laptop", "since 2026-01-20 18:01:02", f"unlock orders {id}"):
                self.assertIn(words, said.err)
        self.p.ok("status", "orders")
        self.p.ok("plan", "orders", "--read-only")
        said = self.p.run("unlock", "orders", id[:-1] + "2", "--confirm", id[:-1] + "2")
        self.assertEqual(said.code, 1, said)
        self.assertEqual(self.p.run("unlock", "orders", id).code, 3)
        self.p.ok("unlock", "orders", id, "--confirm", id)
        self.assertNotIn(f"{key}.tflock", [o["Key"] for o in s3.list_objects_v2(Bucket=STATES)["Contents"]])
        self.p.ok("plan", "orders", "--detailed-exitcode")

    def a_stale_plan_is_not_applied(self):
        plan, text = self.p.dir.name + "/stale.json", self.values.read_text()
        self.values.write_text(text.replace("= 60", "= 90"))
        self.p.ok("plan", "orders", "--out", plan)
        self.values.write_text(text.replace("= 60", "= 45"))
        self.p.ok("deploy", "orders", "--yes")
        said = self.p.run("deploy", "orders", "--plan-file", plan, "--yes")
        self.assertEqual(said.code, 1, said)
        self.assertIn("nothing was applied; plan again", said.err)
        self.assertEqual(self.days(), 45)

    def days(self):
        s3 = self.emulator.client("s3")
        rules = s3.get_bucket_lifecycle_configuration(Bucket="acme-orders-dev-landing")["Rules"]
        return rules[0]["Expiration"]["Days"]

    def held(self, shards):
        """An apply that is under way, and the gate that it has come to."""
        text = [line for line in self.values.read_text().splitlines() if not line.startswith("shards")]
        self.values.write_text("\n".join([*text, f"shards = {shards}", ""]))
        gate = Gate(self.emulator, "UpdateShardCount")
        self.addCleanup(gate.stop)
        self.addCleanup(gate.opened.set)
        self.p.more["AWS_ENDPOINT_URL_KINESIS"] = gate.address
        process = self.p.begin("deploy", "orders", "--yes")
        self.p.more.pop("AWS_ENDPOINT_URL_KINESIS")
        if not gate.reached.wait(LONG):
            process.kill()
            self.fail(process.communicate())
        return process, gate

    def an_apply_outlives_us_and_is_found(self):
        process, gate = self.held(3)
        process.kill()
        process.communicate()
        self.assertEqual(self.p.json("status", "orders")["status"], "UPDATE_IN_PROGRESS")
        # Who comes from another machine sees a lock.
        other = Pumphouse(self.emulator, self.p.pipelines, self.p.more)
        self.addCleanup(other.stop)
        said = other.run("plan", "orders")
        self.assertEqual(said.code, 1, said)
        self.assertRegex(said.err, r"is locked by \S+@\S+ since .* for apply")
        follows = self.p.begin("deploy", "orders", "--yes")
        gate.opened.set()
        out, err = (text.decode() for text in follows.communicate(timeout=LONG))
        self.assertEqual(follows.returncode, 0, out + err)
        self.assertIn("UPDATE_COMPLETE", err)
        self.assertEqual(self.shards(), 3)
        self.assertEqual(self.p.json("history", "orders")[0]["status"], "UPDATE_COMPLETE")
        self.assertEqual(self.changes(), {})

    def an_apply_that_is_interrupted_ends_in_order(self):
        process, gate = self.held(4)
        process.send_signal(signal.SIGINT)
        threading.Timer(1, gate.opened.set).start()
        out, err = (text.decode() for text in process.communicate(timeout=LONG))
        self.assertEqual(process.returncode, 1, out + err)
        self.assertIn("interrupted", err)
        # What was at work was brought to its end, and the state knows it and is not locked.
        self.assertEqual(self.shards(), 4)
        self.assertEqual(self.changes(), {})

    def console(self, columns=160, rows=50):
        console = Console(self.p.arguments("--env", "prod"), self.p.environment(), columns, rows)
        self.addCleanup(console.kill)
        console.see("aws ·", "prod", "orders", harness.ACCOUNT)
        return console

    def production_is_planned_and_applied_in_the_console(self):
        console = self.console()
        console.see("not deployed")
        console.press("7")
        console.see("estimated: p plans in full", seconds=LONG)
        console.press("p")
        console.see_no("estimated", seconds=LONG)
        console.see("+14 ~0 !0 -0", 'zone["landing"]')
        console.press("a")
        # Production wants its name typed; another one will not do.
        console.see("Confirm: deploy", "14 to add, 0 to change", "Type orders-prod to go on", seconds=LONG)
        console.press("orders-dev\r")
        console.press("\x1b[27u")
        console.see_no("Confirm: deploy")
        self.assertEqual(self.p.run("--env", "prod", "status", "orders").code, 1)
        console.press("a")
        console.see("Type orders-prod to go on", seconds=LONG)
        console.press("orders-prod\r")
        console.see("14 of 14 · ended", "orders-prod is CREATE_COMPLETE", seconds=LONG)
        console.see("CREATE_COMPLETE · 14 resources")
        self.assertEqual(self.shards("prod"), 4)
        # The other panes know what there is, and whose it is.
        console.press("1")
        console.see("acme-orders-prod-orders", "acme-orders-prod-ingest", "acme-orders-prod-failed-1")
        console.press("2")
        console.see("acme-orders-prod-landing", "acme-orders-prod-curated", "acme-orders-dev-landing")
        said = self.p.ok("--env", "prod", "invoke", "orders/ingest", "--yes")
        self.assertIn('"landing":"acme-orders-prod-landing"', said.out)
        console.press("4")
        console.see("/aws/lambda/acme-orders-prod-ingest")
        self.assertEqual(console.close(), 0)

    def its_drift_is_found_and_repaired_in_the_console(self):
        console = self.console(80, 24)
        queue = self.queue("acme-orders-prod-failed-0")
        sqs, suspended = self.emulator.client("sqs"), {"Status": "Suspended"}
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "77"})
        self.emulator.client("s3").put_bucket_versioning(
            Bucket="acme-orders-prod-curated", VersioningConfiguration=suspended
        )
        console.press("7")
        console.see("CREATE_COMPLETE", seconds=LONG)
        console.press("f")
        found = "visibility_timeout_seconds: expected 30, is 77", 'status: expected "Enabled"', 'is "Suspended"'
        console.see("2 resources not what the stack says", *found, seconds=LONG)
        console.press("\x1b[27u")
        console.press("p")
        console.see("+0 ~2 !0 -0", "visibility_timeout_seconds: 77 → 30", '"Suspended" → "Enabled"', seconds=LONG)
        console.press("a")
        console.see("Type orders-prod to go on", seconds=LONG)
        console.press("orders-prod\r")
        console.see("2 of 2 · ended", "orders-prod is UPDATE_COMPLETE", seconds=LONG)
        console.press("f")
        console.see("orders-prod: no drift", seconds=LONG)
        console.press("\x1b[27u")
        asked = {"QueueUrl": queue, "AttributeNames": ["VisibilityTimeout"]}
        self.assertEqual(sqs.get_queue_attributes(**asked)["Attributes"]["VisibilityTimeout"], "30")
        self.assertEqual(console.close(), 0)

    def it_is_destroyed_in_the_console(self):
        console = self.console()
        console.press("7")
        console.see("UPDATE_COMPLETE", seconds=LONG)
        console.press("x")
        console.see("Confirm: destroy", "Type orders-prod to go on", seconds=LONG)
        console.press("orders-prod\r")
        console.see("14 of 14 · ended", seconds=LONG)
        console.see("not deployed")
        self.assertEqual(console.close(), 0)
        self.assertEqual(self.p.run("--env", "prod", "status", "orders").code, 1)

    def nothing_is_left(self):
        said = self.p.run("destroy", "orders")
        self.assertEqual(said.code, 3, said)
        self.assertIn("--confirm orders-dev", said.err)
        self.p.ok("destroy", "orders", "--confirm", "orders-dev")
        self.assertEqual(self.p.run("status", "orders").code, 1)
        c = self.emulator.client
        self.assertEqual([b["Name"] for b in c("s3").list_buckets()["Buckets"]], [STATES])
        self.assertEqual(c("kinesis").list_streams()["StreamNames"], [])
        self.assertEqual(c("sqs").list_queues().get("QueueUrls", []), [])
        self.assertEqual(c("lambda").list_functions()["Functions"], [])
        self.assertEqual(c("sns").list_topics()["Topics"], [])
        self.assertEqual(c("sns").list_subscriptions()["Subscriptions"], [])
        named = [d["Name"] for d in c("glue").get_databases()["DatabaseList"]]
        named += [w["Name"] for w in c("athena").list_work_groups()["WorkGroups"]]
        named += [r["RoleName"] for r in c("iam").list_roles()["Roles"]]
        self.assertEqual([name for name in named if name.startswith(("acme-", "acme_"))], [])
        # Of what was done there is a record, with no plan, no stream and nothing sensitive in it.
        kept = [path for path in (pathlib.Path(self.p.dir.name) / ".local").rglob("*") if path.is_file()]
        names = {path.name for path in kept}
        self.assertLessEqual({"audit.jsonl", "known.json", "operation.json", "events.jsonl"}, names)
        self.assertFalse(names & {"plan", "out.jsonl", "err.log"}, names)
        for path in kept:
            text = path.read_bytes()
            self.assertNotIn(TOKEN.encode(), text, path)
            self.assertNotIn(NEXT_TOKEN.encode(), text, path)


if __name__ == "__main__":
    unittest.main()
