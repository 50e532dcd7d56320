"""An AWS emulator that no one here wrote (MiniStack), the pumphouse binary on it, and boto3 as an independent judge.

Environment: PUMPHOUSE_BIN, the binary under test (default: target/debug/pumphouse); PUMPHOUSE_LOCAL_BIN, one with the
embedded cloud where that one has none; PUMPHOUSE_BOOTSTRAP, the executable
for AWS Lambda; MINISTACK, the emulator's command (default: `ministack` beside the Python that runs this).
"""

import contextlib
import http.server
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import boto3

ROOT = pathlib.Path(__file__).resolve().parents[2]
REGION = "eu-west-1"
ACCOUNT = "123456789012"


def free_port():
    with contextlib.closing(socket.socket()) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(what, seconds, check, pause=1.0):
    """The first true value of `check`, which is asked until `seconds` are over."""
    end = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(pause)


class Emulator:
    """MiniStack on loopback, with the policies of execution roles enforced."""

    def __init__(self):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.dir = tempfile.TemporaryDirectory(prefix="emulator-")
        self.log_path = pathlib.Path(self.dir.name) / "log"
        command = os.environ.get("MINISTACK") or str(pathlib.Path(sys.executable).parent / "ministack")
        # What the caller has of AWS settings is no business of the emulator.
        env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "PUMPHOUSE_"))}
        env |= {
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "AUTH": "true",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            # It tells this to the functions that it runs.
            "AWS_ENDPOINT_URL": self.url,
            "TMPDIR": self.dir.name,
            "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        self.log = self.log_path.open("wb")
        self.process = subprocess.Popen([command], env=env, cwd=self.dir.name, stdout=self.log, stderr=self.log)
        try:
            wait_for("the emulator's health", 60, self._healthy, pause=0.3)
        except BaseException:
            self.stop()
            raise

    def _healthy(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the emulator ended: {self.log_path.read_text(errors='replace')[-2000:]}")
        with contextlib.suppress(OSError):
            return urllib.request.urlopen(f"{self.url}/_ministack/health", timeout=2).status == 200
        return False

    def client(self, service):
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def resource(self, service):
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.resource(service, endpoint_url=self.url, region_name=REGION, **keys)

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        self.dir.cleanup()


class Site:
    """An HTTP server on loopback. `answer` gives a request's status, headers and body; to HEAD, the body is left out."""

    def __init__(self, answer):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_HEAD(self):
                self.do_GET()

            def do_POST(self):
                self.do_GET()

            def do_GET(self):
                status, headers, body = answer(self)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                # Who has seen enough does not read the rest.
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    if self.command != "HEAD":
                        self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Prices(Site):
    """A price API on loopback: `price` for every pair."""

    def __init__(self):
        self.price = {"BTC": "97000.5", "ETH": "3200.25", "XRP": "0.75"}
        super().__init__(self.answer)
        self.url = f"{self.address}/v2/prices/{{pair}}/spot"

    def answer(self, request):
        base, _, currency = request.path.strip("/").split("/")[2].partition("-")
        data = {"base": base, "currency": currency, "amount": self.price[base]}
        return 200, {"Content-Type": "application/json"}, json.dumps({"data": data}).encode()


class Judge:
    """A subscriber of a topic: a queue that is no part of any stack. `messages` is what it has been told so far."""

    def __init__(self, emulator, topic):
        sns, self.sqs = emulator.client("sns"), emulator.client("sqs")
        self.messages = []
        self.queue = self.sqs.create_queue(QueueName="judge")["QueueUrl"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])
        arn = attributes["Attributes"]["QueueArn"]
        self.topic = next(t["TopicArn"] for t in sns.list_topics()["Topics"] if t["TopicArn"].endswith(topic))
        allow = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage"}
        policy = {"Version": "2012-10-17", "Statement": [allow | {"Resource": arn}]}
        self.sqs.set_queue_attributes(QueueUrl=self.queue, Attributes={"Policy": json.dumps(policy)})
        sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=arn)

    def received(self):
        """All messages so far, the newest last."""
        while True:
            answer = self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10, WaitTimeSeconds=0)
            for message in answer.get("Messages", []):
                self.messages.append(json.loads(json.loads(message["Body"])["Message"]))
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
            if not answer.get("Messages"):
                return self.messages


class Said:
    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    def __str__(self):
        return f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


class Pumphouse:
    """The binary, with a home and a state of its own."""

    def __init__(self, emulator, pipelines):
        self.emulator, self.pipelines = emulator, pipelines
        self.dir = tempfile.TemporaryDirectory(prefix="pumphouse-")
        self.binary = os.environ.get("PUMPHOUSE_BIN") or str(ROOT / "target" / "debug" / "pumphouse")

    def environment(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "PUMPHOUSE_", "XDG_"))}
        env |= {
            "HOME": self.dir.name,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": self.emulator.url,
            "AWS_EC2_METADATA_DISABLED": "true",
            # The emulator refuses this type as one that it does not know.
            "PUMPHOUSE_OMIT_TYPES": "AWS::Athena::NamedQuery",
            "NO_COLOR": "1",
        }
        if executable := os.environ.get("PUMPHOUSE_BOOTSTRAP"):
            env["PUMPHOUSE_BOOTSTRAP"] = executable
        return env

    def arguments(self, *args):
        if args[:1] == ("--local",):
            return [os.environ.get("PUMPHOUSE_LOCAL_BIN") or self.binary, *args]
        return [self.binary, "--pipelines", str(self.pipelines), *args]

    def run(self, *args, timeout=300):
        done = subprocess.run(
            self.arguments(*args),
            env=self.environment(),
            cwd=self.dir.name,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        return Said(done)

    def ok(self, *args, **more):
        said = self.run(*args, **more)
        assert said.code == 0, f"pumphouse {' '.join(args)}: {said}"
        return said

    def json(self, *args, **more):
        return json.loads(self.ok(*args, "--output", "json", **more).out)

    def stop(self):
        self.dir.cleanup()
