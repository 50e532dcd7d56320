"""What delivers dataops, on an AWS that no one here wrote. The emulator has CodeBuild and no CodePipeline, so the stack is made
without the pipeline, and its part is played here: the builds' own commands run one after another, each with what its role may
do and nothing else."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import harness
from harness import ACCOUNT, REGION, ROOT

DELIVERY = "dataops--release"
OMIT = "AWS::Athena::NamedQuery,AWS::CodePipeline::Pipeline"
# As much of the AWS CLI as a build uses.
AWS = """#!{python}
import os, sys, boto3
assert sys.argv[1:4] == ["s3", "cp", "--only-show-errors"], sys.argv
bucket, _, key = sys.argv[4].removeprefix("s3://").partition("/")
s3 = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
s3.download_file(bucket, key, sys.argv[5])
"""


class Build:
    """CodeBuild, as far as a build of a release goes: a project's variables and commands, a role's permissions."""

    def __init__(self, emulator, project, folder, inputs):
        self.dir = folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        found = emulator.client("codebuild").batch_get_projects(names=[project])["projects"][0]
        self.spec = json.loads(found["source"]["buildspec"])
        variables = {v["name"]: v["value"] for v in found["environment"]["environmentVariables"]}
        self.role_arn = found["serviceRole"]
        self.role = self.role_arn.split("/")[-1]
        bin_folder = folder / "bin"
        bin_folder.mkdir()
        aws = bin_folder / "aws"
        aws.write_text(AWS.format(python=sys.executable))
        aws.chmod(0o755)
        keys = self.keys(emulator)
        self.env = {
            "HOME": str(folder),
            "PATH": f"{bin_folder}:{os.environ['PATH']}",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": emulator.url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "CODEBUILD_BUILD_URL": f"https://example.com/{project}",
            # What AWS does not need to be told.
            "PUMPHOUSE_OMIT_TYPES": "AWS::Athena::NamedQuery",
            **keys,
            **{name: self.here(value) for name, value in variables.items()},
            **inputs,
        }

    def here(self, text):
        """Folders of a container of its own, as folders of this build."""
        return text.replace("/tmp/", f"{self.dir}/").replace("/usr/local/bin/", f"{self.dir}/bin/")

    def keys(self, emulator):
        """The credentials that CodeBuild has: a session of the build's role. Who may take it is of no matter here."""
        anyone = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
        trust = json.dumps({"Version": "2012-10-17", "Statement": [anyone]})
        emulator.client("iam").update_assume_role_policy(RoleName=self.role, PolicyDocument=trust)
        taken = emulator.client("sts").assume_role(RoleArn=self.role_arn, RoleSessionName="build")["Credentials"]
        return {
            "AWS_ACCESS_KEY_ID": taken["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": taken["SecretAccessKey"],
            "AWS_SESSION_TOKEN": taken["SessionToken"],
        }

    def run(self):
        """Its end, and what it has exported."""
        phases = self.spec["phases"]
        commands = [self.here(c) for phase in ["install", "build"] for c in phases[phase]["commands"]]
        exported = self.spec["env"].get("exported-variables", [])
        # One shell for all of them, which ends with the first that fails.
        script = "".join(f"{{\n{c}\n}} || exit 1\n" for c in commands)
        script += "".join(f'printf "%s=%s\\n" {name} "${name}" >>"$HOME/exported"\n' for name in exported)
        done = subprocess.run(
            ["bash", "-c", script], env=self.env, cwd=self.dir, capture_output=True, text=True, timeout=600
        )
        lines = (self.dir / "exported").read_text().splitlines() if exported and done.returncode == 0 else []
        return harness.Said(done), dict(line.split("=", 1) for line in lines)


class Release(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.emulator = harness.Emulator()
        cls.addClassCleanup(cls.emulator.stop)
        cls.p = harness.Pumphouse(cls.emulator, ROOT / "pipelines")
        cls.addClassCleanup(cls.p.stop)
        environment = cls.p.environment
        cls.p.environment = lambda: environment() | {"PUMPHOUSE_OMIT_TYPES": OMIT}
        work = tempfile.TemporaryDirectory(prefix="builds-")
        cls.addClassCleanup(work.cleanup)
        cls.work = pathlib.Path(work.name)
        cls.revision = cls.work / "revision"
        shutil.copytree(ROOT / "pipelines" / "dataops", cls.revision)

    def test_a_change_gets_to_an_environment(self):
        for step in [
            self.deliver,
            self.the_checks_pass_or_fail,
            self.an_executable_that_is_another_is_not_run,
            self.what_was_planned_is_deployed,
            self.what_was_not_planned_is_not,
            self.a_role_reaches_no_other_environment,
            self.nothing_is_left,
        ]:
            print(f"... {step.__name__}", flush=True)
            step()

    def build(self, step, **inputs):
        return Build(
            self.emulator,
            f"{DELIVERY}-{step}",
            self.work / step,
            {"CODEBUILD_SRC_DIR": str(self.revision), **inputs},
        )

    def deliver(self):
        self.p.ok("bootstrap", "--yes")
        # There is no TLS here, without which AWS lets nobody near the artifacts.
        self.emulator.client("s3").delete_bucket_policy(Bucket=f"pumphouse-artifacts-{ACCOUNT}-{REGION}")
        self.p.ok("releases", "deploy", "dataops", "--confirm", DELIVERY, timeout=600)
        stack = self.p.json("stacks", "show", DELIVERY)
        self.assertEqual((stack["status"], stack["pipeline"]), ("CREATE_COMPLETE", "dataops"))
        again = self.p.ok("releases", "plan", "dataops", timeout=600)
        self.assertIn("nothing to change", again.out)

    def the_checks_pass_or_fail(self):
        said, _ = self.build("check").run()
        self.assertEqual(said.code, 0, said)
        description = self.revision / "pipeline.toml"
        text = description.read_text()
        description.write_text(text.replace("[bucket.lake]", "[bucket.lake]\ncolour = 1"))
        said, _ = self.build("check").run()
        self.assertNotEqual(said.code, 0, said)
        self.assertIn("colour", said.err + said.out)
        description.write_text(text)

    def an_executable_that_is_another_is_not_run(self):
        build = self.build("check")
        s3 = self.emulator.client("s3")
        bucket, key = build.env["TOOLS_BUCKET"], build.env["TOOL_KEY"]
        right = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        s3.put_object(Bucket=bucket, Key=key, Body=b"#!/bin/sh\necho taken over\n")
        said, _ = build.run()
        self.assertNotEqual(said.code, 0, said)
        self.assertNotIn("taken over", said.out)
        s3.put_object(Bucket=bucket, Key=key, Body=right)

    def what_was_planned_is_deployed(self):
        plan = self.build("dev-plan")
        said, exported = plan.run()
        self.assertEqual(said.code, 0, said)
        self.assertRegex(exported["PLAN"], r"^dataops-dev: \d+ to add, 0 to change, 0 to replace, 0 to remove$")
        self.assertEqual(exported["LOG"], f"https://example.com/{DELIVERY}-dev-plan")
        artifacts = plan.spec["artifacts"]
        type(self).kept = pathlib.Path(plan.here(artifacts["base-directory"] + "/"))
        self.assertEqual(artifacts["files"], [p.name for p in self.kept.iterdir()])
        self.assertIsNone(self.stack("dataops-dev"))
        said, _ = self.build("dev-deploy", CODEBUILD_SRC_DIR_dev=str(self.kept)).run()
        self.assertEqual(said.code, 0, said)
        self.assertEqual(self.stack("dataops-dev"), "CREATE_COMPLETE")

    def stack(self, name):
        """How a stack is; none where there is nothing in it."""
        all = self.emulator.client("cloudformation").describe_stacks()["Stacks"]
        found = [s["StackStatus"] for s in all if s["StackName"] == name]
        return next((s for s in found if s not in ("REVIEW_IN_PROGRESS", "DELETE_COMPLETE")), None)

    def what_was_not_planned_is_not(self):
        # The revision is another than the one that was planned.
        description = self.revision / "pipeline.toml"
        text = description.read_text()
        description.write_text(text.replace("[bucket.lake]\n", "[bucket.lake]\nexpire_days = 7\n", 1))
        said, _ = self.build("dev-deploy", CODEBUILD_SRC_DIR_dev=str(self.kept)).run()
        self.assertEqual(said.code, 1, said)
        self.assertIn("pipeline.toml", said.err)
        description.write_text(text)

    def a_role_reaches_no_other_environment(self):
        build = self.build("dev-deploy", CODEBUILD_SRC_DIR_dev=str(self.kept))
        commands = build.spec["phases"]["build"]["commands"]
        build.spec["phases"]["build"]["commands"] = [
            commands[0],
            f"pumphouse --pipelines /tmp/pipelines --env prod --region {REGION} deploy dataops --confirm dataops-prod",
        ]
        said, _ = build.run()
        self.assertEqual(said.code, 1, said)
        self.assertIn("cloudformation:", said.err)
        self.assertIsNone(self.stack("dataops-prod"))
        # Nor does who plans deploy.
        build = self.build("dev-plan")
        build.spec["env"] = {"shell": "bash"}
        build.spec["phases"]["build"]["commands"] = [
            commands[0],
            f"pumphouse --pipelines /tmp/pipelines --env dev --region {REGION} destroy dataops --yes",
        ]
        said, _ = build.run()
        self.assertEqual(said.code, 1, said)
        self.assertEqual(self.stack("dataops-dev"), "CREATE_COMPLETE")

    def nothing_is_left(self):
        self.p.ok("releases", "destroy", "dataops", "--yes")
        self.assertIsNone(self.stack(DELIVERY))
        self.assertEqual(self.stack("dataops-dev"), "CREATE_COMPLETE", "the pipeline stays")
        buckets = [b["Name"] for b in self.emulator.client("s3").list_buckets()["Buckets"]]
        self.assertNotIn(f"{DELIVERY}-{ACCOUNT}-{REGION}", buckets)


if __name__ == "__main__":
    unittest.main()
