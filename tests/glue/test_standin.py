"""What the stand-in for awsglue models."""

import os
import pathlib
import tempfile
import unittest

import support
from awsglue import job as standin
from awsglue.context import GlueContext
from awsglue.job import Job
from awsglue.utils import GlueArgumentError, getResolvedOptions


class Arguments(unittest.TestCase):
    def test_named_ones_are_required_and_others_passed_over(self):
        argv = ["script.py", "--JOB_NAME", "a", "--A", "1", "--other", "2", "--JOB_RUN_ID", "jr_1"]
        found = getResolvedOptions(argv, ["JOB_NAME", "A"])
        self.assertEqual((found["JOB_NAME"], found["A"], found["JOB_RUN_ID"]), ("a", "1", "jr_1"))
        self.assertEqual(found["job_bookmark_option"], "job-bookmark-disable")
        self.assertNotIn("other", found)
        with self.assertRaises(GlueArgumentError):
            getResolvedOptions(argv, ["B"])
        with self.assertRaises(RuntimeError):
            getResolvedOptions(argv, ["JOB_RUN_ID"])


class Bookmarks(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.dir.name)
        os.environ["GLUE_STANDIN_STATE"] = str(self.root / "state.json")
        self.addCleanup(self.dir.cleanup)
        self.folder = self.root / "in"
        (self.folder / "sub").mkdir(parents=True)

    def lines(self, option="job-bookmark-enable", commit=True):
        glue = GlueContext(support.spark().sparkContext)
        job = Job(glue)
        job.init("j", {"job_bookmark_option": option})
        frame = glue.create_dynamic_frame.from_options(
            connection_type="s3",
            connection_options={"paths": [self.folder.as_uri() + "/"], "recurse": True, "groupFiles": "none"},
            format="csv",
            format_options={"withHeader": False, "quoteChar": -1, "attachFilename": "file"},
            transformation_ctx="input",
        ).toDF()
        found = sorted((row[0], row[1].rsplit("/", 1)[-1]) for row in frame.collect()) if frame.columns else []
        if commit:
            job.commit()
        return found

    def test_a_source_gives_what_is_new_and_a_commit_moves_the_bookmark(self):
        (self.folder / "a.json").write_text('{"x": "1"}\n"half\n')
        (self.folder / "sub/b.json").write_text("b\n")
        (self.folder / "_hidden").write_text("no\n")
        (self.folder / "empty").write_text("")
        whole = [('"half', "a.json"), ("b", "b.json"), ('{"x": "1"}', "a.json")]
        self.assertEqual(self.lines(commit=False), whole)
        self.assertEqual(self.lines(), whole)
        self.assertEqual(self.lines(), [])
        (self.folder / "c.json").write_text("c\n")
        self.assertEqual(self.lines(), [("c", "c.json")])
        # Written again, it is new.
        os.utime(self.folder / "c.json", (1, 1))
        self.assertEqual(self.lines("job-bookmark-pause"), [("c", "c.json")])
        self.assertEqual(self.lines(), [("c", "c.json")])
        self.assertEqual(len(self.lines("job-bookmark-disable")), 4)
        standin.reset("j")
        self.assertEqual(len(self.lines()), 4)


if __name__ == "__main__":
    unittest.main()
