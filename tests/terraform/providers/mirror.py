"""A mirror of providers in a folder, where `terraform init` finds the stand-ins that lie beside this file.

    with mirror.Mirror() as m: run(["terraform", "init"], env=os.environ | m.environment)
"""

import pathlib
import shlex
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
HOST = "registry.terraform.io"
# Of the versions that configurations which people write today ask for.
STANDINS = {"hashicorp/archive": ("archive.py", "2.7.1"), "hashicorp/aws": ("aws.py", "6.21.0")}


class Mirror:
    """The mirror. `standins`: the script of each provider, its version and words for it, by namespace and type; a script
    that is no full path lies beside this file. `environment` is what Terraform has to know: it then downloads nothing."""

    def __init__(self, standins=None, python=sys.executable):
        self.dir = tempfile.TemporaryDirectory(prefix="providers-")
        root = pathlib.Path(self.dir.name)
        for source, (script, version, *words) in (standins or STANDINS).items():
            kind = source.split("/")[1]
            folder = root / "mirror" / HOST / source / version / "linux_amd64"
            folder.mkdir(parents=True)
            program = folder / f"terraform-provider-{kind}_v{version}"
            # -s and -E: what the caller has of Python's settings is no business of a provider.
            command = shlex.join([python, "-s", "-E", "-B", str(HERE / script), *words])
            program.write_text(f"#!/bin/sh\nexec {command}\n")
            program.chmod(0o755)
        path = str(root / "mirror").replace("\\", "\\\\").replace('"', '\\"')
        config = root / "terraform.rc"
        config.write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{path}"\n  }}\n}}\n')
        self.environment = {"TF_CLI_CONFIG_FILE": str(config), "CHECKPOINT_DISABLE": "1"}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.dir.cleanup()
