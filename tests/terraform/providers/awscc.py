"""Stand-ins of Terraform's providers `hashicorp/awscc` and `hashicorp/aws`, which cannot be downloaded everywhere: the schemas are
theirs (see bindings.py), so that Terraform judges a configuration by them. Alone they plan, and make nothing.

    awscc.py aws|awscc SCHEMAS.json
"""

import json
import os
import sys

from plugin import Failure
from protocol import serve

ACCOUNT = "123456789012"


class Provider:
    """A provider without a cloud."""

    def __init__(self, name, schemas):
        self.name, self.schemas = name, schemas
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


def main():
    name, path = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        schemas = json.load(file)[name]
    serve(Provider(name, schemas))


if __name__ == "__main__":
    main()
