"""covid-etl on an AWS that no one here wrote: a network, a database, its secret; the function runs there against a real
PostgreSQL, which its secret names, as it would name any that answers in the place of RDS.

The emulator has no NAT gateways, so the ways out are left out of the template; its functions run on this machine."""

import contextlib
import glob
import json
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile
import unittest

import harness
from harness import ROOT, wait_for

STACK = "covid-etl-dev"
SECRET = f"{STACK}-stats"
OMITTED = "AWS::EC2::NatGateway,AWS::EC2::EIP,AWS::EC2::Route"


class Pumphouse(harness.Pumphouse):
    def environment(self):
        return super().environment() | {"PUMPHOUSE_OMIT_TYPES": OMITTED}


class Postgres:
    """A PostgreSQL of this machine's own, on loopback, with a password."""

    password = "a-password-of-the-test"

    def __init__(self):
        places = [os.environ.get("PUMPHOUSE_POSTGRES_BIN"), *map(os.path.dirname, filter(None, [shutil.which("initdb")]))]
        places += sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)
        found = [p for p in places if p and os.path.exists(f"{p}/initdb") and os.path.exists(f"{p}/postgres")]
        if not found:
            if os.environ.get("CI") == "true":
                raise AssertionError("no PostgreSQL: apt install postgresql")
            raise unittest.SkipTest("skipped: no PostgreSQL")
        self.dir = tempfile.TemporaryDirectory(prefix="postgres-")
        base = pathlib.Path(self.dir.name)
        data, password = base / "data", base / "password"
        data.mkdir()
        password.write_text(self.password)
        # It refuses to run as root.
        more = {}
        if os.getuid() == 0:
            user = next(u for u in pwd.getpwall() if u.pw_name in ("postgres", "nobody") and u.pw_uid)
            more = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            os.chmod(base, 0o711)
            for path in [data, password]:
                os.chown(path, user.pw_uid, user.pw_gid)
        os.chmod(data, 0o700)
        self.port = harness.free_port()
        subprocess.run(
            [f"{found[0]}/initdb", "-D", data, "-U", "me", "-A", "scram-sha-256", f"--pwfile={password}", "-E", "UTF8"]
            + ["--locale=C"],
            check=True, capture_output=True, cwd="/", **more,
        )
        settings = ["listen_addresses=127.0.0.1", f"port={self.port}", "unix_socket_directories="]
        options = [word for setting in settings for word in ("-c", setting)]
        self.process = subprocess.Popen(
            [f"{found[0]}/postgres", "-D", data, *options],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", **more,
        )

    def secret(self):
        """What Secrets Manager writes of a database, with this one's address."""
        return {"engine": "postgres", "host": "127.0.0.1", "port": self.port, "dbname": "postgres", "username": "me",
                "password": self.password}

    def stop(self):
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        self.process.kill()
        self.process.wait()
        self.dir.cleanup()


class Files(harness.Site):
    """The published files on loopback."""

    def __init__(self):
        sample = ROOT / "pipelines" / "covid-etl" / "sample"
        self.files = {f"/{p.name}": p.read_bytes() for p in sample.iterdir()}
        super().__init__(lambda request: (200, {}, self.files[request.path]))


