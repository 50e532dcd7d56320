"""Of the stand-in of hashicorp/aws: functions, streams, queues and topics."""

import pathlib
import time

from aws_base import MAP, NAME, REGION, TAGS, ByArn, Typed, changed
from plugin import UNKNOWN, Attr, Block, Failure


def until(what, seconds, check):
    end = time.monotonic() + seconds
    while not check():
        if time.monotonic() > end:
            raise Failure(f"timeout while waiting for {what}")
        time.sleep(0.2)


class Queue(Typed):
    service, gone = "sqs", ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")
    # Its attributes here, and what the service calls them.
    NUMBERS = {
        "delay_seconds": ("DelaySeconds", 0),
        "max_message_size": ("MaximumMessageSize", 262144),
        "message_retention_seconds": ("MessageRetentionPeriod", 345600),
        "receive_wait_time_seconds": ("ReceiveMessageWaitTimeSeconds", 0),
        "visibility_timeout_seconds": ("VisibilityTimeout", 30),
    }
    schema = Block(
        {
            **NAME,
            "url": Attr(computed=True),
            **{name: Attr("number", default=value) for name, (_, value) in NUMBERS.items()},
            **TAGS,
            **REGION,
        }
    )

    def attributes(self, planned):
        return {known: str(int(planned[name])) for name, (known, _) in self.NUMBERS.items()}

    def make(self, planned):
        url = self.client.create_queue(
            QueueName=planned["name"], Attributes=self.attributes(planned), tags=planned["tags_all"]
        )
        return {"id": url["QueueUrl"]}

    def look(self, state):
        found = self.client.get_queue_attributes(QueueUrl=state["id"], AttributeNames=["All"])["Attributes"]
        # What the service does not tell has its default.
        numbers = {name: int(found.get(known, value)) for name, (known, value) in self.NUMBERS.items()}
        arn = found["QueueArn"]
        return {"id": state["id"], "url": state["id"], "arn": arn, "name": arn.split(":")[-1], **numbers}

    def change(self, prior, planned):
        if changed(prior, planned, *self.NUMBERS):
            self.client.set_queue_attributes(QueueUrl=planned["id"], Attributes=self.attributes(planned))

    def remove(self, state):
        self.client.delete_queue(QueueUrl=state["id"])

    def tags(self, state):
        return self.client.list_queue_tags(QueueUrl=state["id"]).get("Tags", {})

    def tag(self, state, tags, removed):
        if removed:
            self.client.untag_queue(QueueUrl=state["id"], TagKeys=removed)
        self.client.tag_queue(QueueUrl=state["id"], Tags=tags)


class Topic(ByArn):
    service, gone = "sns", ("NotFound", "NotFoundException")
    schema = Block({**NAME, "display_name": Attr(), "owner": Attr(computed=True), **TAGS, **REGION})

    def make(self, planned):
        tags = [{"Key": k, "Value": v} for k, v in planned["tags_all"].items()]
        attributes = {"DisplayName": planned["display_name"]} if planned["display_name"] else {}
        made = self.client.create_topic(Name=planned["name"], Attributes=attributes, Tags=tags)
        return {"id": made["TopicArn"]}

    def look(self, state):
        found = self.client.get_topic_attributes(TopicArn=state["id"])["Attributes"]
        arn = found["TopicArn"]
        return {
            "id": arn,
            "arn": arn,
            "name": arn.split(":")[-1],
            "owner": found.get("Owner", arn.split(":")[4]),
            "display_name": found.get("DisplayName") or None,
        }

    def change(self, prior, planned):
        if changed(prior, planned, "display_name"):
            name = planned["display_name"] or ""
            self.client.set_topic_attributes(TopicArn=planned["id"], AttributeName="DisplayName", AttributeValue=name)

    def remove(self, state):
        self.client.delete_topic(TopicArn=state["id"])


