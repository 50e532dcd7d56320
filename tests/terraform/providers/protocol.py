"""Terraform's plugin protocol, version 6, for a provider whose schemas are data: what the bindings say (see bindings.py).

The messages are those that PyPI's `tf` was generated with, and what the protocol has had since: arguments that are only
written, and ephemeral resources.
"""

import json
import traceback

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from tf.gen import tfplugin_pb2

import plugin
from plugin import UNKNOWN, Failure, decoded

PACKAGE = "tfplugin6"
FIELD = descriptor_pb2.FieldDescriptorProto
NESTINGS = {"single": 1, "list": 2, "set": 3, "map": 4}


def extended():
    """The descriptions of all messages, with those that `tf` does not have."""
    file = descriptor_pb2.FileDescriptorProto()
    tfplugin_pb2.DESCRIPTOR.CopyToProto(file)
    messages = {message.name: message for message in file.message_type}

    def field(message, name, number, type, of=None, many=False):
        label = FIELD.LABEL_REPEATED if many else FIELD.LABEL_OPTIONAL
        message.field.add(name=name, number=number, type=type, label=label, type_name=of and f".{PACKAGE}.{of}")

    attribute = next(m for m in messages["Schema"].nested_type if m.name == "Attribute")
    field(attribute, "write_only", 11, FIELD.TYPE_BOOL)
    response = next(m for m in messages["GetProviderSchema"].nested_type if m.name == "Response")
    entry = response.nested_type.add(name="EphemeralResourceSchemasEntry")
    field(entry, "key", 1, FIELD.TYPE_STRING)
    field(entry, "value", 2, FIELD.TYPE_MESSAGE, "Schema")
    entry.options.map_entry = True
    of = "GetProviderSchema.Response.EphemeralResourceSchemasEntry"
    field(response, "ephemeral_resource_schemas", 8, FIELD.TYPE_MESSAGE, of, many=True)
    value, said = (FIELD.TYPE_MESSAGE, "DynamicValue"), (FIELD.TYPE_MESSAGE, "Diagnostic", True)
    for name, asked, answered in [
        ("ValidateEphemeralResourceConfig", [("config", 2, *value)], [("diagnostics", 1, *said)]),
        ("OpenEphemeralResource", [("config", 2, *value)], [("diagnostics", 1, *said), ("result", 3, *value)]),
        ("CloseEphemeralResource", [("private", 2, FIELD.TYPE_BYTES)], [("diagnostics", 1, *said)]),
    ]:
        message = file.message_type.add(name=name)
        for part, fields in [("Request", [("type_name", 1, FIELD.TYPE_STRING), *asked]), ("Response", answered)]:
            inner = message.nested_type.add(name=part)
            for one in fields:
                field(inner, *one)
        file.service[0].method.add(
            name=name, input_type=f".{PACKAGE}.{name}.Request", output_type=f".{PACKAGE}.{name}.Response"
        )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


POOL = extended()


def message(name):
    """The class of a message."""
    return message_factory.GetMessageClass(POOL.FindMessageTypeByName(f"{PACKAGE}.{name}"))


Schema, Attribute, Block = message("Schema"), message("Schema.Attribute"), message("Schema.Block")
NestedBlock, Object, Dynamic = message("Schema.NestedBlock"), message("Schema.Object"), message("DynamicValue")
Diagnostic, Path = message("Diagnostic"), message("AttributePath")


def dump(value):
    """The message that holds a value."""
    return Dynamic(msgpack=plugin.encoded(value).msgpack)


def block(attributes):
    """The description of a block."""
    made = Block(version=0)
    for name, of in attributes.items():
        if of.get("block"):
            made.block_types.add(type_name=name, block=block(of["nested"]), nesting=NESTINGS[of["nesting"]])
        else:
            made.attributes.append(attribute(name, of))
    return made


def attribute(name, of):
    flags = {flag: of.get(flag, False) for flag in ("required", "optional", "computed", "write_only")}
    if "nested" not in of:
        return Attribute(name=name, type=json.dumps(of["type"]).encode(), **flags)
    inner = Object(nesting=NESTINGS[of["nesting"]], attributes=[attribute(n, a) for n, a in of["nested"].items()])
    return Attribute(name=name, nested_type=inner, **flags)


def each(of, value, change):
    """A value with each object in it changed."""
    if value is None or value is UNKNOWN:
        return value
    if of["nesting"] == "single":
        return change(value)
    if of["nesting"] == "map":
        return {key: change(one) for key, one in value.items()}
    return [change(one) for one in value]


def planned(attributes, config):
    """What is planned of what is to be made: what is not said and the provider can say is not known yet."""
    made = {}
    for name, of in attributes.items():
        value = config.get(name)
        if of.get("write_only"):
            value = None
        elif value is None and of["computed"]:
            value = UNKNOWN
        elif "nested" in of:
            value = each(of, value, lambda one, of=of: planned(of["nested"], one))
        made[name] = value
    return made


def settled(attributes, value):
    """A value in which nothing is unknown any more."""
    made = {}
    for name, of in attributes.items():
        one = value.get(name)
        if one is UNKNOWN:
            one = None
        elif "nested" in of:
            one = each(of, one, lambda inner, of=of: settled(of["nested"], inner))
        made[name] = one
    return made


