"""What `export terraform` writes, taken over by somebody who has Terraform: crypto-stream's export is adopted and applied by the
real terraform, on an AWS that no one here wrote; data flows through what it has made, a change is one change, and nothing is
left in the end. The other pipelines' exports are applied and destroyed by terraform alone.

The providers stand in for those that can only be downloaded (tests/terraform/providers/awscc.py). They have the real ones'
schemas; each resource is made from CloudFormation's type, as awscc does. What the emulator does not know as such a type
(queries, queues' policies, addresses, NAT gateways), they make by its other APIs, and policies lose what would refuse all that
comes without TLS. Of what is changed outside of Terraform they see what is gone, and no property: other drift is the matter
of test_terraform.py.

Environment: PROVIDER_SCHEMAS, the schemas of the providers (.ci/terraform reads them); CLOUDFORMATION_SCHEMAS, CloudFormation's, as
cfn-lint has them."""

import concurrent.futures
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
import zipfile

import harness
from harness import ROOT, wait_for

sys.path.append(str(ROOT / "tests" / "terraform" / "providers"))
import mirror  # noqa: E402

STATES = "acme-terraform-state"
NAME = "crypto-stream-dev"
# What an emulator wants of Terraform's backend, which takes the endpoint from the environment.
BACKEND = "\nuse_path_style = true\nskip_credentials_validation = true\n"
SMALL = """
name = "small"

[env.dev]
[env.prod]
protected = true

[bucket.kept]
[bucket.other]
[topic.told]
"""


def needed():
    """Why there is nothing to do here; where everything must be tried, there must be what is wanted."""
    if not shutil.which("terraform"):
        return "no terraform"
    for name in ("PROVIDER_SCHEMAS", "CLOUDFORMATION_SCHEMAS"):
        if not pathlib.Path(os.environ.get(name) or "/nowhere").exists():
            assert os.environ.get("CI") != "true", f"no {name}: .ci/templates and .ci/terraform make it"
            return f"no {name}"
    return None


class Pumphouse(harness.Pumphouse):
    """The binary, and what Terraform has from the environment."""

    more = {}

    def environment(self):
        return super().environment() | self.more


