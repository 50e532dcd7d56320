#!/usr/bin/env python3
"""Lets Terraform itself judge what `export terraform` writes: every module is validated, and every environment is initialized,
validated and planned, with stand-ins of the providers whose schemas are the real ones (providers/awscc.py).

    exported.py SCHEMAS.json DIR...

Each DIR is one export; its environments get a local state, and a file in place of an archive that is asked for. Anything
that Terraform says is a finding, warnings too, and so is a resource that is planned in no environment.
"""

import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "providers"))
import mirror  # noqa: E402

# What the state's bucket would take an account for.
LOCAL = 'terraform {\n  backend "local" {}\n}\n'


def terraform(folder, environment, *words):
    return subprocess.run(
        ["terraform", f"-chdir={folder}", *words], env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )


def told(run):
    """What Terraform says in its JSON, in one line each."""
    found = []
    for text in run.stdout.splitlines():
        try:
            message = json.loads(text)
        except ValueError:
            continue
        if "diagnostic" in message:
            found.append(message["diagnostic"])
    try:
        found += json.loads(run.stdout).get("diagnostics", [])
    except ValueError:
        pass
    lines = [line(one) for one in found]
    if run.returncode and not lines:
        lines = [(run.stderr or run.stdout).strip()]
    return lines


def line(one):
    place = one.get("range") or {}
    where = f"{place['filename']}:{place['start']['line']}: " if place else ""
    at = one.get("address") and f"{one['address']}: "
    return f"{where}{one['severity']}: {at or ''}{one['summary']}: {' '.join(one.get('detail', '').split())}"


def started(folder, environment):
    run = terraform(folder, environment, "init", "-input=false", "-no-color")
    return [f"error: {run.stderr.strip()}"] if run.returncode else []


def module(folder, environment):
    """What there is to say about a module alone, and the resources that it declares."""
    found = started(folder, environment) or told(terraform(folder, environment, "validate", "-json"))
    declared = set()
    for path in folder.glob("*.tf"):
        declared |= set(re.findall(r'^resource "(\w+)" "(\w+)"', path.read_text(), re.M))
    return found, {f"{type}.{name}" for type, name in declared}


def planned(folder, environment):
    """What there is to say about an environment, and the resources of the module that it would make."""
    (folder / "backend_override.tf").write_text(LOCAL)
    archive = folder / "../../bootstrap.zip"
    if "bootstrap_archive" in (folder / "terraform.tfvars").read_text():
        archive.touch()
    found = started(folder, environment) or told(terraform(folder, environment, "validate", "-json"))
    if found:
        return found, set()
    plan = terraform(folder, environment, "plan", "-input=false", "-json", "-out=judged.tfplan")
    found = told(plan)
    if plan.returncode:
        return found, set()
    shown = json.loads(terraform(folder, environment, "show", "-json", "judged.tfplan").stdout)
    made = set()
    for change in shown["resource_changes"]:
        if change["mode"] == "managed":
            if change["change"]["actions"] != ["create"]:
                found.append(f"{change['address']} is not to be made: {change['change']['actions']}")
            if change.get("module_address"):
                made.add(f"{change['type']}.{change['name']}")
    return found, made


def main():
    schemas, *exports = sys.argv[1:]
    begun, findings, resources = time.monotonic(), [], 0
    with open(schemas, encoding="utf-8") as file:
        versions = {name: of["version"] for name, of in json.load(file).items() if isinstance(of, dict)}
    standins = {
        f"hashicorp/{name}": ("awscc.py", version, name, os.path.abspath(schemas)) for name, version in versions.items()
    }
    with mirror.Mirror(standins) as providers, concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        environment = os.environ | providers.environment | {"AWS_REGION": "us-east-1", "TF_IN_AUTOMATION": "1"}
        work = []
        for export in map(pathlib.Path, exports):
            modules = [(m, pool.submit(module, m, environment)) for m in sorted(export.glob("modules/*"))]
            envs = [(e, pool.submit(planned, e, environment)) for e in sorted(export.glob("environments/*"))]
            work.append((export, modules, envs))
        plans = 0
        for export, modules, envs in work:
            declared, made = set(), set()
            for of, names in ((modules, declared), (envs, made)):
                for folder, job in of:
                    said, here = job.result()
                    names |= here
                    findings += [f"{folder.relative_to(export.parent)}: {one}" for one in said]
            if not envs or not modules:
                findings.append(f"{export}: there is nothing to plan")
            elif not findings:
                findings += [f"{export.name}: {name} is planned in no environment" for name in sorted(declared - made)]
            plans += len(envs)
            resources += len(made)
    for one in findings:
        print(one)
    if findings:
        sys.exit(1)
    took = time.monotonic() - begun
    print(f"terraform: {plans} environments planned, {resources} resources, nothing to say ({took:.0f} s)")


if __name__ == "__main__":
    main()
