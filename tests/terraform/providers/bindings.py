"""The schemas of Terraform's providers `aws` and `awscc`, read out of their bindings for Python (PyPI's cdktn-provider-*).

    bindings.py CACHE DIR...

CACHE holds the archives of both bindings, as .ci/terraform keeps them; DIRs hold Terraform's files. Of each type that they use,
the bindings are unpacked and read: what its attributes are called, of what type, required, optional, or computed. All that
was read is in CACHE/schemas.json, for the stand-ins of the providers (see awscc.py).
"""

import json
import os
import re
import sys
import tarfile

PROVIDERS = ("aws", "awscc")
# What the bindings call the kinds of things, before the type's name.
KINDS = {"resource": "", "data": "data-{}-", "ephemeral": "ephemeral-{}-"}
SIMPLE = {"string": "string", "number": "number", "boolean": "bool"}
# In the folder of schemas.json; another version reads anew.
VERSION = 1


def wanted(folders):
    """The kinds and types that Terraform's files use."""
    found = set()
    for folder in folders:
        for place, _, names in os.walk(folder):
            for name in names:
                if name.endswith(".tf"):
                    with open(os.path.join(place, name), encoding="utf-8") as file:
                        text = file.read()
                    found |= set(re.findall(r'^(resource|data|ephemeral) "(aws(?:cc)?_\w+)"', text, re.M))
                    # Of what is referred to and not there, the judge of the schemas says more.
                    found |= {("resource", type) for type in re.findall(r"(?<![\w.])(aws(?:cc)?_\w+)(?=\.\w)", text)}
    return found


def folder(kind, type):
    """The provider of a type, and its folder in the bindings."""
    provider, _, name = type.partition("_")
    return provider, KINDS[kind].format(provider) + name.replace("_", "-")


def library(cache, provider):
    return os.path.join(cache, "unpacked", provider, "package/lib")


def unpack(cache, types):
    """Unpacks the bindings of types that are not there yet; a name that no provider has stays missing."""
    for provider in PROVIDERS:
        lib = library(cache, provider)
        names = {"provider"} | {name for of, name in (folder(*one) for one in types) if of == provider}
        missing = {name for name in names if not os.path.isdir(os.path.join(lib, name))}
        if not missing:
            continue
        place = os.path.join(cache, f"cdktn_provider_{provider}/_jsii")
        os.makedirs(lib, exist_ok=True)
        [archive] = [name for name in os.listdir(place) if name.endswith(".tgz")]
        with tarfile.open(os.path.join(place, archive)) as tar:
            for member in tar:
                path = member.name.split("/")
                if path[:2] == ["package", "lib"] and path[2] in missing and path[3:] in (["index.js"], ["index.d.ts"]):
                    tar.extract(member, os.path.join(cache, "unpacked", provider), filter="data")