@unittest.skipIf(needed(), needed())
class Exported(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.emulator = harness.Emulator()
        cls.addClassCleanup(cls.emulator.stop)
        cls.prices = harness.Prices()
        cls.addClassCleanup(cls.prices.stop)
        schemas = os.environ["PROVIDER_SCHEMAS"]
        with open(schemas, encoding="utf-8") as file:
            versions = {name: of["version"] for name, of in json.load(file).items() if isinstance(of, dict)}
        standins = {
            f"hashicorp/{name}": ("awscc.py", version, name, schemas, os.environ["CLOUDFORMATION_SCHEMAS"])
            for name, version in versions.items()
        }
        cls.mirror = mirror.Mirror(standins)
        cls.addClassCleanup(cls.mirror.stop)
        work = tempfile.TemporaryDirectory(prefix="export-")
        cls.addClassCleanup(work.cleanup)
        cls.work = pathlib.Path(work.name)
        place = {"LocationConstraint": harness.REGION}
        cls.emulator.client("s3").create_bucket(Bucket=STATES, CreateBucketConfiguration=place)
        Pumphouse.more = cls.mirror.environment
        # Who takes it over has nothing of where it came from.
        cls.p = Pumphouse(cls.emulator, cls.work / "pipelines")
        cls.addClassCleanup(cls.p.stop)

    @classmethod
    def resources(cls):
        """What is there that a pipeline is made of, but for the bucket of states."""
        of = cls.emulator.client
        return {
            "stacks": [s["StackName"] for s in of("cloudformation").describe_stacks()["Stacks"]],
            "buckets": [b["Name"] for b in of("s3").list_buckets()["Buckets"] if b["Name"] != STATES],
            "functions": [f["FunctionName"] for f in of("lambda").list_functions()["Functions"]],
            "streams": of("kinesis").list_streams()["StreamNames"],
            "topics": of("sns").list_topics()["Topics"],
            # The judge's own is no pipeline's.
            "queues": [q for q in of("sqs").list_queues().get("QueueUrls", []) if not q.endswith("/judge")],
            "roles": [r["RoleName"] for r in of("iam").list_roles()["Roles"] if r["Path"] == "/pumphouse/"],
            "rules": [r["Name"] for r in of("events").list_rules()["Rules"]],
            "apis": of("apigateway").get_rest_apis()["items"],
            "secrets": of("secretsmanager").list_secrets()["SecretList"],
            "parameters": of("ssm").describe_parameters()["Parameters"],
            "jobs": [j["Name"] for j in of("glue").get_jobs()["Jobs"]],
            "databases": [d["Name"] for d in of("glue").get_databases()["DatabaseList"]],
            "networks": [v["VpcId"] for v in of("ec2").describe_vpcs()["Vpcs"]],
            "addresses": of("ec2").describe_addresses()["Addresses"],
            "databases of RDS": of("rds").describe_db_instances()["DBInstances"],
            "tables of DynamoDB": of("dynamodb").list_tables()["TableNames"],
            "workgroups": [w["Name"] for w in of("athena").list_work_groups()["WorkGroups"] if w["Name"] != "primary"],
        }

    def export(self, pipeline, text, *more):
        """Exports a pipeline whose pipeline.toml is this text, and initializes it as its README says."""
        source, infra = self.work / "sources", self.work / pipeline
        if not (source / pipeline).exists():
            (source / pipeline).mkdir(parents=True)
        (source / pipeline / "pipeline.toml").write_text(text)
        exporter = harness.Pumphouse(self.emulator, source)
        self.addCleanup(exporter.stop)
        exporter.ok("export", "terraform", pipeline, "--to", str(infra), "--state-bucket", STATES, *more)
        for environment in (infra / "environments").iterdir():
            with (environment / "backend.hcl").open("a") as backend:
                backend.write(BACKEND)
        return infra

    def terraform(self, folder, *words, code=0):
        done = subprocess.run(
            ["terraform", f"-chdir={folder}", *words],
            env=self.p.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        self.assertEqual(done.returncode, code, f"terraform {' '.join(words)}: {done.stdout}\n{done.stderr}")
        return done.stdout + done.stderr

    def test_a_pipeline_is_taken_over(self):
        steps = [
            self.it_is_exported_and_adopted,
            self.it_is_applied,
            self.it_is_what_the_pipeline_says,
            self.the_panes_know_it,
            self.a_file_leads_to_an_alert,
            self.the_source_leads_to_a_file,
            self.nothing_is_planned_twice,
            self.a_value_changes_in_place,
            self.what_is_gone_is_drift_and_is_made_again,
            self.nothing_is_left,
        ]
        for step in steps:
            print(f"... {step.__name__}", flush=True)
            step()

    def it_is_exported_and_adopted(self):
        self.before = self.resources()
        shutil.copytree(ROOT / "pipelines" / "crypto-stream", self.work / "sources" / "crypto-stream")
        text = (ROOT / "pipelines" / "crypto-stream" / "pipeline.toml").read_text()
        # The real source is not reachable from a build machine.
        text = text.replace("https://api.coinbase.com/v2/prices/{pair}/spot", self.prices.url)
        bootstrap = os.environ.get("PUMPHOUSE_BOOTSTRAP")
        self.infra = self.export("crypto-stream", text, *(["--bootstrap", bootstrap] if bootstrap else []))
        self.dev = self.infra / "environments" / "dev"
        self.terraform(self.dev, "init", "-input=false", "-backend-config=backend.hcl")
        said = self.p.ok("adopt", str(self.infra), "--name", "prices")
        self.assertIn("dev: 63 resources in its plan", said.err)
        written = (self.work / "pipelines" / "prices" / "pipeline.toml").read_text()
        self.assertIn('backend_config = ["backend.hcl"]', written)
        self.assertIn(f'"{NAME}-landing-{harness.ACCOUNT}-{harness.REGION}"', written)

    def it_is_applied(self):
        plan = self.p.json("plan", "prices")
        self.assertEqual({c["action"] for c in plan["changes"]}, {"add"})
        self.assertEqual(len(plan["changes"]), 63)
        self.p.ok("deploy", "prices", "--yes")
        self.assertEqual(self.p.json("status", "prices")["status"], "CREATE_COMPLETE")
        outputs = {o["name"]: o["value"] for o in self.p.json("outputs", "prices")}
        self.landing = outputs["landing_bucket_name"]
        self.assertEqual(outputs["prices_table_name"], "crypto_stream.prices")
        self.assertRegex(outputs["prices_api_url"], r"^https://\w+\.execute-api\.eu-west-1\.amazonaws\.com/dev/prices$")

    def it_is_what_the_pipeline_says(self):
        of = self.emulator.client
        function = of("lambda").get_function_configuration(FunctionName=f"{NAME}-alert_on_price")
        self.assertEqual((function["Handler"], function["Timeout"]), ("crypto_stream::alert_on_price", 30))
        variables = function["Environment"]["Variables"]
        self.assertEqual(variables["BUCKET_LANDING"], self.landing)
        self.assertEqual(variables["THRESHOLD_BTC_USD"], "/crypto-stream/dev/btc_usd")
        role = function["Role"].rsplit("/", 1)[-1]
        policy = of("iam").get_role_policy(RoleName=role, PolicyName="grants")["PolicyDocument"]
        reads = next(s for s in policy["Statement"] if s["Sid"] == "ReadLandingBucket")
        self.assertEqual(reads["Resource"], f"arn:aws:s3:::{self.landing}/*")
        table = of("glue").get_table(DatabaseName="crypto_stream", Name="prices")["Table"]
        self.assertEqual([k["Name"] for k in table["PartitionKeys"]], ["base", "year", "month", "day", "hour"])
        self.assertEqual(table["Parameters"]["classification"], "parquet")
        tags = of("kinesis").list_tags_for_stream(StreamName=f"{NAME}-prices")["Tags"]
        self.assertIn({"Key": "pumphouse:pipeline", "Value": "crypto-stream"}, tags)
        source = of("events").list_targets_by_rule(Rule=f"{NAME}-fetch_prices")["Targets"]
        self.assertEqual([t["Arn"].rsplit(":", 1)[-1] for t in source], [f"{NAME}-fetch_prices"])

    def the_panes_know_it(self):
        for command in (("buckets", "list"), ("queues", "list")):
            owners = {row["name"]: row["pipeline"] for row in self.p.json(*command)}
            self.assertEqual({o for name, o in owners.items() if name.startswith(NAME)}, {"prices"}, owners)
        self.assertEqual(self.p.json("buckets", "objects", "prices/landing", "--recursive")["objects"], [])
        queries = self.p.json("queries", "saved")
        self.assertEqual({q["name"] for q in queries}, {f"{NAME}-latest", f"{NAME}-by_base"})

    def a_file_leads_to_an_alert(self):
        judge = harness.Judge(self.emulator, "price_alerts")
        price = {"base": "BTC", "currency": "USD", "amount": "150000", "timestamp_utc": "2026-01-05T09:00:00Z"}
        path = self.work / "price.json"
        path.write_text(json.dumps(price))
        self.p.ok("buckets", "put", "prices/landing", "2026/01/05/09/price.json", str(path), "--yes")
        [message] = wait_for("an alert", 60, judge.received)
        self.assertEqual([(c["base"], c["amount"]) for c in message["crossings"]], [("BTC", "150000")])
        events = wait_for("its log", 60, lambda: self.p.json("logs", "tail", "prices/alert_on_price", "--since", "1h"))
        self.assertTrue(events)

    def the_source_leads_to_a_file(self):
        # The buffer is written after a minute.
        self.p.ok("invoke", "prices/fetch_prices", "--yes")
        s3 = self.emulator.client("s3")

        def landed():
            keys = [o["Key"] for o in s3.list_objects_v2(Bucket=self.landing).get("Contents", [])]
            bodies = [s3.get_object(Bucket=self.landing, Key=key)["Body"].read().decode() for key in keys]
            return {"ETH", "XRP"} <= {json.loads(line)["base"] for body in bodies for line in body.splitlines()}

        wait_for("files of the prices", 150, landed)

    def nothing_is_planned_twice(self):
        self.terraform(self.dev, "plan", "-input=false", "-detailed-exitcode")
        self.p.ok("plan", "prices", "--detailed-exitcode")

    def a_value_changes_in_place(self):
        values, functions = self.dev / "terraform.tfvars", self.infra / "modules" / "crypto-stream" / "functions.tf"
        before, head, rest = functions.read_text().partition('"awscc_lambda_function" "alert_on_price" {')
        for path, text, old, new in [
            (values, values.read_text(), "landing_expiration_in_days = 90\n", "landing_expiration_in_days = 45\n"),
            (functions, rest, "timeout     = 30\n", "timeout     = 45\n"),
        ]:
            self.assertIn(old, text)
            path.write_text((before + head if path == functions else "") + text.replace(old, new, 1))
        changes = {c["physical_name"]: c["action"] for c in self.p.json("plan", "prices")["changes"]}
        self.assertEqual(changes, {self.landing: "change", f"{NAME}-alert_on_price": "change"})
        self.p.ok("deploy", "prices", "--yes")
        # Of buckets, the emulator keeps no lifecycle that a template says.
        function = self.emulator.client("lambda").get_function_configuration(FunctionName=f"{NAME}-alert_on_price")
        self.assertEqual(function["Timeout"], 45)
        self.p.ok("plan", "prices", "--detailed-exitcode")

    def what_is_gone_is_drift_and_is_made_again(self):
        athena = self.emulator.client("athena")
        queries = athena.list_named_queries(WorkGroup=NAME)["NamedQueryIds"]
        athena.delete_named_query(NamedQueryId=queries[0])
        drift = self.p.run("drift", "prices", "--output", "json")
        self.assertIn("awscc_athena_named_query", drift.out)
        [change] = self.p.json("plan", "prices")["changes"]
        self.assertEqual(change["action"], "add")
        self.p.ok("deploy", "prices", "--yes")
        self.assertEqual(len(athena.list_named_queries(WorkGroup=NAME)["NamedQueryIds"]), 2)

    def nothing_is_left(self):
        # S3 would remove no bucket with objects, as README.md says; the emulator does.
        for bucket in self.resources()["buckets"]:
            self.emulator.resource("s3").Bucket(bucket).object_versions.delete()
        self.p.ok("destroy", "prices", "--confirm", "prices-dev")
        self.assertEqual(self.resources(), self.before)

    def test_the_other_pipelines_are_applied_too(self):
        others = ["bls-quest", "covid-etl", "dataops", "water-quality"]
        before = self.resources()
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            dirs = dict(zip(others, pool.map(self.applied, others)))
            password = self.emulator.client("secretsmanager").get_secret_value(SecretId="covid-etl-dev-stats")
            password = json.loads(password["SecretString"])["password"]
            state = self.terraform(dirs["covid-etl"], "state", "pull")
            self.assertIn("covid-etl-dev-stats", state)
            self.assertNotIn(password, state)
            for bucket in self.resources()["buckets"]:
                self.emulator.resource("s3").Bucket(bucket).object_versions.delete()
            list(pool.map(lambda d: self.terraform(d, "destroy", "-input=false", "-auto-approve"), dirs.values()))
        self.assertEqual(self.resources(), before)

    def applied(self, pipeline):
        """Applies a pipeline's export, and sees that nothing is left to do."""
        source = ROOT / "pipelines" / pipeline
        shutil.copytree(source, self.work / "sources" / pipeline)
        infra = self.export(pipeline, (source / "pipeline.toml").read_text())
        with zipfile.ZipFile(infra / "bootstrap.zip", "w") as archive:
            archive.writestr("bootstrap", "#!/bin/sh\n")
        dev = infra / "environments" / "dev"
        self.terraform(dev, "init", "-input=false", "-backend-config=backend.hcl")
        self.terraform(dev, "apply", "-input=false", "-auto-approve")
        self.terraform(dev, "plan", "-input=false", "-detailed-exitcode")
        return dev

    def test_a_protected_environment_keeps_its_data(self):
        infra = self.export("small", SMALL)
        prod, module = infra / "environments" / "prod", infra / "modules" / "small"
        self.terraform(prod, "init", "-input=false", "-backend-config=backend.hcl")
        self.terraform(prod, "apply", "-input=false", "-auto-approve")
        storage = module / "storage.tf"
        text = storage.read_text()
        self.assertIn("-kept-", text)

        def removed():
            self.export("small", SMALL.replace("[bucket.kept]\n", "").replace("[topic.told]\n", ""), "--overwrite")
            self.assertNotIn("-kept-", storage.read_text())
            self.assertFalse((module / "messaging.tf").exists())

        for what, change, words in [
            ("it is destroyed", lambda: None, ["-destroy"]),
            ("it is replaced", lambda: storage.write_text(text.replace("-kept-", "-renamed-")), []),
            ("it is not exported any more", removed, []),
        ]:
            with self.subTest(what):
                change()
                said = self.terraform(prod, "plan", "-input=false", "-no-color", *words, code=1)
                self.assertIn("Instance cannot be destroyed", said)
                self.assertIn('terraform_data.protected["awscc_s3_bucket.kept"]', said)
        # What was meant to go is let go.
        main = prod / "main.tf"
        main.write_text(main.read_text().replace("prevent_destroy = true", "prevent_destroy = false"))
        said = self.terraform(prod, "plan", "-input=false", "-no-color")
        self.assertIn("awscc_s3_bucket.kept will be destroyed", said)
