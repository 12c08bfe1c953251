"""Every example of the customers' pages runs as it is printed, against one sandbox; only address and ids are put in."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path

import pytest
from pages_read import PAGES, Block, blocks
from sandbox_rig import Sandbox, until
from standardwebhooks import Webhook

from trunkline.runtime.clock import wall_s
from trunkline.webhooks.sign import new_secret

PRINTED_ID = "019ee2da-e515-7322-805f-1ac6ce82f20f"
LANGUAGES = {"bash": "curl", "python": sys.executable, "javascript": "node"}
SUFFIX = {"python": "py", "javascript": "mjs"}
EXAMPLES = [block for page in PAGES for block in blocks(page) if block.language in LANGUAGES and block.title is None]
# What an example shows, where running to its end is not enough: heading, in every language's output.
SHOWS = {
    "Handle a refusal": "validation_failed",
    "Cancel": "610",
    "Try before you send": "UCS-2",
}  # fmt: skip
REFUSED = {"Handle a refusal": 400}


@pytest.fixture(scope="session")
def delivered(sandbox: Sandbox) -> str:
    """The id of a message that has arrived."""
    msg_id: str = sandbox.send()["msgId"]
    assert sandbox.caught(msgId=msg_id, wait=15)
    return msg_id


def scheduled(sandbox: Sandbox) -> str:
    """The id of a message that waits for tomorrow."""
    tomorrow = datetime.fromtimestamp(wall_s(), UTC) + timedelta(days=1)
    msg_id: str = sandbox.send(sendAt=tomorrow.isoformat())["msgId"]
    return msg_id


def named(block: Block) -> str:
    return f"{block.page.removesuffix('.md')}-{block.heading}-{block.language}".replace(" ", "_")


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of an example: a curl that also tells the status, no proxy."""
    folder = tmp_path_factory.mktemp("tools")
    environ = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    if curl := shutil.which("curl"):
        (folder / "curl").write_text(f"#!/bin/sh\nexec {curl} -sS --max-time 30 -w '\\n%{{http_code}}' \"$@\"\n")
        (folder / "curl").chmod(0o755)
        environ["PATH"] = f"{folder}:{environ['PATH']}"
    return environ


@pytest.mark.parametrize("example", EXAMPLES, ids=map(named, EXAMPLES))
def test_the_example_runs(example: Block, sandbox: Sandbox, delivered: str, tools: dict[str, str]) -> None:
    tool = LANGUAGES[example.language]
    if shutil.which(tool) is None:
        pytest.skip(f"there is no {tool} here")
    msg_id = scheduled(sandbox) if example.heading == "Cancel" else delivered
    code = example.code.replace("http://localhost:3000", sandbox.url).replace(PRINTED_ID, msg_id)
    argv = {
        "bash": ["sh", "-c", code],
        "python": [tool, "-W", "error", "-c", code],
        "javascript": [tool, "--input-type=module", "-e", code],
    }[example.language]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, env=tools, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    if example.language == "bash":
        assert int(done.stdout[-3:]) == REFUSED.get(example.heading, int(done.stdout[-3:])), done.stdout
        assert example.heading in REFUSED or 200 <= int(done.stdout[-3:]) < 300, done.stdout
    assert SHOWS.get(example.heading, "") in done.stdout


# Receivers: each is a program of its own, with the function of the page Webhooks beside it.

FILES = {block.title: block for page in PAGES for block in blocks(page) if block.title is not None}


class Receiver:
    """A receiver of the documentation, running."""

    def __init__(self, process: subprocess.Popen[str], port: int, secret: str) -> None:
        self.process = process
        self.port = port
        self._webhook = Webhook(secret)

    def post(
        self,
        body: bytes,
        hook_id: str,
        *,
        age_s: int = 0,
        signed: bytes | None = None,
        beside: Webhook | None = None,
    ) -> int:
        """What the receiver answers to a webhook; `signed` is what the signature is for, where that is not `body`;
        `beside`: who signs as well, and first."""
        at = datetime.fromtimestamp(wall_s() - age_s, UTC)
        signature = self._webhook.sign(hook_id, at, (body if signed is None else signed).decode())
        if beside is not None:
            signature = f"{beside.sign(hook_id, at, body.decode())} {signature}"
        headers = {"webhook-id": hook_id, "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signature}
        return self.ask(body, headers)

    def ask(self, body: bytes, headers: dict[str, str]) -> int:
        connection = HTTPConnection("localhost", self.port, timeout=10)
        try:
            connection.request("POST", "/sms/status", body, {"Content-Type": "application/json", **headers})
            return connection.getresponse().status
        finally:
            connection.close()

    def said(self) -> str:
        """The next line that it prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline()


@contextmanager
def running(name: str, language: str, folder: Path, secret: str) -> Iterator[Receiver]:
    """The receiver `name` of the documentation, listening."""
    tool = LANGUAGES[language]
    if shutil.which(tool) is None:
        pytest.skip(f"there is no {tool} here")
    with socket.create_server(("localhost", 0)) as probe:
        port = probe.getsockname()[1]
    for stem in ("webhooks", name):
        file = f"{stem}.{SUFFIX[language]}"
        (folder / file).write_text(FILES[file].code.replace("8080", str(port)))
    process = subprocess.Popen(
        [tool, f"{name}.{SUFFIX[language]}"],
        cwd=folder,
        env={**os.environ, "WEBHOOK_SECRET": secret},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        until(lambda: process.poll() is None and _listens(port), 15)
        yield Receiver(process, port, secret)
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("localhost", port), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("language", SUFFIX)
def test_the_receiver_of_receipts(language: str, sandbox: Sandbox, tmp_path: Path) -> None:
    with running("receipts", language, tmp_path, sandbox.env["WEBHOOK_SECRET"]) as receiver:
        msg_id = sandbox.send(callbackUrl=f"http://localhost:{receiver.port}/sms/status")["msgId"]
        assert receiver.said() == f"{msg_id} DELIVERED 000\n"
        body = json.dumps({"msgId": "one", "status": "FAILED", "errorCode": "101"}).encode()
        assert receiver.ask(body, {}) == 401
        assert receiver.post(body, "one-2", age_s=600) == 401
        assert receiver.post(body, "one-2", signed=body + b" ") == 401
        assert receiver.post(body, "one-2") == 204
        assert receiver.post(body, "one-2") == 204  # an attempt that came again
        assert receiver.post(body.replace(b"one", b"two"), "two-2") == 204
        assert [receiver.said(), receiver.said()] == ["one FAILED 101\n", "two FAILED 101\n"]
        # While the secret is changed there are two signatures, of which one is by a secret that it does not have.
        other = Webhook(new_secret())
        assert receiver.post(body, "three-2", beside=other) == 204
        assert receiver.post(body, "four-2", signed=body + b" ", beside=other) == 401
        assert receiver.said() == "one FAILED 101\n"


@pytest.mark.parametrize("language", SUFFIX)
def test_the_receiver_of_inbound_messages(language: str, sandbox: Sandbox, tmp_path: Path) -> None:
    body = '{"from": "+15550002222", "body": "Grüße"}'.encode()
    with running("inbound", language, tmp_path, sandbox.env["WEBHOOK_SECRET"]) as receiver:
        assert receiver.ask(body, {}) == 401
        assert receiver.post(body, "three-0") == 204
        assert receiver.said() == "+15550002222 says Grüße\n"
