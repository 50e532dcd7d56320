"""A stand-in for AWS Glue's own module, for tests alone: just what src/deploy/glue/runner.py uses of it.

It models arguments, S3 sources over local folders with job bookmarks, and the job's commit. Its state is one JSON file,
named by GLUE_STANDIN_STATE. test_standin.py says what it models.
"""
