"""Of the stand-in of hashicorp/aws: the provider itself, and what its types have in common."""

import threading

from plugin import UNKNOWN, Attr, Block, Failure, Provider, Resource

MAP = ["map", "string"]
TAGS = {"tags": Attr(MAP), "tags_all": Attr(MAP, computed=True)}
REGION = {"region": Attr(computed="optional", replace=True)}
NAME = {"id": Attr(computed=True), "arn": Attr(computed=True), "name": Attr(required=True, replace=True)}


class Aws(Provider):
    schema = Block({"region": Attr(), "profile": Attr()}, {"default_tags": Block({"tags": Attr(MAP)}, most=1)})

    def configure(self, config):
        # The SDK is large: who asks for the schema alone does not wait for it.
        import boto3

        self.session = boto3.session.Session(region_name=config["region"], profile_name=config["profile"])
        if not self.session.region_name:
            raise Failure("invalid AWS Region: ", "Set one in the provider's block, or AWS_REGION.")
        self.region = self.session.region_name
        self.default_tags = next((b["tags"] or {} for b in config["default_tags"]), {})
        self.clients, self.known_account = {}, None
        self.lock = threading.Lock()
        if not self.session.get_credentials():
            raise Failure("No valid credential sources found")

    def client(self, service, region=None):
        # A session is no thing for several threads at once, its clients are.
        with self.lock:
            key = service, region or self.region
            if key not in self.clients:
                self.clients[key] = self.session.client(service, region_name=key[1])
            return self.clients[key]

    def account(self):
        """The number of the account, asked for once."""
        if not self.known_account:
            self.known_account = self.client("sts").get_caller_identity()["Account"]
        return self.known_account

    def explain(self, error):
        from botocore.exceptions import BotoCoreError, ClientError

        if isinstance(error, ClientError):
            told, status = error.response["Error"], error.response["ResponseMetadata"].get("HTTPStatusCode")
            request = error.response["ResponseMetadata"].get("RequestId", "")
            return Failure(
                f"operation error {error.operation_name}, https response error StatusCode: {status}, "
                f"RequestID: {request}, api error {told.get('Code')}: {told.get('Message')}"
            )
        return Failure(str(error)) if isinstance(error, BotoCoreError) else None


class Typed(Resource):
    """A type of one service. `gone`: the codes of errors by which the service says that there is no such thing."""

    service = ""
    gone = ()

    @property
    def client(self):
        return self.provider.client(self.service, self.region)

    def at(self, values):
        self.region = values.get("region")
        return self

    def plan(self, prior, planned, config):
        if "tags" in planned:
            tags = planned["tags"]
            unknown = tags is UNKNOWN or any(value is UNKNOWN for value in (tags or {}).values())
            planned["tags_all"] = UNKNOWN if unknown else {**self.provider.default_tags, **(tags or {})}
        if "region" in planned and config["region"] is None:
            planned["region"] = self.provider.region
        return planned

    def create(self, planned):
        self.at(planned)
        made = self.make(planned)
        return self.read({**planned, **made}) or made

    def read(self, state):
        from botocore.exceptions import ClientError

        self.at(state)
        try:
            found = self.look(state)
        except ClientError as error:
            if error.response["Error"]["Code"] in self.gone:
                return None
            raise
        if found is None:
            return None
        if "tags" in self.schema.attrs:
            tags = {key: value for key, value in self.tags({**state, **found}).items() if not key.startswith("aws:")}
            defaults = self.provider.default_tags.items()
            own = {key: value for key, value in tags.items() if (key, value) not in defaults}
            found |= {"tags_all": tags, "tags": own if own or state.get("tags") is not None else None}
        if "region" in self.schema.attrs:
            found |= {"region": self.region or self.provider.region}
        return {**state, **found}

    def update(self, prior, planned):
        self.at(planned)
        self.change(prior, planned)
        before, after = prior.get("tags_all") or {}, planned.get("tags_all") or {}
        if before != after:
            self.tag(planned, after, [key for key in before if key not in after])
        return self.read(planned) or planned

    def delete(self, state):
        from botocore.exceptions import ClientError

        self.at(state)
        try:
            self.remove(state)
        except ClientError as error:
            if error.response["Error"]["Code"] not in self.gone:
                raise

    def make(self, planned):
        """Makes it, and returns what `look` needs to find it."""
        raise NotImplementedError

    def look(self, state):
        """What there is, without its tags."""
        raise NotImplementedError

    def change(self, prior, planned):
        """Changes what is not its tags."""

    def remove(self, state):
        raise NotImplementedError

    def tags(self, state):
        raise NotImplementedError

    def tag(self, state, tags, removed):
        raise NotImplementedError


def pairs(tags, key="Key", value="Value"):
    return [{key: k, value: v} for k, v in tags.items()]


def unpaired(tags, key="Key", value="Value"):
    return {tag[key]: tag[value] for tag in tags}


def changed(prior, planned, *names):
    return any(prior[name] != planned[name] for name in names)


class ByArn(Typed):
    """Tags as most services have them, of an ARN."""

    arn_key = "ResourceArn"

    def tags(self, state):
        arn = {self.arn_key: state["arn"]}
        answer = self.client.list_tags_for_resource(**arn)
        return unpaired(answer.get("Tags", []))

    def tag(self, state, tags, removed):
        arn = {self.arn_key: state["arn"]}
        if removed:
            self.client.untag_resource(**arn, TagKeys=removed)
        self.client.tag_resource(**arn, Tags=pairs(tags))
