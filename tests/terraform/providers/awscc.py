"""Stand-ins of Terraform's providers `hashicorp/awscc` and `hashicorp/aws`, which cannot be downloaded everywhere: the schemas are
theirs (see bindings.py), so that Terraform judges a configuration by them. Alone they plan, and make nothing; where there is
AWS_ENDPOINT_URL, an emulator's, and CloudFormation's schemas are given, they make what is planned.

    awscc.py aws|awscc SCHEMAS.json [CLOUDFORMATION]
"""

import json
import os
import sys

from hands import ACCOUNT, HANDS, at_emulator
from plugin import Failure
from protocol import serve


class Provider:
    """A provider without a cloud."""

    def __init__(self, schemas):
        self.schemas = schemas
        self.region = os.environ.get("AWS_REGION", "us-east-1")

    def configure(self, config):
        self.region = config.get("region") or self.region

    def data(self, type, config):
        """What a data source says."""
        match type:
            case "aws_caller_identity":
                return {"account_id": ACCOUNT, "arn": f"arn:aws:iam::{ACCOUNT}:user/terraform", "id": ACCOUNT}
            case "aws_partition":
                return {"partition": "aws", "dns_suffix": "amazonaws.com", "id": "aws"}
            case "aws_region":
                return {"region": self.region, "name": self.region, "id": self.region}
            case "aws_availability_zones":
                return {"names": [self.region + zone for zone in "abc"], "id": self.region}
        raise Failure(f"{type} is not stood in for", "Add it to tests/terraform/providers/awscc.py.")

    def replaces(self, type, prior, value):
        """The attributes whose change replaces a resource."""
        return []

    def alone(self, *_):
        raise Failure("This stand-in of a provider makes nothing", "It has no AWS endpoint to make it at.")

    make = change = remove = look = open = alone


class Cloud(Provider):
    """A provider at an endpoint: what CloudFormation makes there, it makes."""

    def __init__(self, schemas, folder):
        super().__init__(schemas)
        # Not needed to plan alone.
        import boto3
        import cloudformation

        self.boto3, self.cloudformation, self.folder = boto3, cloudformation, folder
        self.stacks = None

    def configure(self, config):
        super().configure(config)
        schemas = self.cloudformation.Schemas(self.folder, self.region)
        self.stacks = self.cloudformation.Resources(schemas, self.region)

    def client(self, service):
        return self.boto3.client(service, region_name=self.region)

    def replaces(self, type, prior, value):
        fixed = {"aws_s3_object": ["bucket", "key"], "aws_sns_topic_policy": ["arn"], "aws_db_instance": ["identifier"]}
        if type in fixed:
            return [name for name in fixed[type] if prior.get(name) != value.get(name)]
        return self.stacks.replaces(type, prior, value)

    def make(self, type, value, config):
        hand, value = HANDS.get(type), at_emulator(value)
        return (hand.put(self, value, config), "") if hand else self.stacks.make(type, value)

    def change(self, type, prior, value, token):
        hand, value = HANDS.get(type), at_emulator(value)
        if hand:
            return hand.put(self, value, {})
        self.stacks.change(type, value, token)
        return {}

    def remove(self, type, prior, token):
        hand = HANDS.get(type)
        if hand:
            hand.drop(self, prior)
        else:
            self.stacks.remove(token)

    def look(self, type, value, token):
        hand = HANDS.get(type)
        return hand.there(self, value) if hand else self.stacks.look(token)

    def open(self, type, config):
        if type != "aws_secretsmanager_secret_version":
            raise Failure(f"{type} is not stood in for")
        secret = self.client("secretsmanager").get_secret_value(SecretId=config["secret_id"])
        return {"secret_string": secret["SecretString"], "arn": secret["ARN"], "version_id": secret["VersionId"]}


def main():
    name, path, *folder = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        schemas = json.load(file)[name]
    serve(Cloud(schemas, *folder) if folder else Provider(schemas))


if __name__ == "__main__":
    main()