class Binding:
    """The classes of one type."""

    def __init__(self, place):
        with open(os.path.join(place, "index.js"), encoding="utf-8") as js:
            self.js = js.read()
        with open(os.path.join(place, "index.d.ts"), encoding="utf-8") as dts:
            self.dts = dts.read()
        bodies = re.finditer(r"^class (\w+) extends cdktn\.(\w+) \{\n(.*?)^\}", self.js, re.M | re.S)
        self.classes = {m[1]: (m[2], m[3]) for m in bodies}
        structs = re.finditer(r"^function (\w+)ToHclTerraform\(struct\) \{\n(.*?)^\}", self.js, re.M | re.S)
        # A function's name begins with a small letter.
        self.structs = {m[1][0].upper() + m[1][1:]: given(m[2]) for m in structs}
        faces = re.finditer(r"^export interface (\w+)[^{]*\{\n(.*?)^\}", self.dts, re.M | re.S)
        self.blocks = {m[1]: set(re.findall(r"^ +\* (\w+) block$", m[2], re.M)) for m in faces}

    def schema(self):
        """The attributes of the type itself."""
        name = re.search(r"^export declare class (\w+) extends cdktn\.Terraform(?:Resource|DataSource|Ephemeral|Provider)", self.dts, re.M)[1]
        _, body = self.classes[name]
        top = re.search(r"synthesizeHclAttributes\(\) \{\n(.*?)\n    \}", body, re.S)
        return self.attributes(name, body, given(top[1]) if top else {}, self.blocks.get(name + "Config", set()))

    def attributes(self, name, body, inputs, blocks):
        flags = {}
        said = re.split(r"^    // (\w+) - computed: (\w+), optional: (\w+), required: (\w+)\n", body, flags=re.M)
        for at in range(1, len(said), 5):
            flags[said[at]] = ([word == "true" for word in said[at + 1 : at + 4]], said[at + 4])
        found = {}
        for attribute in sorted(set(flags) | set(inputs)):
            (computed, optional, required), text = flags.get(attribute, ([False, True, False], ""))
            one = {"computed": computed, "optional": optional, "required": required}
            kind = self.given(inputs[attribute]) if attribute in inputs else self.made(attribute, text)
            if kind is None:
                raise ValueError(f"{name}.{attribute}: its type cannot be read")
            one.update(kind)
            # By its name alone is it known that it is nowhere kept.
            if attribute.endswith("_wo"):
                one["write_only"] = True
            if attribute in blocks:
                one["block"] = True
            found[attribute] = one
        return found

    def nested(self, struct):
        _, body = self.classes.get(struct + "OutputReference", (None, ""))
        return self.attributes(struct, body, self.structs.get(struct, {}), self.blocks.get(struct, set()))

    def given(self, of):
        """The type of what a configuration may say."""
        kind, stored = of
        if kind == "simple":
            return {"type": SIMPLE[stored]} if stored in SIMPLE else None
        base = re.sub(r"(List|Map)$", "", stored)
        struct = next((s for s in (stored, base) if s in self.structs or s + "OutputReference" in self.classes), None)
        if struct is None:
            return plain(kind, stored)
        return {"nesting": "single" if kind == "struct" else kind, "nested": self.nested(struct)}

    def made(self, attribute, text):
        """The type of what can only be read."""
        collection = "set" if "Fn.tolist(" in text else "list"
        if made := re.search(rf'= new (\w+?)(OutputReference|List|Map)\(this, "{attribute}"(?:, (\w+))?\)', text):
            nesting = {"OutputReference": "single", "Map": "map", "List": "set" if made[3] == "true" else "list"}[made[2]]
            return {"nesting": nesting, "nested": self.nested(made[1])}
        if got := re.search(rf"get(\w*?)Attribute\('{attribute}'\)", text):
            stored = got[1][0].lower() + got[1][1:]
            stored = {"list": "stringList"}.get(stored, stored)
            return {"type": SIMPLE[stored]} if stored in SIMPLE else plain(collection, stored)
        return None


def plain(kind, stored):
    """A list, set or map of values."""
    inner = re.fullmatch(r"(\w+?)(?:List|Map|Set)", stored)
    if inner is None or kind not in ("list", "set", "map"):
        return None
    if inner[1] in SIMPLE:
        return {"type": [kind, SIMPLE[inner[1]]]}
    deeper = plain("map" if inner[1].endswith("Map") else "list", inner[1])
    return deeper and {"type": [kind, deeper["type"]]}


def given(text):
    """What a function hands over: for each attribute its kind, and what it is stored as."""
    form = r'^ +(\w+): \{\n +value: .*,\n +isBlock: \w+,\n +type: "(\w+)",\n +storageClassType: "([^"]+)"'
    return {m[1]: (m[2], m[3]) for m in re.finditer(form, text, re.M)}


def read(cache, types):
    """The schemas of types, with those that were read before."""
    path = os.path.join(cache, "schemas.json")
    try:
        with open(path, encoding="utf-8") as file:
            known = json.load(file)
    except (OSError, ValueError):
        known = {}
    if known.get("reader") != VERSION:
        known = {"reader": VERSION} | {p: {"resource": {}, "data": {}, "ephemeral": {}} for p in PROVIDERS}
    unpack(cache, types)
    changed = False
    for provider in PROVIDERS:
        if "provider" not in known[provider]:
            binding = Binding(os.path.join(library(cache, provider), "provider"))
            known[provider]["provider"] = binding.schema()
            known[provider]["version"] = re.search(rf"/providers/hashicorp/{provider}/([\d.]+)/", binding.dts)[1]
            changed = True
    for kind, type in sorted(types):
        provider, name = folder(kind, type)
        place = os.path.join(library(cache, provider), name)
        if type not in known[provider][kind] and os.path.isdir(place):
            known[provider][kind][type] = Binding(place).schema()
            changed = True
    if changed:
        with open(path + ".new", "w", encoding="utf-8") as file:
            json.dump(known, file)
        os.replace(path + ".new", path)
    return known


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    read(sys.argv[1], wanted(sys.argv[2:]))


if __name__ == "__main__":
    main()
