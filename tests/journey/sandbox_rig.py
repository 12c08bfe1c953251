"""A real sandbox, all processes of it, on free ports in a folder of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

COMMAND = [sys.executable, "-c", "from trunkline.cli import main; main()", "sandbox"]
_START_S = 60
_END_S = 45
_PAUSE = threading.Event()  # never set: what a poll waits on between two questions


class Sandbox:
    """One `trunkline sandbox`, ready."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        environ = {name: value for name, value in os.environ.items() if not name.startswith("TRUNKLINE_")}
        environ.pop("DATABASE_URL", None)
        with (folder / "err.txt").open("ab") as errors:
            self.process = subprocess.Popen(
                [*COMMAND, "--http-port", "0"],
                cwd=folder,
                env=environ,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
        self.greeting = self._greeting()
        lines = (folder / ".trunkline" / "sandbox.env").read_text().splitlines()
        self.env = dict(line.split("=", 1) for line in lines)
        self.url = self.env["TRUNKLINE_URL"]
        self.plan = self.env["TRUNKLINE_SERVICE_PLAN"]
        self.port = urlsplit(self.url).port or 0
        self.descendants = _descendants(self.process.pid)

    def _greeting(self) -> str:
        watchdog = threading.Timer(_START_S, self.process.kill)
        watchdog.start()
        assert self.process.stdout is not None
        text = ""
        for line in self.process.stdout:
            text += line
            if line.startswith("Ctrl-C"):
                break
        watchdog.cancel()
        assert "Ctrl-C" in text, (self.folder / "err.txt").read_text()
        return text

    def stop(self, signum: int = signal.SIGTERM) -> int:
        """Ends it in order; its exit code."""
        self.process.send_signal(signum)
        try:
            return self.process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            assert self.process.stdout is not None
            self.process.stdout.close()

    def remove(self) -> None:
        """Removes the database, once it has ended: root's is not below the folder."""
        home = self.folder / ".trunkline" / "postgresql"
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree((home / "moved-to").read_text().strip())
        shutil.rmtree(home, ignore_errors=True)

    def ask(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> tuple[int, Any]:
        """Status and JSON (or text) of the answer."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=40)
        try:
            headers = {"Authorization": f"Bearer {token or self.env['TRUNKLINE_TOKEN']}"}
            if body is not None:
                headers["Content-Type"] = "application/json"
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read().decode()
            return response.status, json.loads(text) if "json" in response.headers["Content-Type"] else text
        finally:
            connection.close()

    def send(self, recipient: str = "+15550002222", body: str = "Hello", **more: Any) -> dict[str, Any]:
        """Sends one message; the record of the answer."""
        message = {
            "servicePlanId": self.plan, "channel": "SMS", "from": "+15550001111", "to": recipient, "body": body, **more
        }  # fmt: skip
        status, record = self.ask("POST", "/v1/sendsms", message)
        assert status == 202, record
        return record

    def record(self, msg_id: str) -> dict[str, Any]:
        status, record = self.ask("GET", f"/v1/messages/sms/{msg_id}?servicePlanId={self.plan}")
        assert status == 200, record
        return record

    def caught(self, *, wait: float = 0, **query: Any) -> list[dict[str, Any]]:
        """What was caught, the newest first; waits up to `wait` seconds for the first."""
        asked = "&".join(f"{name}={value}" for name, value in {**query, "wait": wait}.items())
        status, found = self.ask("GET", f"/sandbox/webhooks?{asked}")
        assert status == 200, found
        return found["data"]


def until(ask: Callable[[], Any], within_s: float) -> Any:
    """What `ask` returns, once that is true. Asks again and again, and is over after `within_s`."""
    deadline = monotonic() + within_s
    while not (answer := ask()):
        assert monotonic() < deadline, f"not within {within_s} s"
        _PAUSE.wait(0.05)
    return answer


def _descendants(pid: int) -> list[int]:
    """The processes below `pid`, where /proc tells."""
    try:
        children = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return children + [below for child in children for below in _descendants(child)]
