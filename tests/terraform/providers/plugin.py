"""Terraform's plugin protocol (version 6), as much of it as a provider in Python needs: a schema, plan, create, read,
update, delete and import. The messages are those that PyPI's `tf` has; its framework knows no lists of blocks, which
AWS's provider has everywhere.

Values are as Terraform sends them: a block of a list or a set is a list of dictionaries, what is not set is None, and
what is not known before it is applied is `UNKNOWN`.
"""

import base64
import concurrent.futures
import datetime
import json
import os
import pathlib
import signal
import sys
import tempfile
import threading
import time
import traceback

import grpc
import msgpack
from tf.gen import grpc_controller_pb2 as controller
from tf.gen import grpc_controller_pb2_grpc as controller_rpc
from tf.gen import grpc_stdio_pb2_grpc as stdio_rpc
from tf.gen import tfplugin_pb2 as pb
from tf.gen import tfplugin_pb2_grpc as rpc

# What Terraform sets for a program that it starts as a plugin.
COOKIE = ("TF_PLUGIN_MAGIC_COOKIE", "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2")


class _Unknown:
    def __repr__(self):
        return "UNKNOWN"

    def __copy__(self):
        return self

    def __deepcopy__(self, _):
        return self


UNKNOWN = _Unknown()


class Failure(Exception):
    """An error that Terraform shows: a summary, more words, the attribute's name."""

    def __init__(self, summary, detail="", attribute=None):
        super().__init__(summary)
        self.summary, self.detail, self.attribute = summary, detail, attribute

    def told(self):
        steps = [pb.AttributePath.Step(attribute_name=self.attribute)] if self.attribute else []
        path = pb.AttributePath(steps=steps) if steps else None
        return pb.Diagnostic(severity=pb.Diagnostic.ERROR, summary=self.summary, detail=self.detail, attribute=path)


class Attr:
    """An attribute. `type` is Terraform's own notation: "string", ["map", "string"]. One with a `default` has that where it
    is not set, as those of AWS's provider do. `replace`: a change of it makes the resource anew. `volatile`: it is not
    known before any change of the resource is applied."""

    def __init__(self, type="string", *, required=False, computed=False, default=None, replace=False, **more):
        self.type, self.required = type, required
        self.computed = bool(computed) or default is not None
        # What is computed is not set, unless it says so: computed="optional".
        self.optional = not required and computed in (False, "optional")
        self.default, self.replace = default, replace
        self.sensitive, self.volatile = more.pop("sensitive", False), more.pop("volatile", False)
        assert not more, more

    def message(self, name):
        kinds = {"required": self.required, "optional": self.optional, "computed": self.computed}
        return pb.Schema.Attribute(name=name, type=json.dumps(self.type).encode(), sensitive=self.sensitive, **kinds)


