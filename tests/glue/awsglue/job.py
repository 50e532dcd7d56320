"""A job and its bookmark."""

import json
import os


def _path():
    return os.environ["GLUE_STANDIN_STATE"]


def _load():
    if not os.path.exists(_path()):
        return {}
    with open(_path(), encoding="utf-8") as state:
        return json.load(state)


class Job:
    """Static as Glue's is: one job to a process at a time."""

    name = None
    option = None
    # What each source has read in this run, by its transformation_ctx.
    read = {}

    def __init__(self, glue_context):
        self._glue_context = glue_context

    def init(self, job_name, args=None):
        Job.name = job_name
        Job.option = (args or {}).get("job_bookmark_option") or "job-bookmark-disable"
        Job.read = {}

    def commit(self):
        """Moves the bookmark past what the sources have read."""
        if Job.option != "job-bookmark-enable":
            return
        state = _load()
        entry = state.setdefault(Job.name, {"run": 0, "sources": {}})
        entry["run"] += 1
        for ctx, files in Job.read.items():
            known = entry["sources"].setdefault(ctx, [])
            known.extend(f for f in files if f not in known)
        with open(_path(), "w", encoding="utf-8") as out:
            json.dump(state, out)
        Job.read = {}


def known(ctx):
    """The files that the bookmark is past."""
    if Job.option == "job-bookmark-disable" or not ctx:
        return []
    return _load().get(Job.name, {}).get("sources", {}).get(ctx, [])


def reset(name, keep=0):
    """What `glue:ResetJobBookmark` does; with `keep`, set back so that so many files of each source stay read."""
    state = _load()
    if keep and name in state:
        for files in state[name]["sources"].values():
            files.sort(key=lambda f: f[1])
            del files[keep:]
    else:
        state.pop(name, None)
    with open(_path(), "w", encoding="utf-8") as out:
        json.dump(state, out)
