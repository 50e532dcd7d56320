"""Resources of the provider `awscc`, made at an AWS endpoint as AWS makes them for it: of a type of CloudFormation, with the
properties of its schema. The endpoint has no Cloud Control API that makes anything, so that each is a stack of one resource.
"""

import json
import os
import re
import time
import uuid

import boto3

from plugin import UNKNOWN, Failure


def attribute(property):
    """A property's name in the provider: a new word begins where small letters or digits end, and before the last of several
    capital letters."""
    for word in ("CloudFormation", "CloudFront", "CloudWatch", "FSx"):
        property = property.replace(word, word[0] + word[1:].lower())
    name = re.sub(r"(?<=[A-Z])([A-Z][a-z])", r"_\1", property)
    name = re.sub(r"([a-z])(?=[A-Z0-9])|([0-9])(?=[A-Za-z])", lambda m: m[0] + "_", name)
    return re.sub(r"[^0-9A-Za-z]", "_", name).lower()


CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"]


class Schemas:
    """The schemas of CloudFormation's types, as cfn-lint has them."""

    def __init__(self, folder, region):
        self.folder = folder
        with open(os.path.join(folder, "providers", f"{region}.json"), encoding="utf-8") as file:
            self.files = json.load(file)
        self.types = {}
        for type in self.files:
            service, name = (type.split("::") + [""])[1:3]
            self.types[f"awscc_{service.lower()}_{attribute(name)}"] = type

    def of(self, type):
        """The type of CloudFormation, and its schema."""
        cfn = self.types.get(type)
        if cfn is None:
            raise Failure(f"CloudFormation has no type for {type}")
        with open(os.path.join(self.folder, "resources", f"{self.files[cfn]}.json"), encoding="utf-8") as file:
            return cfn, json.load(file)


def forms(schema, root):
    """A schema and those that it may be one of."""
    while "$ref" in schema:
        here = root
        for word in schema["$ref"].removeprefix("#/").split("/"):
            here = here[word]
        schema = here
    yield schema
    for word in ("anyOf", "oneOf", "allOf"):
        for one in schema.get(word, []):
            if isinstance(one, dict):
                yield from forms(one, root)


def said(value, schema, root):
    """A value in CloudFormation's words; what is not said is left out."""
    all = list(forms(schema, root))
    if isinstance(value, dict):
        properties = {attribute(name): (name, of) for one in all for name, of in one.get("properties", {}).items()}
        # A map has keys of its user's, and values of one kind.
        other = next((of for one in all for of in one.get("patternProperties", {}).values()), {})
        made = {}
        for key, one in value.items():
            name, of = properties.get(key, (key, other))
            if one is not None and one is not UNKNOWN:
                made[name] = said(one, of if isinstance(of, dict) else {}, root)
        return made
    if isinstance(value, list):
        items = next((one["items"] for one in all if isinstance(one.get("items"), dict)), {})
        return [said(one, items, root) for one in value]
    # What may be an object or a list is JSON, as the provider takes it.
    if isinstance(value, str) and value.startswith(("{", "[")):
        if any("object" in types(one) or "array" in types(one) for one in all):
            return json.loads(value)
    return value


def types(schema):
    found = schema.get("type", [])
    return [found] if isinstance(found, str) else found


def named(cfn, property):
    """An attribute's name; `id` is the provider's own, and a type's property of this name has another."""
    name = attribute(property)
    return f"{attribute(cfn.rsplit('::')[-1])}_id" if name == "id" else name


def top(paths):
    """The names at the top of paths: `/properties/Arn`."""
    return [path.split("/")[2] for path in paths or [] if path.count("/") == 2]