class Block:
    """Attributes and blocks by their names. `nesting` and the numbers are of a block in another one, `version` is of a
    resource's own."""

    def __init__(self, attrs=None, blocks=None, *, nesting="list", least=0, most=0, version=0):
        self.attrs, self.blocks = attrs or {}, blocks or {}
        self.nesting, self.least, self.most, self.version = nesting, least, most, version

    def message(self):
        attributes = [attr.message(name) for name, attr in self.attrs.items()]
        return pb.Schema.Block(attributes=attributes, block_types=[b.nested(n) for n, b in self.blocks.items()])

    def nested(self, name):
        mode = pb.Schema.NestedBlock.NestingMode.Value(self.nesting.upper())
        return pb.Schema.NestedBlock(
            type_name=name, block=self.message(), nesting=mode, min_items=self.least, max_items=self.most
        )

    def schema(self):
        return pb.Schema(version=self.version, block=self.message())

    def planned(self, proposed, config, creates):
        """What Terraform proposes, with what this provider knows of what is not set."""
        values = dict(proposed)
        for name, attr in self.attrs.items():
            if config.get(name) is None and attr.computed:
                if attr.default is not None:
                    values[name] = attr.default
                elif creates or proposed.get(name) is None:
                    values[name] = UNKNOWN if creates else None
        for name, block in self.blocks.items():
            # A block that is not known yet, or one whose elements cannot be told apart, stays as it is.
            inner, written = proposed.get(name), config.get(name)
            if isinstance(inner, list) and isinstance(written, list) and len(inner) == len(written):
                values[name] = [block.planned(i, w, creates) for i, w in zip(inner, written)]
            elif isinstance(inner, dict) and isinstance(written, dict):
                values[name] = block.planned(inner, written, creates)
        return values

    def replaced(self, prior, planned, at=()):
        """The paths of the changes that make the resource anew."""
        paths = [(*at, name) for name, a in self.attrs.items() if a.replace and prior.get(name) != planned.get(name)]
        for name, block in self.blocks.items():
            before, after = prior.get(name), planned.get(name)
            if isinstance(before, list) and isinstance(after, list) and self.blocks[name].nesting == "list":
                for index, (b, a) in enumerate(zip(before, after)):
                    paths += block.replaced(b, a, (*at, name, index))
        return paths


class Resource:
    """A type of resources: its schema, and what is done with one. `provider` is the one that was configured."""

    schema = Block()

    def __init__(self, provider):
        self.provider = provider

    def validate(self, config):
        """Raises Failure where the configuration is wrong in itself; values may be UNKNOWN."""

    def plan(self, prior, planned, config):
        """The last word on a plan; `prior` is None where it is to be made."""
        return planned

    def create(self, planned):
        """Makes it, and returns its state, or as much of it as is not in the plan; what is not known is None in that."""
        raise NotImplementedError

    def read(self, state):
        """What there is, or None where it is gone."""
        return state

    def update(self, prior, planned):
        """Changes it; returns as `create` does."""
        raise NotImplementedError

    def delete(self, state):
        raise NotImplementedError

    def imported(self, id):
        """As much of a state as `read` needs."""
        return {"id": id}


class Data:
    """A type of data sources."""

    schema = Block()

    def __init__(self, provider):
        self.provider = provider

    def read(self, config):
        """The values that are computed, by their names."""
        raise NotImplementedError


class Provider:
    """A provider: the types by their whole names (`aws_sqs_queue`)."""

    schema = Block()
    resources = {}
    data = {}

    def configure(self, config):
        """Takes the configuration of the `provider` block."""

    def explain(self, error):
        """A Failure in this provider's words for an exception, or None."""
        return None


def decoded(value):
    """A value that Terraform sent. It may say more of an unknown one than that: a type of its own, read as the same."""
    if value.json:
        return json.loads(value.json)
    if not value.msgpack:
        return None
    return msgpack.unpackb(value.msgpack, ext_hook=lambda *_: UNKNOWN, strict_map_key=False)


def encoded(value):
    def other(it):
        if it is UNKNOWN:
            return msgpack.ExtType(0, b"\x00")
        raise TypeError(f"{it!r} is no value of Terraform's")

    return pb.DynamicValue(msgpack=msgpack.packb(value, default=other))


