"""The sandbox itself: what it leaves for programs, who may use it, a second start, its end."""

import os
import signal
import stat
import subprocess
from pathlib import Path

import pytest
from sandbox_rig import COMMAND, until

from trunkline.sandbox.recipients import TABLE


def test_its_credentials_are_for_its_owner_alone(sandbox):
    file = sandbox.folder / ".trunkline" / "sandbox.env"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(sandbox.env) == ["TRUNKLINE_URL", "TRUNKLINE_TOKEN", "TRUNKLINE_SERVICE_PLAN", "WEBHOOK_SECRET"]
    assert all(sandbox.env[name] in sandbox.greeting for name in list(sandbox.env)[:3])


@pytest.mark.parametrize(("token", "status"), [(None, 200), ("<token>", 200), ("<other>", 401)])
def test_the_tokens_that_are_taken(sandbox, token, status):
    path = f"/v1/messages/sms?servicePlanId={sandbox.plan}&to=%2B15550002222"
    assert sandbox.ask("GET", path, token=token)[0] == status


def test_a_sender_that_waits_for_approval(sandbox):
    message = {"servicePlanId": sandbox.plan, "channel": "SMS", "from": "+15550003333", "to": "+15550002222"}
    assert sandbox.ask("POST", "/v1/sendsms", {**message, "body": "Hello"})[0] == 409


def test_what_it_shows(sandbox):
    status, found = sandbox.ask("GET", "/sandbox/recipients")
    assert status == 200
    assert [row["number"] for row in found["data"]] == [row.number for row in TABLE]
    status, page = sandbox.ask("GET", "/")
    assert status == 200
    assert page.startswith("<!doctype html>")
    assert all(row.number in page for row in TABLE)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/sandbox/webhooks?msgID=1", None, 400),
        ("GET", "/sandbox/webhooks?wait=soon", None, 400),
        ("GET", "/sandbox/webhooks?limit=0", None, 400),
        ("POST", "/sandbox/mo", {"from": "+15550002222", "to": "+15550001111"}, 400),
        ("POST", "/sandbox/mo", {"from": "nobody at all", "to": "+15550001111", "body": "hi"}, 400),
        ("POST", "/sandbox/mo", None, 415),
        ("GET", "/sandbox/mo", None, 405),
        ("GET", "/sandbox/nothing", None, 404),
    ],
)
def test_what_it_does_not_understand_is_refused(sandbox, method, path, body, status):
    answered, problem = sandbox.ask(method, path, body)
    assert (answered, problem["status"]) == (status, status)


def start(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *more], cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_a_second_start_says_what_is_running(sandbox):
    second = start(sandbox.folder, "--http-port", "0")
    assert second.returncode == 78
    assert second.stdout == ""
    (line,) = second.stderr.splitlines()
    assert sandbox.url in line
    assert str(sandbox.process.pid) in line
    assert sandbox.process.poll() is None


def test_another_one_cannot_have_its_port(sandbox, tmp_path):
    second = start(tmp_path, "--http-port", str(sandbox.port))
    assert second.returncode == 78
    (line,) = second.stderr.splitlines()
    assert f"127.0.0.1:{sandbox.port}" in line


def test_it_listens_on_loopback_only(tmp_path):
    refused = start(tmp_path, "--http-host", "0.0.0.0")
    assert refused.returncode == 78
    (line,) = refused.stderr.splitlines()
    assert "not loopback" in line
    assert not (tmp_path / ".trunkline").exists()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="only /proc tells of all processes")
def test_its_end_leaves_no_process_and_its_next_start_goes_on(a_sandbox):
    first = a_sandbox()
    assert len(first.descendants) > 4  # the roles, the simulator, the database's processes
    sent = first.send()
    first.caught(msgId=sent["msgId"], wait=15)
    ended(first, signal.SIGINT)
    second = a_sandbox()
    assert second.env["TRUNKLINE_TOKEN"] == first.env["TRUNKLINE_TOKEN"]
    assert second.env["WEBHOOK_SECRET"] == first.env["WEBHOOK_SECRET"]
    assert second.record(sent["msgId"])["status"] == "DELIVERED"
    ended(second, signal.SIGTERM)


def ended(running, signum):
    assert running.stop(signum) == 0
    assert (running.folder / "err.txt").read_text() == ""
    until(lambda: not any(map(alive, running.descendants)), 5)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
