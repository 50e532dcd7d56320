"""Arguments of a job."""

import argparse

RESERVED = ["JOB_ID", "JOB_RUN_ID", "SECURITY_CONFIGURATION"]
BOOKMARKS = ["job-bookmark-enable", "job-bookmark-pause", "job-bookmark-disable"]


class GlueArgumentError(Exception):
    """An argument is missing or not understood."""


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise GlueArgumentError(message)


def getResolvedOptions(args, options):
    """The named options, all of them required, and those that Glue adds itself; others are passed over."""
    for name in options:
        if name in RESERVED or name in ("job-bookmark-option", "job_bookmark_option"):
            raise RuntimeError(f"Using reserved arguments {name}")
    parser = _Parser(add_help=False)
    parser.add_argument("--job-bookmark-option", choices=BOOKMARKS, default="job-bookmark-disable")
    for name in [*RESERVED, "TempDir"]:
        parser.add_argument(f"--{name}")
    for name in options:
        parser.add_argument(f"--{name}", required=True)
    return vars(parser.parse_known_args(args[1:])[0])