class Subscription(Typed):
    service, gone = "sns", ("NotFound", "NotFoundException")
    schema = Block(
        {
            "id": Attr(computed=True),
            "arn": Attr(computed=True),
            "topic_arn": Attr(required=True, replace=True),
            "protocol": Attr(required=True, replace=True),
            "endpoint": Attr(required=True, replace=True),
            "raw_message_delivery": Attr("bool", default=False),
            "pending_confirmation": Attr("bool", computed=True),
            "owner_id": Attr(computed=True),
            **REGION,
        }
    )

    def attributes(self, planned):
        return {"RawMessageDelivery": "true" if planned["raw_message_delivery"] else "false"}

    def make(self, planned):
        made = self.client.subscribe(
            TopicArn=planned["topic_arn"],
            Protocol=planned["protocol"],
            Endpoint=planned["endpoint"],
            Attributes=self.attributes(planned),
            ReturnSubscriptionArn=True,
        )
        return {"id": made["SubscriptionArn"]}

    def look(self, state):
        found = self.client.get_subscription_attributes(SubscriptionArn=state["id"])["Attributes"]
        return {
            "arn": state["id"],
            "topic_arn": found["TopicArn"],
            "protocol": found["Protocol"],
            "endpoint": found["Endpoint"],
            "raw_message_delivery": found.get("RawMessageDelivery") == "true",
            "pending_confirmation": found.get("PendingConfirmation") == "true",
            "owner_id": found.get("Owner", state["id"].split(":")[4]),
        }

    def change(self, prior, planned):
        for name, value in self.attributes(planned).items():
            self.client.set_subscription_attributes(
                SubscriptionArn=planned["id"], AttributeName=name, AttributeValue=value
            )

    def remove(self, state):
        self.client.unsubscribe(SubscriptionArn=state["id"])


class Stream(Typed):
    service, gone = "kinesis", ("ResourceNotFoundException",)
    schema = Block(
        {
            **NAME,
            "shard_count": Attr("number"),
            "retention_period": Attr("number", default=24),
            **TAGS,
            **REGION,
        }
    )

    def active(self, name):
        self.client.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})

    def make(self, planned):
        name = planned["name"]
        self.client.create_stream(StreamName=name, ShardCount=int(planned["shard_count"]))
        self.active(name)
        if planned["tags_all"]:
            self.tag({"name": name}, planned["tags_all"], [])
        if planned["retention_period"] > 24:
            self.client.increase_stream_retention_period(
                StreamName=name, RetentionPeriodHours=int(planned["retention_period"])
            )
        return {}

    def look(self, state):
        found = self.client.describe_stream_summary(StreamName=state["name"])["StreamDescriptionSummary"]
        return {
            "id": found["StreamARN"],
            "arn": found["StreamARN"],
            "name": found["StreamName"],
            "shard_count": found["OpenShardCount"],
            "retention_period": found["RetentionPeriodHours"],
        }

    def change(self, prior, planned):
        name = planned["name"]
        if changed(prior, planned, "shard_count"):
            self.client.update_shard_count(
                StreamName=name, TargetShardCount=int(planned["shard_count"]), ScalingType="UNIFORM_SCALING"
            )
            self.active(name)
        if changed(prior, planned, "retention_period"):
            hours = int(planned["retention_period"])
            more = hours > prior["retention_period"]
            verb = "increase" if more else "decrease"
            getattr(self.client, f"{verb}_stream_retention_period")(StreamName=name, RetentionPeriodHours=hours)

    def remove(self, state):
        self.client.delete_stream(StreamName=state["name"], EnforceConsumerDeletion=True)
        waiter = self.client.get_waiter("stream_not_exists")
        waiter.wait(StreamName=state["name"], WaiterConfig={"Delay": 1, "MaxAttempts": 60})

    def tags(self, state):
        found = self.client.list_tags_for_stream(StreamName=state["name"])["Tags"]
        return {tag["Key"]: tag["Value"] for tag in found}

    def tag(self, state, tags, removed):
        if removed:
            self.client.remove_tags_from_stream(StreamName=state["name"], TagKeys=removed)
        self.client.add_tags_to_stream(StreamName=state["name"], Tags=tags)

    def imported(self, id):
        return {"id": id, "name": id}