class Servicer:
    """The calls of the protocol, for a provider: an object with `schemas`, `configure`, `data`, `open` and, for resources,
    `replaces`, `make`, `change`, `remove` and `look`. By the token that `make` gives a resource is known again."""

    def __init__(self, provider):
        self.provider = provider
        self.schemas = provider.schemas

    def GetProviderSchema(self, _):
        made = message("GetProviderSchema.Response")(provider=Schema(block=block(self.schemas["provider"])))
        # What nobody gives is null.
        made.provider_meta.CopyFrom(Schema(block=Block()))
        made.server_capabilities.plan_destroy = False
        for kind, of in [
            ("resource", made.resource_schemas),
            ("data", made.data_source_schemas),
            ("ephemeral", made.ephemeral_resource_schemas),
        ]:
            for type, attributes in self.schemas[kind].items():
                of[type].CopyFrom(Schema(block=block(attributes)))
        return made

    def UpgradeResourceState(self, asked):
        return message("UpgradeResourceState.Response")(upgraded_state=dump(json.loads(asked.raw_state.json)))

    def ConfigureProvider(self, asked):
        self.provider.configure(decoded(asked.config))
        return message("ConfigureProvider.Response")()

    def PlanResourceChange(self, asked):
        attributes = self.schemas["resource"][asked.type_name]
        prior, proposed, config = decoded(asked.prior_state), decoded(asked.proposed_new_state), decoded(asked.config)
        answer = message("PlanResourceChange.Response")()
        if proposed is None:
            value = None
        elif prior is None:
            value = planned(attributes, config)
        else:
            value = {name: None if of.get("write_only") else proposed.get(name) for name, of in attributes.items()}
            for name in self.provider.replaces(asked.type_name, prior, value):
                answer.requires_replace.append(Path(steps=[{"attribute_name": name}]))
        answer.planned_state.CopyFrom(dump(value))
        answer.planned_private = asked.prior_private
        return answer

    def ApplyResourceChange(self, asked):
        type, token = asked.type_name, asked.planned_private.decode()
        attributes = self.schemas["resource"][type]
        prior, plan, config = decoded(asked.prior_state), decoded(asked.planned_state), decoded(asked.config)
        answer = message("ApplyResourceChange.Response")
        if plan is None:
            self.provider.remove(type, prior, token)
            return answer(new_state=dump(None))
        if prior is None:
            found, token = self.provider.make(type, plan, config)
        else:
            found = self.provider.change(type, prior, plan, token)
        # What is known of it from now on, in place of what was unknown.
        value = settled(attributes, filled(attributes, plan, found))
        return answer(new_state=dump(value), private=token.encode())

    def ReadResource(self, asked):
        value = decoded(asked.current_state)
        there = self.provider.look(asked.type_name, value, asked.private.decode())
        return message("ReadResource.Response")(new_state=dump(value if there else None), private=asked.private)

    def ReadDataSource(self, asked):
        attributes = self.schemas["data"][asked.type_name]
        config = decoded(asked.config)
        found = self.provider.data(asked.type_name, config)
        value = settled(attributes, {**config, **{k: v for k, v in found.items() if k in attributes}})
        return message("ReadDataSource.Response")(state=dump(value))

    def OpenEphemeralResource(self, asked):
        attributes = self.schemas["ephemeral"][asked.type_name]
        config = decoded(asked.config)
        value = settled(attributes, {**config, **self.provider.open(asked.type_name, config)})
        return message("OpenEphemeralResource.Response")(result=dump(value))


def filled(attributes, plan, found):
    """What was planned, with what is known now where it was unknown."""
    made = {}
    for name, of in attributes.items():
        value = plan.get(name)
        if value is UNKNOWN:
            value = found.get(name)
        elif "nested" in of and of["nesting"] == "single" and isinstance(value, dict) and isinstance(found.get(name), dict):
            value = filled(of["nested"], value, found[name])
        made[name] = value
    return made


def guarded(call, answer):
    """A call whose errors are told to Terraform's user."""

    def called(asked, _):
        try:
            return call(asked)
        except Failure as failure:
            told = failure
        except Exception as error:
            traceback.print_exc()
            told = Failure(f"{type(error).__name__} in a stand-in", str(error))
        made = answer()
        made.diagnostics.append(Diagnostic(severity=1, summary=told.summary, detail=told.detail))
        # What could not be changed is as it was.
        if hasattr(asked, "prior_state") and hasattr(made, "new_state"):
            made.new_state.CopyFrom(asked.prior_state)
            made.private = asked.planned_private
        return made

    return called


def handlers(servicer):
    """All calls of the protocol; those that a provider has nothing to say to have an empty answer."""
    found = {}
    for method in POOL.FindServiceByName(f"{PACKAGE}.Provider").methods:
        asked, answer = (message_factory.GetMessageClass(m) for m in (method.input_type, method.output_type))
        call = getattr(servicer, method.name, None)
        one = guarded(call, answer) if call else (lambda _, __, answer=answer: answer())
        found[method.name] = grpc.unary_unary_rpc_method_handler(one, asked.FromString, answer.SerializeToString)
    return grpc.method_handlers_generic_handler(f"{PACKAGE}.Provider", found)


def serve(provider):
    """Serves Terraform, which started this process, until it says that it is done."""
    plugin.serve(provider, lambda server: server.add_generic_rpc_handlers([handlers(Servicer(provider))]))
