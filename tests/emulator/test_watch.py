"""`invoke --watch` on an AWS that no one here wrote: a function in Python is written as its author does it, a change after
the other, in a terminal. Code is deployed and invoked at once, everything else is asked for, and what takes something away
is left alone."""

import pathlib
import tempfile
import unittest

import harness
from console import Console

STACK = "tiny-dev"
FUNCTION = f"{STACK}-greet"
PIPELINE = """name = "tiny"
[env.dev]
[env.prod]
protected = true
[function.greet]
runtime = "python3.13"
code = "functions/greet"
handler = "app.handler"
timeout_seconds = 2
env = { WORD = "hello" }
"""
CODE = """import os
import time

def handler(event, context):
    print("said by", "WHO")
    return ["WHO", os.environ["WORD"], event.get("to")]
"""


class Watch(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.emulator = harness.Emulator()
        cls.addClassCleanup(cls.emulator.stop)
        folder = tempfile.TemporaryDirectory(prefix="watched-")
        cls.addClassCleanup(folder.cleanup)
        cls.pipelines = pathlib.Path(folder.name)
        cls.toml = cls.pipelines / "tiny" / "pipeline.toml"
        cls.app = cls.pipelines / "tiny" / "functions" / "greet" / "app.py"
        cls.app.parent.mkdir(parents=True)
        cls.toml.write_text(PIPELINE)
        cls.app.write_text(CODE.replace("WHO", "one"))
        cls.event = cls.pipelines / "event.json"
        cls.event.write_text('{"to": "you"}')
        cls.p = harness.Pumphouse(cls.emulator, cls.pipelines)
        cls.addClassCleanup(cls.p.stop)
        cls.functions = cls.emulator.client("lambda")

    def configuration(self):
        return self.functions.get_function_configuration(FunctionName=FUNCTION)

    def test_a_function_is_written_while_it_is_watched(self):
        self.p.ok("bootstrap", "--yes")
        self.p.ok("deploy", "tiny", "--yes")
        self.nobody_may()
        watch = ("invoke", "tiny/greet", "--event", str(self.event), "--watch")
        terminal = Console(self.p.arguments(*watch), self.p.environment())
        self.addCleanup(terminal.kill)
        terminal.see("the code of tiny-dev's functions is deployed whenever", "Go on? [y/N]")
        terminal.press("y\n")
        terminal.see("said by one", '["one","hello","you"]', "waiting for a change")

        before = self.configuration()["CodeSha256"]
        self.app.write_text(CODE.replace("WHO", "two"))
        terminal.see("said by two", '["two","hello","you"]')
        self.assertNotEqual(self.configuration()["CodeSha256"], before)

        self.event.write_text('{"to": "me"}')
        terminal.see('["two","hello","me"]')

        # Broken, and mended.
        self.app.write_text(CODE.replace("WHO", "three").replace("return [", "return 1 / 0, ["))
        terminal.see("ZeroDivisionError", "error: tiny-dev-greet: ", "division by zero")
        self.app.write_text(CODE.replace("WHO", "four").replace("return [", "return ["[:-1] + "(["))
        terminal.see("error: tiny-dev-greet: ", "was never closed (app.py, line 6)")
        self.app.write_text(CODE.replace("WHO", "five"))
        terminal.see('["five","hello","me"]')

        # More than code is asked for: it is not deployed without an answer, and not with a no.
        self.app.write_text(CODE.replace("WHO", "six"))
        terminal.see('["six","hello","me"]', "waiting for a change")
        self.toml.write_text(PIPELINE.replace('"hello"', '"servus"'))
        terminal.see("Environment.Variables.WORD", "1 to change, 0 to replace, 0 to remove. Go on? [y/N]")
        self.assertEqual(self.configuration()["Environment"]["Variables"]["WORD"], "hello")
        terminal.press("n\n")
        terminal.see("error: not confirmed", "nothing is done")
        self.assertEqual(self.configuration()["Environment"]["Variables"]["WORD"], "hello")
        self.toml.write_text(PIPELINE.replace('"hello"', '"grias di"'))
        terminal.see("grias di", "Go on? [y/N]")
        terminal.press("y\n")
        terminal.see('["six","grias di","me"]')

        # What takes something away is not done at all.
        self.toml.write_text('name = "tiny"\n[env.dev]\n[bucket.other]\n')
        terminal.see("which is not done unasked: `pumphouse deploy tiny`")
        self.assertEqual(self.configuration()["FunctionName"], FUNCTION)

        terminal.press("\x03")
        self.assertEqual(terminal.ended(), 0)
        made = [s["StackStatus"] for s in self.emulator.client("cloudformation").list_stacks()["StackSummaries"]]
        self.assertNotIn("UPDATE_IN_PROGRESS", made)
        sets = self.emulator.client("cloudformation").list_change_sets(StackName=STACK)["Summaries"]
        self.assertEqual([s["ChangeSetName"] for s in sets if s["ExecutionStatus"] == "AVAILABLE"], [])

    def nobody_may(self):
        """Who may not, and what is protected, is told so before anything is deployed."""
        self.app.write_text(CODE.replace("WHO", "zero"))
        before = self.configuration()["CodeSha256"]
        for words, arguments in [
            ("read-only: invoke of tiny/greet is refused", ["--read-only", "--yes"]),
            ("--yes confirms it", []),
            ("tiny-prod is protected", ["--env", "prod", "--yes"]),
        ]:
            said = self.p.run("invoke", "tiny/greet", "--watch", *arguments)
            self.assertEqual(said.code, 3, said)
            self.assertIn(words, said.err)
        self.assertEqual(self.configuration()["CodeSha256"], before)
        self.app.write_text(CODE.replace("WHO", "one"))


if __name__ == "__main__":
    unittest.main()
