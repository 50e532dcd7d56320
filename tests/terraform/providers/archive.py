"""A stand-in of the provider hashicorp/archive: `archive_file` of a folder or a file."""

import base64
import hashlib
import io
import pathlib
import zipfile

import plugin
from plugin import Attr, Block, Data, Failure, Provider


class File(Data):
    schema = Block(
        {
            "type": Attr(required=True),
            "source_dir": Attr(),
            "source_file": Attr(),
            "output_path": Attr(required=True),
            "id": Attr(computed=True),
            "output_size": Attr("number", computed=True),
            "output_sha": Attr(computed=True),
            "output_md5": Attr(computed=True),
            "output_sha256": Attr(computed=True),
            "output_base64sha256": Attr(computed=True),
        }
    )

    def read(self, config):
        if config["type"] != "zip":
            raise Failure("This stand-in makes zip archives alone", attribute="type")
        if config["source_dir"]:
            folder = pathlib.Path(config["source_dir"])
            if not folder.is_dir():
                raise Failure("Archive creation error", f"{folder} is no directory", "source_dir")
            files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
        elif config["source_file"]:
            path = pathlib.Path(config["source_file"])
            files = {path.name: path}
        else:
            raise Failure("Archive creation error", "one of source_dir and source_file is wanted")
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, path in files.items():
                # The same files make the same archive: their times are not in it.
                entry = zipfile.ZipInfo(name, (2049, 1, 1, 0, 0, 0))
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
        data = data.getvalue()
        output = pathlib.Path(config["output_path"])
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_bytes(data)
        sha = hashlib.sha1(data).hexdigest()
        sha256 = hashlib.sha256(data)
        return {
            "id": sha,
            "output_size": len(data),
            "output_sha": sha,
            "output_md5": hashlib.md5(data).hexdigest(),
            "output_sha256": sha256.hexdigest(),
            "output_base64sha256": base64.b64encode(sha256.digest()).decode(),
        }


class Archive(Provider):
    data = {"archive_file": File}


if __name__ == "__main__":
    plugin.serve(Archive())
