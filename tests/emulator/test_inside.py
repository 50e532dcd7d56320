"""Jobs in networks on an AWS that no one here wrote: their connections are made, and lead to a subnet, to groups and to a
secret that are there. The emulator runs no Spark and has no networks, so that is what can be seen."""

import json
import unittest

import harness
from harness import ROOT

STACK = "inside-dev"


class Pumphouse(harness.Pumphouse):
    def environment(self):
        # The emulator has no NAT gateways, and no rules of security groups that stand by themselves.
        omitted = "AWS::EC2::NatGateway,AWS::EC2::EIP,AWS::EC2::Route"
        omitted += ",AWS::EC2::SecurityGroupIngress,AWS::EC2::SecurityGroupEgress"
        return super().environment() | {"PUMPHOUSE_OMIT_TYPES": omitted}


class Inside(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.emulator = harness.Emulator()
        cls.addClassCleanup(cls.emulator.stop)
        cls.p = Pumphouse(cls.emulator, ROOT / "tests" / "pipelines")
        cls.addClassCleanup(cls.p.stop)

    def test_its_whole_life(self):
        for step in [self.deploy, self.a_connection_leads_to_what_is_there, self.a_job_has_its_connections, self.nothing_is_left]:
            print(f"... {step.__name__}", flush=True)
            step()

    def deploy(self):
        self.p.ok("bootstrap", "--yes")
        self.p.ok("deploy", "inside", "--yes")
        self.assertEqual(self.p.json("plan", "inside")["changes"], [])

    def connection(self, name):
        return self.emulator.client("glue").get_connection(Name=f"{STACK}-{name}")["Connection"]

    def a_connection_leads_to_what_is_there(self):
        ec2, secrets = self.emulator.client("ec2"), self.emulator.client("secretsmanager")
        stats, warehouse, network = self.connection("stats"), self.connection("warehouse"), self.connection("closed.net")
        self.assertEqual([c["ConnectionType"] for c in (stats, warehouse, network)], ["JDBC", "JDBC", "NETWORK"])
        for name, connection in (("closed", stats), ("open", warehouse), ("closed", network)):
            place = connection["PhysicalConnectionRequirements"]
            [subnet] = ec2.describe_subnets(SubnetIds=[place["SubnetId"]])["Subnets"]
            self.assertEqual(place["AvailabilityZone"], subnet["AvailabilityZone"])
            [vpc] = ec2.describe_vpcs(VpcIds=[subnet["VpcId"]])["Vpcs"]
            self.assertIn({"Key": "Name", "Value": f"{STACK}-{name}"}, vpc["Tags"])
            groups = ec2.describe_security_groups(GroupIds=place["SecurityGroupIdList"])["SecurityGroups"]
            self.assertEqual([group["VpcId"] for group in groups], [subnet["VpcId"]] * 2)
        self.assertRegex(stats["ConnectionProperties"]["JDBC_CONNECTION_URL"], r"^jdbc:postgresql://[^:]+:\d+/inside_dev_stats$")
        for connection in (stats, warehouse):
            properties = connection["ConnectionProperties"]
            self.assertEqual(set(properties), {"JDBC_CONNECTION_URL", "JDBC_ENFORCE_SSL", "SECRET_ID"})
            secrets.describe_secret(SecretId=properties["SECRET_ID"])
        made = json.loads(secrets.get_secret_value(SecretId=f"{STACK}-stats")["SecretString"])
        self.assertNotIn(made["password"], self.p.ok("export", "cloudformation", "inside").out)
        self.assertNotIn(made["password"], json.dumps(stats, default=str))

    def a_job_has_its_connections(self):
        jobs = {j["Name"]: j for j in self.emulator.client("glue").get_jobs()["Jobs"]}
        has = {name.removeprefix(f"{STACK}-"): job["Connections"]["Connections"] for name, job in jobs.items()}
        wanted = {"beside_the_database": "stats", "over_the_internet": "warehouse", "apart": "closed.net"}
        self.assertEqual(has, {job: [f"{STACK}-{connection}"] for job, connection in wanted.items()})

    def nothing_is_left(self):
        self.p.ok("destroy", "inside", "--yes")
        self.assertEqual(self.emulator.client("glue").get_connections()["ConnectionList"], [])
        ec2 = self.emulator.client("ec2")
        own = [v for v in ec2.describe_vpcs()["Vpcs"] if any(STACK in t["Value"] for t in v.get("Tags", []))]
        self.assertEqual(own, [])


if __name__ == "__main__":
    unittest.main()