class CovidEtl(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.postgres = Postgres()
        cls.addClassCleanup(cls.postgres.stop)
        cls.dir = tempfile.TemporaryDirectory(prefix="pipelines-")
        cls.addClassCleanup(cls.dir.cleanup)
        cls.emulator = harness.Emulator()
        cls.addClassCleanup(cls.emulator.stop)
        cls.files = Files()
        cls.addClassCleanup(cls.files.stop)
        pipelines = pathlib.Path(cls.dir.name)
        shutil.copytree(ROOT / "pipelines" / "covid-etl", pipelines / "covid-etl")
        toml = pipelines / "covid-etl" / "pipeline.toml"
        text = toml.read_text()
        # The real sources are not reachable from a build machine.
        for address in ["nytimes/covid-19-data/master", "datasets/covid-19/main/data"]:
            assert text.count(f"https://raw.githubusercontent.com/{address}") == 1
            text = text.replace(f"https://raw.githubusercontent.com/{address}", cls.files.address)
        toml.write_text(text)
        cls.p = Pumphouse(cls.emulator, pipelines)
        cls.addClassCleanup(cls.p.stop)

    def test_its_whole_life(self):
        for step in [self.deploy, self.the_function_loads, self.a_second_time_nothing, self.a_broken_file, self.nothing_is_left]:
            print(f"... {step.__name__}", flush=True)
            step()

    def deploy(self):
        self.p.ok("bootstrap", "--yes")
        self.p.ok("deploy", "covid-etl", "--yes")
        self.assertEqual(self.p.json("plan", "covid-etl")["changes"], [])
        outputs = {o["name"]: o["value"] for o in self.p.json("outputs", "covid-etl")}
        connection = outputs["StatsPostgresConnection"]
        self.assertRegex(connection, r"^postgresql://pumphouse@[^:]+:\d+/covid_etl_dev_stats\?sslmode=verify-full$")
        secrets = self.emulator.client("secretsmanager")
        made = json.loads(secrets.get_secret_value(SecretId=SECRET)["SecretString"])
        self.assertEqual((made["username"], len(made["password"])), ("pumphouse", 40))
        self.assertIn("host", made, "the database's address is written beside its password")
        template = self.p.ok("export", "cloudformation", "covid-etl").out
        self.assertNotIn(made["password"], template)
        dashboards = self.emulator.client("cloudwatch").list_dashboards()["DashboardEntries"]
        self.assertEqual([d["DashboardName"] for d in dashboards], [f"{STACK}-daily"])
        # The emulator's RDS is a description of a database: where the real one is, the secret says.
        secrets.put_secret_value(SecretId=SECRET, SecretString=json.dumps(self.postgres.secret()))
        self.judge, self.heard = harness.Judge(self.emulator, "loads"), 0

    def told(self):
        """The next message of a load; the alarm speaks there, too."""
        loads = lambda: [m for m in self.judge.received() if "status" in m][self.heard :]
        told = wait_for("a message", 60, loads)[0]
        self.heard += 1
        return told

    def load(self):
        return self.p.json("invoke", "covid-etl/load_daily", timeout=120)

    def the_function_loads(self):
        done = self.load()
        self.assertEqual((done["error"], done["payload"]["new_rows"]), (None, 59), done)
        self.assertEqual(done["records_out"], 59 + 1, "the rows and a message")
        told = self.told()
        self.assertEqual((told["status"], told["new_rows"]), ("SUCCEEDED", 59))
        # The same port, over the same secret, from where a person sits.
        answer = self.p.json("postgres", "query", "covid-etl", "select count(*), max(rep_date) from covid.daily_stats")
        self.assertEqual(answer["rows"], [[59, told["last"]]])
        self.assertEqual([d["name"] for d in self.p.json("postgres", "list")], [SECRET])
        charts = self.p.json("dashboards", "show", "covid-etl/daily")["charts"]
        self.assertEqual([len(c["lines"][0]["points"]) for c in charts[:3]], [59, 59, 59])

    def a_second_time_nothing(self):
        self.assertEqual(self.load()["payload"]["new_rows"], 0)
        self.assertEqual(self.told()["new_rows"], 0)

    def a_broken_file(self):
        self.files.files["/us.csv"] = self.files.files["/us.csv"].replace(b"deaths", b"dead", 1)
        said = self.p.run("invoke", "covid-etl/load_daily")
        self.assertEqual(said.code, 1, said)
        wanted = "nyt us.csv, line 1, column 3 (deaths): the schema has changed"
        self.assertIn(wanted, said.err + said.out)
        told = self.told()
        self.assertEqual(told["status"], "FAILED")
        self.assertIn(wanted, told["error"])

    def nothing_is_left(self):
        self.p.ok("destroy", "covid-etl", "--yes")
        self.assertIsNone(next((s for s in self.p.json("pipelines") if s["name"] == "covid-etl" and s["stack"]), None))
        ec2, rds = self.emulator.client("ec2"), self.emulator.client("rds")
        self.assertEqual(rds.describe_db_instances()["DBInstances"], [])
        own = {"Name": "tag:Name", "Values": [f"{STACK}-main"]}
        self.assertEqual(ec2.describe_vpcs(Filters=[own])["Vpcs"], [])
        secrets = self.emulator.client("secretsmanager").list_secrets()["SecretList"]
        self.assertEqual([s["Name"] for s in secrets if s["Name"] == SECRET], [])


if __name__ == "__main__":
    unittest.main()