class Function(Typed):
    service, gone = "lambda", ("ResourceNotFoundException",)
    CONFIGURATION = ("role", "runtime", "handler", "timeout", "memory_size", "description", "environment")
    schema = Block(
        {
            "id": Attr(computed=True),
            "arn": Attr(computed=True),
            "function_name": Attr(required=True, replace=True),
            "role": Attr(required=True),
            "runtime": Attr(),
            "handler": Attr(),
            "filename": Attr(),
            "source_code_hash": Attr(computed="optional"),
            "description": Attr(),
            "timeout": Attr("number", default=3),
            "memory_size": Attr("number", default=128),
            "package_type": Attr(default="Zip", replace=True),
            "publish": Attr("bool", default=False),
            "version": Attr(computed=True),
            "invoke_arn": Attr(computed=True),
            "code_sha256": Attr(computed=True),
            "last_modified": Attr(computed=True, volatile=True),
            **TAGS,
            **REGION,
        },
        {"environment": Block({"variables": Attr(MAP)}, most=1)},
    )

    def plan(self, prior, planned, config):
        if prior and changed(prior, planned, "source_code_hash", "filename"):
            planned["code_sha256"] = UNKNOWN
        return super().plan(prior, planned, config)

    def configuration(self, planned):
        variables = next((block["variables"] or {} for block in planned["environment"]), {})
        return {
            "FunctionName": planned["function_name"],
            "Role": planned["role"],
            "Runtime": planned["runtime"],
            "Handler": planned["handler"],
            "Description": planned["description"] or "",
            "Timeout": int(planned["timeout"]),
            "MemorySize": int(planned["memory_size"]),
            "Environment": {"Variables": variables},
        }

    def ready(self, name):
        self.client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
        self.client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})

    def make(self, planned):
        code = {"ZipFile": pathlib.Path(planned["filename"]).read_bytes()}
        self.client.create_function(**self.configuration(planned), Code=code, Tags=planned["tags_all"])
        self.ready(planned["function_name"])
        return {"id": planned["function_name"]}

    def look(self, state):
        found = self.client.get_function(FunctionName=state["id"])
        self.told, found = found.get("Tags", {}), found["Configuration"]
        variables = found.get("Environment", {}).get("Variables", {})
        partition, region = found["FunctionArn"].split(":")[1], found["FunctionArn"].split(":")[3]
        path = f"path/2015-03-31/functions/{found['FunctionArn']}/invocations"
        return {
            "arn": found["FunctionArn"],
            "function_name": found["FunctionName"],
            "role": found["Role"],
            "runtime": found.get("Runtime"),
            "handler": found.get("Handler"),
            "description": found.get("Description") or None,
            "timeout": found["Timeout"],
            "memory_size": found["MemorySize"],
            "package_type": found.get("PackageType", "Zip"),
            "version": found["Version"],
            "invoke_arn": f"arn:{partition}:apigateway:{region}:lambda:{path}",
            "code_sha256": found["CodeSha256"],
            "source_code_hash": state.get("source_code_hash") or found["CodeSha256"],
            "last_modified": found["LastModified"],
            "environment": [{"variables": variables}] if variables else [],
        }

    def change(self, prior, planned):
        if changed(prior, planned, *self.CONFIGURATION):
            self.client.update_function_configuration(**self.configuration(planned))
            self.ready(planned["id"])
        if changed(prior, planned, "source_code_hash", "filename"):
            code = pathlib.Path(planned["filename"]).read_bytes()
            self.client.update_function_code(FunctionName=planned["id"], ZipFile=code)
            self.ready(planned["id"])

    def remove(self, state):
        self.client.delete_function(FunctionName=state["id"])

    def tags(self, state):
        return self.told

    def tag(self, state, tags, removed):
        if removed:
            self.client.untag_resource(Resource=state["arn"], TagKeys=removed)
        self.client.tag_resource(Resource=state["arn"], Tags=tags)


RESOURCES = {
    "aws_kinesis_stream": Stream,
    "aws_lambda_function": Function,
    "aws_sns_topic": Topic,
    "aws_sns_topic_subscription": Subscription,
    "aws_sqs_queue": Queue,
}
