"""bls-quest's whole life on an AWS that no one here wrote: the published directory and the population API are served on
loopback, and their addresses given as a user would, in an environment of pipeline.toml."""

import json
import pathlib
import shutil
import tempfile
import unittest
import urllib.parse

import harness
from console import Console
from harness import ROOT, wait_for

STACK = "bls-quest-dev"
HEADER = "series_id        \tyear\tperiod\t       value\tfootnote_codes\r\n"
ROW = "PRS30006032      \t2014\tQ01\t         {}\t\r\n"


class Publisher(harness.Site):
    """A directory of files with a listing as Microsoft's server writes it, and a JSON API."""

    def __init__(self):
        self.files = {"pr.data.0.Current": HEADER + ROW.format("1.5"), "pr.txt": "about\r\n"}
        years = [{"Year": str(year), "Population": 310_000_000 + year} for year in range(2013, 2021)]
        self.population = json.dumps({"data": years})
        self.agents, self.reads, self.broken = set(), [], False
        super().__init__(self.answer)

    def answer(self, request):
        self.agents.add(request.headers["User-Agent"])
        path = urllib.parse.urlparse(request.path).path
        name = urllib.parse.unquote(path.removeprefix("/pub/pr/"))
        if path == "/population":
            return 200, {"Content-Type": "application/json"}, self.population.encode()
        if path == "/pub/pr/":
            links = "".join(f'<A HREF="/pub/pr/{n}">{n}</A><br>' for n in self.files)
            body = f'<html><body><pre><A HREF="/pub/">[To Parent Directory]</A><br>{links}</pre></body></html>'
            if self.broken:
                body = body[: len(body) // 2]
            return 200, {"Content-Type": "text/html"}, body.encode()
        if name not in self.files:
            return 404, {"Content-Type": "text/plain"}, b"no such file"
        if request.command == "GET":
            self.reads.append(name)
        body = self.files[name].encode()
        return 200, {"Content-Type": "text/plain", "ETag": f'"{hash(body):x}"'}, body


class BlsQuest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.TemporaryDirectory(prefix="pipelines-")
        cls.addClassCleanup(cls.dir.cleanup)
        cls.emulator = harness.Emulator()
        cls.addClassCleanup(cls.emulator.stop)
        cls.publisher = Publisher()
        cls.addClassCleanup(cls.publisher.stop)
        pipelines = pathlib.Path(cls.dir.name)
        shutil.copytree(ROOT / "pipelines" / "bls-quest", pipelines / "bls-quest")
        toml = pipelines / "bls-quest" / "pipeline.toml"
        own = f"""
[env.dev.source.bls]
url = "{cls.publisher.address}/pub/pr/{{file}}"

[env.dev.source.population]
url = "{cls.publisher.address}/population"

[env.dev.queue.reports]
visibility_seconds = 10
max_receives = 2

[env.dev.function.report]
timeout_seconds = 10
"""
        toml.write_text(toml.read_text() + own)
        cls.p = harness.Pumphouse(cls.emulator, pipelines)
        cls.addClassCleanup(cls.p.stop)

    def test_its_whole_life(self):
        steps = [
            self.deploy,
            self.the_directory_is_kept_in_step,
            self.a_report_is_made,
            self.a_broken_listing_changes_nothing,
            self.what_keeps_failing_is_a_dead_letter,
            self.it_is_re_driven,
            self.nothing_is_left,
        ]
        for step in steps:
            print(f"... {step.__name__}", flush=True)
            step()

    def deploy(self):
        self.p.ok("bootstrap", "--yes")
        self.p.ok("deploy", "bls-quest", "--yes")
        self.assertEqual(self.p.json("plan", "bls-quest")["changes"], [])

    def objects(self, name):
        found = self.p.json("buckets", "objects", f"bls-quest/{name}", "--recursive")["objects"]
        return {o["key"]: o["etag"] for o in found}

    def invoke(self, name):
        done = self.p.json("invoke", f"bls-quest/{name}")
        self.assertIsNone(done["error"], done)
        return done["payload"]

    def cat(self, name, key):
        return self.p.ok("buckets", "get", f"bls-quest/{name}", key).out

    def the_directory_is_kept_in_step(self):
        self.assertEqual(self.invoke("sync"), {"files": 2, "uploaded": 2, "deleted": 0})
        self.assertEqual(set(self.objects("data")), {"pr.data.0.Current", "pr.txt", "index.html"})
        self.assertEqual(self.publisher.agents, {"pumphouse-bls-quest (data@example.com)"})
        before, reads = self.objects("data"), list(self.publisher.reads)
        self.assertEqual(self.invoke("sync"), {"files": 2, "uploaded": 0, "deleted": 0})
        self.assertEqual(self.publisher.reads, reads, "what has not changed is not read")
        self.assertEqual(self.objects("data"), before)
        del self.publisher.files["pr.txt"]
        self.publisher.files["big.bin"] = "0123456789abcdef" * (20 << 16)
        self.assertEqual(self.invoke("sync"), {"files": 2, "uploaded": 1, "deleted": 1})
        big = self.emulator.client("s3").head_object(
            Bucket=f"{STACK}-data-{harness.ACCOUNT}-{harness.REGION}", Key="big.bin"
        )
        self.assertEqual(big["ContentLength"], 20 << 20)
        self.assertTrue(big["ETag"].strip('"').endswith("-3"), f"three parts of 8 MiB at most: {big['ETag']}")
        self.publisher.files["pr.data.0.Current"] += ROW.replace("2014", "2015").format("2.5")
        self.assertEqual(self.invoke("sync"), {"files": 2, "uploaded": 1, "deleted": 0})

    def a_report_is_made(self):
        self.assertEqual(self.invoke("fetch_population"), {"years": 8, "changed": True})
        # The bucket tells the queue, and the queue the function: nobody invokes it.
        wait_for("the report", 60, lambda: "report/summary.json" in self.objects("population"))
        mean = sum(310_000_000 + year for year in range(2013, 2019)) / 6
        self.assertEqual(json.loads(self.cat("population", "report/summary.json"))["mean"], mean)
        wait_for("both years", 60, lambda: self.cat("population", "report/best_year.csv").endswith("2015,2.5\n"))
        population = self.cat("population", "report/series_population.csv").splitlines()
        self.assertEqual(population[1], "PRS30006032,2014,Q01,1.5,310002014")
        before = self.objects("population")
        self.assertEqual(self.invoke("fetch_population"), {"years": 8, "changed": False})
        self.assertEqual(self.objects("population"), before)

    def a_broken_listing_changes_nothing(self):
        before = self.objects("data")
        self.publisher.broken = True
        done = self.p.run("invoke", "bls-quest/sync", "--output", "json")
        self.assertIn("breaks off", done.out + done.err)
        self.publisher.broken = False
        self.assertEqual(self.objects("data"), before)

    def dead(self):
        return self.p.json("queues", "messages", "bls-quest/reports", "--dead-letters")

    def what_keeps_failing_is_a_dead_letter(self):
        self.assertEqual(self.dead(), [])
        self.publisher.files["pr.data.0.Current"] = HEADER + ROW.format("1,5")
        self.invoke("sync")
        [letter] = wait_for("a dead letter", 120, self.dead)
        self.assertIn("pr.data.0.Current", letter["body"])
        logs = self.p.json("logs", "tail", "bls-quest/report", "--since", "1h")
        self.assertTrue(any("line 2: column value" in e["message"] for e in logs), logs)
        queues = {q["name"]: q for q in self.p.json("queues", "list")}
        self.assertEqual(queues[f"{STACK}-reports"]["dead_letter"], f"{STACK}-reports-dlq")
        self.assertEqual(queues[f"{STACK}-reports-dlq"]["dead_letters_of"], [f"{STACK}-reports"])
        self.assertEqual(queues[f"{STACK}-reports-dlq"]["visible"], 1)
        self.assertEqual(queues[f"{STACK}-reports"]["pipeline"], "bls-quest")
        refused = self.p.run("queues", "messages", "bls-quest/reports")
        self.assertEqual(refused.code, 1, refused)
        self.assertIn("each look counts as a receive", refused.err)

    def it_is_re_driven(self):
        console = Console(self.p.arguments("--read-only"), self.p.environment())
        try:
            console.see("bls-quest", "READ-ONLY")
            console.press("5")
            console.see("reports", "✖ 1")
        finally:
            self.assertEqual(console.close(), 0)
        self.assertEqual(self.p.run("--read-only", "queues", "redrive", "bls-quest/reports", "--yes").code, 3)
        # The data is right again; the arrival of that makes the report, and what is re-driven makes it once more.
        self.publisher.files["pr.data.0.Current"] = HEADER + ROW.format("3.5")
        self.invoke("sync")
        wait_for("the report", 60, lambda: self.cat("population", "report/best_year.csv").endswith("2014,3.5\n"))
        self.p.ok("queues", "redrive", "bls-quest/reports", "--yes")

        def all_dealt_with():
            queues = [q for q in self.p.json("queues", "list") if "reports" in q["name"]]
            return all(q["visible"] == q["in_flight"] == 0 for q in queues)

        wait_for("empty queues", 60, all_dealt_with)
        self.assertEqual(self.dead(), [])

    def nothing_is_left(self):
        self.p.ok("destroy", "bls-quest", "--yes")
        client = self.emulator.client
        left = {
            "buckets": [b["Name"] for b in client("s3").list_buckets()["Buckets"] if STACK in b["Name"]],
            "functions": [f["FunctionName"] for f in client("lambda").list_functions()["Functions"]],
            "mappings": client("lambda").list_event_source_mappings()["EventSourceMappings"],
            "queues": client("sqs").list_queues().get("QueueUrls", []),
            "topics": client("sns").list_topics()["Topics"],
            "alarms": client("cloudwatch").describe_alarms()["MetricAlarms"],
            "rules": client("events").list_rules()["Rules"],
            "roles": [r["RoleName"] for r in client("iam").list_roles()["Roles"] if STACK in r["RoleName"]],
        }
        self.assertEqual({k: v for k, v in left.items() if v}, {})


if __name__ == "__main__":
    unittest.main(verbosity=2)