def known(value):
    """A value without what is not known: that is None."""
    if isinstance(value, dict):
        return {name: known(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [known(inner) for inner in value]
    return None if value is UNKNOWN else value


def whole(block, values, planned=None):
    """Values with all names of the schema: those that are not there are as planned, and none is unknown any more."""
    values, planned = values or {}, planned or {}
    result = {}
    for name in block.attrs:
        value = values.get(name, planned.get(name))
        result[name] = None if value is UNKNOWN else value
    for name, inner in block.blocks.items():
        value = values.get(name, planned.get(name))
        if inner.nesting in ("list", "set"):
            # Where there is no answer to what was planned in it, it is as planned.
            old = planned.get(name) if isinstance(planned.get(name), list) else []
            items = value if isinstance(value, list) else []
            result[name] = [whole(inner, v, old[i] if i < len(old) else None) for i, v in enumerate(items)]
        else:
            result[name] = None if value in (None, UNKNOWN) else whole(inner, value, planned.get(name))
    return result


class Servicer(rpc.ProviderServicer):
    def __init__(self, provider):
        self.provider = provider

    def _told(self, response, work):
        """The response of `work`, with what went wrong in it as a diagnostic."""
        try:
            return work()
        except Exception as error:
            failure = error if isinstance(error, Failure) else self.provider.explain(error)
            if failure is None:
                traceback.print_exc()
                failure = Failure(f"{type(error).__name__}: {error}")
            return response(diagnostics=[failure.told()])

    def _resource(self, request):
        return self.provider.resources[request.type_name](self.provider)

    def GetMetadata(self, request, context):
        return pb.GetMetadata.Response(
            server_capabilities=_capabilities(),
            resources=[pb.GetMetadata.ResourceMetadata(type_name=name) for name in self.provider.resources],
            data_sources=[pb.GetMetadata.DataSourceMetadata(type_name=name) for name in self.provider.data],
        )

    def GetProviderSchema(self, request, context):
        return pb.GetProviderSchema.Response(
            provider=self.provider.schema.schema(),
            resource_schemas={name: type.schema.schema() for name, type in self.provider.resources.items()},
            data_source_schemas={name: type.schema.schema() for name, type in self.provider.data.items()},
            server_capabilities=_capabilities(),
        )

    def ValidateProviderConfig(self, request, context):
        return pb.ValidateProviderConfig.Response()

    def ValidateResourceConfig(self, request, context):
        response = pb.ValidateResourceConfig.Response

        def work():
            self._resource(request).validate(decoded(request.config))
            return response()

        return self._told(response, work)

    def ValidateDataResourceConfig(self, request, context):
        return pb.ValidateDataResourceConfig.Response()

    def UpgradeResourceState(self, request, context):
        schema, state = self.provider.resources[request.type_name].schema, json.loads(request.raw_state.json)
        return pb.UpgradeResourceState.Response(upgraded_state=encoded(whole(schema, state)))

    def ConfigureProvider(self, request, context):
        response = pb.ConfigureProvider.Response

        def work():
            self.provider.configure(decoded(request.config))
            return response()

        return self._told(response, work)

    def ReadResource(self, request, context):
        response = pb.ReadResource.Response

        def work():
            resource, state = self._resource(request), decoded(request.current_state)
            found = resource.read(state)
            found = None if found is None else whole(resource.schema, found, state)
            return response(new_state=encoded(found), private=request.private)

        return self._told(response, work)

    def PlanResourceChange(self, request, context):
        response = pb.PlanResourceChange.Response

        def work():
            prior, proposed = decoded(request.prior_state), decoded(request.proposed_new_state)
            if proposed is None:
                return response(planned_state=encoded(None), planned_private=request.prior_private)
            resource, config = self._resource(request), decoded(request.config)
            planned = resource.schema.planned(proposed, config, prior is None)
            planned = resource.plan(prior, planned, config)
            if prior is None:
                return response(planned_state=encoded(planned))
            if planned != prior:
                planned |= {name: UNKNOWN for name, attr in resource.schema.attrs.items() if attr.volatile}
            steps = [[_step(step) for step in path] for path in resource.schema.replaced(prior, planned)]
            return response(
                planned_state=encoded(planned),
                requires_replace=[pb.AttributePath(steps=path) for path in steps],
                planned_private=request.prior_private,
            )

        return self._told(response, work)

    def ApplyResourceChange(self, request, context):
        response = pb.ApplyResourceChange.Response
        prior, planned = decoded(request.prior_state), decoded(request.planned_state)
        resource = self._resource(request)

        def work():
            if planned is None:
                resource.delete(prior)
                return response(new_state=encoded(None))
            wanted = known(planned)
            made = resource.create(wanted) if prior is None else resource.update(prior, wanted)
            return response(new_state=encoded(whole(resource.schema, made, planned)), private=request.planned_private)

        answer = self._told(response, work)
        # What could not be changed is as it was.
        if answer.diagnostics and not answer.HasField("new_state"):
            answer.new_state.CopyFrom(encoded(prior))
        return answer

    def ImportResourceState(self, request, context):
        response = pb.ImportResourceState.Response

        def work():
            resource = self._resource(request)
            state = encoded(whole(resource.schema, resource.imported(request.id)))
            found = pb.ImportResourceState.ImportedResource(type_name=request.type_name, state=state)
            return response(imported_resources=[found])

        return self._told(response, work)

    def MoveResourceState(self, request, context):
        failure = Failure("This provider moves no state of other types")
        return pb.MoveResourceState.Response(diagnostics=[failure.told()])

    def ReadDataSource(self, request, context):
        response = pb.ReadDataSource.Response

        def work():
            source, config = self.provider.data[request.type_name](self.provider), decoded(request.config)
            return response(state=encoded(whole(source.schema, source.read(config), config)))

        return self._told(response, work)

    def GetFunctions(self, request, context):
        return pb.GetFunctions.Response()

    def StopProvider(self, request, context):
        # What was begun is brought to its end: Terraform waits for it.
        return pb.StopProvider.Response()


def _capabilities():
    return pb.ServerCapabilities(get_provider_schema_optional=True)


def _step(step):
    if isinstance(step, int):
        return pb.AttributePath.Step(element_key_int=step)
    return pb.AttributePath.Step(attribute_name=step)


def _certificate():
    """A key and a certificate for as long as this process lives: Terraform trusts the one that it is told on stdout."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now, day = datetime.datetime.now(datetime.timezone.utc), datetime.timedelta(days=1)
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = built.serial_number(x509.random_serial_number())
    built = built.not_valid_before(now - day).not_valid_after(now + day)
    built = built.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    built = built.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    certificate = built.sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    key = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key, certificate.public_bytes(pem), certificate.public_bytes(serialization.Encoding.DER)


def serve(provider, add=None):
    """Serves a provider to the Terraform that has started this process, until that has enough or is gone. `add` adds the calls
    of the protocol to the server, in place of those for a `Provider`."""
    if os.environ.get(COOKIE[0]) != COOKIE[1]:
        sys.exit("This is a plugin of Terraform's, which starts it by itself.")
    # Ctrl-C at Terraform reaches its plugins, too: they end when it says so.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent, done = os.getppid(), threading.Event()
    unlimited = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=16), options=unlimited)

    class Controller(controller_rpc.GRPCControllerServicer):
        def Shutdown(self, request, context):
            done.set()
            return controller.Empty()

    class Stdio(stdio_rpc.GRPCStdioServicer):
        def StreamStdio(self, request, context):
            return iter([])

    if add:
        add(server)
    else:
        rpc.add_ProviderServicer_to_server(Servicer(provider), server)
    controller_rpc.add_GRPCControllerServicer_to_server(Controller(), server)
    stdio_rpc.add_GRPCStdioServicer_to_server(Stdio(), server)
    key, chain, der = _certificate()
    with tempfile.TemporaryDirectory(prefix="plugin-") as folder:
        socket = pathlib.Path(folder) / "socket"
        server.add_secure_port(f"unix://{socket}", grpc.ssl_server_credentials([(key, chain)]))
        server.start()
        print("|".join(["1", "6", "unix", str(socket), "grpc", base64.b64encode(der).decode().rstrip("=")]), flush=True)
        while not done.wait(0.5) and os.getppid() == parent:
            pass
        # The answer to the last call still goes out.
        time.sleep(0.05)
        server.stop(grace=None)
    os._exit(0)
