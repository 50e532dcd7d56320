"""What the stand-ins of providers make by the APIs of services: what the emulator's CloudFormation does not know, and the types of
the provider `aws`, which are none of its types."""

import json

ACCOUNT = "123456789012"


def emulated(policy):
    """A policy for an endpoint that is spoken to without TLS, and tells its policies less of a call than AWS does: what would
    refuse everything there is left out, as pumphouse itself leaves it out at such an endpoint."""
    if isinstance(policy, str):
        return json.dumps(emulated(json.loads(policy))) if policy.startswith("{") else policy
    if isinstance(policy, list):
        return [emulated(one) for one in policy if "aws:SecureTransport" not in json.dumps(one)]
    if isinstance(policy, dict):
        other = {"StringEquals": "StringEqualsIfExists"} if "cloudwatch:namespace" in json.dumps(policy) else {}
        return {other.get(key, key): emulated(one) for key, one in policy.items()}
    return policy


def at_emulator(value):
    """A resource with its policies for an emulator."""
    return {
        name: emulated(one) if name in ("policy", "policy_document", "policies") else one for name, one in value.items()
    }


class Object:
    """`aws_s3_object`"""

    def put(self, cloud, value, config):
        with open(value["source"], "rb") as source:
            made = cloud.client("s3").put_object(Bucket=value["bucket"], Key=value["key"], Body=source)
        return {"id": f"{value['bucket']}/{value['key']}", "etag": made["ETag"].strip('"')}

    def drop(self, cloud, value):
        cloud.client("s3").delete_object(Bucket=value["bucket"], Key=value["key"])

    def there(self, cloud, value):
        s3 = cloud.client("s3")
        try:
            return bool(s3.head_object(Bucket=value["bucket"], Key=value["key"]))
        except s3.exceptions.ClientError as error:
            if error.response["Error"]["Code"] in ("404", "NoSuchKey", "NoSuchBucket"):
                return False
            raise


class TopicPolicy:
    """`aws_sns_topic_policy`"""

    def put(self, cloud, value, config):
        cloud.client("sns").set_topic_attributes(
            TopicArn=value["arn"], AttributeName="Policy", AttributeValue=value["policy"]
        )
        return {"id": value["arn"], "owner": ACCOUNT}

    def drop(self, cloud, value):
        """The topic goes next."""

    def there(self, cloud, value):
        return bool(cloud.client("sns").get_topic_attributes(TopicArn=value["arn"])["Attributes"].get("Policy"))


class QueuePolicy:
    """`awscc_sqs_queue_inline_policy`, which the emulator's CloudFormation does not know"""

    def put(self, cloud, value, config):
        cloud.client("sqs").set_queue_attributes(QueueUrl=value["queue"], Attributes={"Policy": value["policy_document"]})
        return {"id": value["queue"]}

    def drop(self, cloud, value):
        cloud.client("sqs").set_queue_attributes(QueueUrl=value["queue"], Attributes={"Policy": ""})

    def there(self, cloud, value):
        sqs = cloud.client("sqs")
        try:
            answer = sqs.get_queue_attributes(QueueUrl=value["queue"], AttributeNames=["Policy"])
            return bool(answer.get("Attributes", {}).get("Policy"))
        except sqs.exceptions.QueueDoesNotExist:
            return False


class NamedQuery:
    """`awscc_athena_named_query`, which the emulator's CloudFormation does not know"""

    def put(self, cloud, value, config):
        given = {
            "Name": value["name"],
            "Database": value["database"],
            "QueryString": value["query_string"],
            "WorkGroup": value["work_group"],
        }
        id = cloud.client("athena").create_named_query(**given)["NamedQueryId"]
        return {"named_query_id": id, "id": id}

    def drop(self, cloud, value):
        cloud.client("athena").delete_named_query(NamedQueryId=value["named_query_id"])

    def there(self, cloud, value):
        athena = cloud.client("athena")
        try:
            return bool(athena.get_named_query(NamedQueryId=value["named_query_id"]))
        except athena.exceptions.ClientError:
            return False


def tags(value):
    return [{"Key": tag["key"], "Value": tag["value"]} for tag in value["tags"] or []]


class Address:
    """`awscc_ec2_eip`"""

    def put(self, cloud, value, config):
        tagged = [{"ResourceType": "elastic-ip", "Tags": tags(value)}]
        made = cloud.client("ec2").allocate_address(Domain=value["domain"], TagSpecifications=tagged)
        known = {"allocation_id": made["AllocationId"], "public_ip": made["PublicIp"]}
        return known | {"id": f"{made['PublicIp']}|{made['AllocationId']}"}

    def drop(self, cloud, value):
        cloud.client("ec2").release_address(AllocationId=value["allocation_id"])

    def there(self, cloud, value):
        found = cloud.client("ec2").describe_addresses()["Addresses"]
        return value["allocation_id"] in [one["AllocationId"] for one in found]


class NatGateway:
    """`awscc_ec2_nat_gateway`"""

    def put(self, cloud, value, config):
        tagged = [{"ResourceType": "natgateway", "Tags": tags(value)}]
        given = {"SubnetId": value["subnet_id"], "AllocationId": value["allocation_id"], "TagSpecifications": tagged}
        made = cloud.client("ec2").create_nat_gateway(**given)["NatGateway"]["NatGatewayId"]
        return {"nat_gateway_id": made, "id": made}

    def drop(self, cloud, value):
        cloud.client("ec2").delete_nat_gateway(NatGatewayId=value["nat_gateway_id"])

    def there(self, cloud, value):
        found = cloud.client("ec2").describe_nat_gateways(NatGatewayIds=[value["nat_gateway_id"]])["NatGateways"]
        return any(one["State"] == "available" for one in found)


class Database:
    """`aws_db_instance`, whose password is in its configuration alone"""

    NAMES = {
        "identifier": "DBInstanceIdentifier",
        "db_name": "DBName",
        "engine": "Engine",
        "engine_version": "EngineVersion",
        "instance_class": "DBInstanceClass",
        "allocated_storage": "AllocatedStorage",
        "username": "MasterUsername",
        "db_subnet_group_name": "DBSubnetGroupName",
        "parameter_group_name": "DBParameterGroupName",
        "vpc_security_group_ids": "VpcSecurityGroupIds",
        "deletion_protection": "DeletionProtection",
        "multi_az": "MultiAZ",
        "backup_retention_period": "BackupRetentionPeriod",
    }

    def put(self, cloud, value, config):
        given = {name: value[argument] for argument, name in self.NAMES.items()}
        made = cloud.client("rds").create_db_instance(MasterUserPassword=config["password_wo"], **given)["DBInstance"]
        at = made["Endpoint"]
        known = {"address": at["Address"], "port": at["Port"], "endpoint": f"{at['Address']}:{at['Port']}"}
        return known | {"id": made["DbiResourceId"], "arn": made["DBInstanceArn"]}

    def drop(self, cloud, value):
        cloud.client("rds").delete_db_instance(DBInstanceIdentifier=value["identifier"], SkipFinalSnapshot=True)

    def there(self, cloud, value):
        found = cloud.client("rds").describe_db_instances()["DBInstances"]
        return value["identifier"] in [one["DBInstanceIdentifier"] for one in found]


# What is made so.
HANDS = {
    "aws_s3_object": Object(),
    "aws_sns_topic_policy": TopicPolicy(),
    "awscc_sqs_queue_inline_policy": QueuePolicy(),
    "awscc_athena_named_query": NamedQuery(),
    "awscc_ec2_eip": Address(),
    "awscc_ec2_nat_gateway": NatGateway(),
    "aws_db_instance": Database(),
}