class Resources:
    """What is made at the endpoint."""

    def __init__(self, schemas, region):
        self.schemas = schemas
        self.region = region
        # Attributes that the endpoint has turned out not to know.
        self.untold = set()

    def client(self, service):
        return boto3.client(service, region_name=self.region)

    def template(self, type, value):
        """A template of one resource."""
        cfn, schema = self.schemas.of(type)
        own = {named(cfn, name) for name in top(schema.get("readOnlyProperties"))}
        given = {name: one for name, one in value.items() if name != "id" and name not in own}
        properties = said(given, schema, schema)
        resources = {"Resource": {"Type": cfn, "Properties": properties}}
        return {"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}, cfn, schema

    def make(self, type, value):
        """Makes it; gives its attributes, and the stack that it is."""
        template, cfn, schema = self.template(type, value)
        own = [name for name in top(schema.get("readOnlyProperties")) if readable(schema, name)]
        cloud = self.client("cloudformation")
        while True:
            asked = [name for name in own if (cfn, name) not in self.untold]
            template["Outputs"] = {f"Output{n}": {"Value": {"Fn::GetAtt": ["Resource", a]}} for n, a in enumerate(asked)}
            stack = f"terraform-{uuid.uuid4().hex[:20]}"
            cloud.create_stack(StackName=stack, TemplateBody=json.dumps(template), Capabilities=CAPABILITIES)
            try:
                self.wait(cloud, stack, cfn)
                break
            except Failure as failure:
                self.remove(stack)
                untold = re.search(r"Requested attribute (\w+) does not exist", failure.detail)
                if not untold or untold[1] not in asked:
                    raise
                self.untold.add((cfn, untold[1]))
        outputs = cloud.describe_stacks(StackName=stack)["Stacks"][0].get("Outputs", [])
        found = {asked[int(one["OutputKey"].removeprefix("Output"))]: one["OutputValue"] or None for one in outputs}
        [resource] = cloud.describe_stack_resources(StackName=stack)["StackResources"]
        physical = resource["PhysicalResourceId"]
        return self.attributes(cfn, schema, template["Resources"]["Resource"]["Properties"], found, physical), stack

    def attributes(self, cfn, schema, properties, found, physical):
        """What is known of a resource once it is made. What names it is the last part of what CloudFormation calls it."""
        key = top(schema["primaryIdentifier"])
        known = {named(cfn, name): value for name, value in found.items() if value}
        parts = []
        for name in key:
            value = properties.get(name) or found.get(name)
            if value is None and name == key[-1]:
                value = physical
            parts.append(value or "")
            if not isinstance(properties.get(name), (dict, list)):
                known[named(cfn, name)] = value
        known["id"] = "|".join(map(str, parts))
        return known

    def change(self, type, value, stack):
        template, cfn, _ = self.template(type, value)
        cloud = self.client("cloudformation")
        # What AWS tells of it stays as it is.
        cloud.update_stack(StackName=stack, TemplateBody=json.dumps(template), Capabilities=CAPABILITIES)
        self.wait(cloud, stack, cfn)

    def remove(self, stack):
        cloud = self.client("cloudformation")
        cloud.delete_stack(StackName=stack)
        for _ in range(600):
            if self.status(cloud, stack) in (None, "DELETE_COMPLETE"):
                return
            time.sleep(0.1)
        raise Failure(f"{stack} is still there")

    def look(self, stack):
        return self.status(self.client("cloudformation"), stack) not in (None, "DELETE_COMPLETE")

    def status(self, cloud, stack):
        try:
            return cloud.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
        except cloud.exceptions.ClientError as error:
            if "does not exist" in str(error):
                return None
            raise

    def wait(self, cloud, stack, cfn):
        status = ""
        for _ in range(600):
            status = self.status(cloud, stack)
            if status in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
                return
            if status is None or status.endswith(("_FAILED", "ROLLBACK_COMPLETE")):
                break
            time.sleep(0.1)
        events = cloud.describe_stack_events(StackName=stack)["StackEvents"]
        why = [e.get("ResourceStatusReason", "") for e in reversed(events) if "FAILED" in e["ResourceStatus"]]
        why += [e["ResourceStatusReason"] for e in events if "does not exist in schema" in e.get("ResourceStatusReason", "")]
        raise Failure(f"{cfn}: {status}", "; ".join(why))

    def replaces(self, type, prior, value):
        """The attributes that cannot be changed in place and are to be."""
        _, schema = self.schemas.of(type)
        fixed = {attribute(path.split("/")[2]) for path in schema.get("createOnlyProperties", []) if path.count("/") == 2}
        return [name for name in fixed if name in value and prior.get(name) != value[name]]


def readable(schema, name):
    """Whether an attribute is a text, which an output can hold."""
    of = schema["properties"].get(name, {})
    return any("string" in types(one) for one in forms(of, schema))
