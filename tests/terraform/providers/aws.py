"""A stand-in of the provider hashicorp/aws: the types that tests/terraform/orders uses, made on the endpoint that
AWS_ENDPOINT_URL names. Attributes, defaults, identifiers, and what makes a resource anew are those of version 6."""

import json
import zlib

import aws_flow
import aws_lake
import plugin
from aws_base import NAME, TAGS, Aws, Typed, changed, pairs, unpaired
from plugin import UNKNOWN, Attr, Block, Data

LIST, SET = ["list", "string"], ["set", "string"]


class IamRole(Typed):
    service, gone = "iam", ("NoSuchEntity",)
    schema = Block(
        {
            **NAME,
            "assume_role_policy": Attr(required=True),
            "path": Attr(default="/", replace=True),
            "description": Attr(default=""),
            "max_session_duration": Attr("number", default=3600),
            "unique_id": Attr(computed=True),
            "create_date": Attr(computed=True),
            **TAGS,
        }
    )

    def plan(self, prior, planned, config):
        # Two texts of the same document are no change.
        if prior and UNKNOWN not in (prior["assume_role_policy"], planned["assume_role_policy"]):
            if json.loads(prior["assume_role_policy"]) == json.loads(planned["assume_role_policy"]):
                planned["assume_role_policy"] = prior["assume_role_policy"]
        return super().plan(prior, planned, config)

    def make(self, planned):
        self.client.create_role(
            RoleName=planned["name"],
            Path=planned["path"],
            AssumeRolePolicyDocument=planned["assume_role_policy"],
            Description=planned["description"],
            MaxSessionDuration=int(planned["max_session_duration"]),
            Tags=pairs(planned["tags_all"]),
        )
        return {"id": planned["name"]}

    def look(self, state):
        role = self.client.get_role(RoleName=state["id"])["Role"]
        policy, known = role["AssumeRolePolicyDocument"], state.get("assume_role_policy")
        policy = json.dumps(policy) if isinstance(policy, dict) else policy
        same = known and json.loads(known) == json.loads(policy)
        return {
            "id": role["RoleName"],
            "arn": role["Arn"],
            "name": role["RoleName"],
            "assume_role_policy": known if same else policy,
            "path": role["Path"],
            "description": role.get("Description", ""),
            "max_session_duration": role.get("MaxSessionDuration", 3600),
            "unique_id": role["RoleId"],
            "create_date": role["CreateDate"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    def change(self, prior, planned):
        name = planned["id"]
        if changed(prior, planned, "assume_role_policy"):
            self.client.update_assume_role_policy(RoleName=name, PolicyDocument=planned["assume_role_policy"])
        if changed(prior, planned, "description", "max_session_duration"):
            seconds = int(planned["max_session_duration"])
            self.client.update_role(RoleName=name, Description=planned["description"], MaxSessionDuration=seconds)

    def remove(self, state):
        self.client.delete_role(RoleName=state["id"])

    def tags(self, state):
        return unpaired(self.client.list_role_tags(RoleName=state["id"])["Tags"])

    def tag(self, state, tags, removed):
        if removed:
            self.client.untag_role(RoleName=state["id"], TagKeys=removed)
        self.client.tag_role(RoleName=state["id"], Tags=pairs(tags))


class PolicyDocument(Data):
    PARTY = Block({"type": Attr(required=True), "identifiers": Attr(SET, required=True)}, nesting="set")
    CONDITION = {"test": Attr(required=True), "variable": Attr(required=True), "values": Attr(LIST, required=True)}
    STATEMENT = Block(
        {
            "sid": Attr(),
            "effect": Attr(),
            "actions": Attr(SET),
            "not_actions": Attr(SET),
            "resources": Attr(SET),
            "not_resources": Attr(SET),
        },
        {"principals": PARTY, "not_principals": PARTY, "condition": Block(CONDITION, nesting="set")},
    )
    schema = Block(
        {
            "id": Attr(computed=True),
            "policy_id": Attr(),
            "version": Attr(),
            "json": Attr(computed=True),
            "minified_json": Attr(computed=True),
        },
        {"statement": STATEMENT},
    )

    def read(self, config):
        document = {"Version": config["version"] or "2012-10-17"}
        if config["policy_id"]:
            document["Id"] = config["policy_id"]
        document["Statement"] = [self.statement(block) for block in config["statement"]]
        text = json.dumps(document, indent=2)
        minified = json.dumps(document, separators=(",", ":"))
        return {"id": str(zlib.crc32(text.encode())), "json": text, "minified_json": minified}

    def statement(self, block):
        told = {"Sid": block["sid"]} if block["sid"] else {}
        told["Effect"] = block["effect"] or "Allow"
        names = ("actions", "Action"), ("not_actions", "NotAction"), ("resources", "Resource")
        for name, key in (*names, ("not_resources", "NotResource")):
            if block[name]:
                told[key] = self.few(block[name])
        for name, key in (("principals", "Principal"), ("not_principals", "NotPrincipal")):
            if block[name]:
                told[key] = {party["type"]: self.few(party["identifiers"]) for party in block[name]}
        for condition in block["condition"]:
            test = told.setdefault("Condition", {}).setdefault(condition["test"], {})
            test[condition["variable"]] = self.few(condition["values"])
        return told

    def few(self, values):
        return values[0] if len(values) == 1 else sorted(values, reverse=True)


Aws.resources = {"aws_iam_role": IamRole, **aws_flow.RESOURCES, **aws_lake.RESOURCES}
Aws.data = {"aws_iam_policy_document": PolicyDocument}


if __name__ == "__main__":
    plugin.serve(Aws())
