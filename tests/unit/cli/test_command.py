"""The command line: help without imports, one line for each foreseeable failure, and a real request on the wire."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from trunkline import __version__
from trunkline.cli import COMMANDS, main
from trunkline.cli.failures import Failed, reason
from trunkline.cli.serve import ROLES

PLAN = "0123456789abcdef01234567"
ID = "01938c2e-7b1a-7c3d-9f00-0123456789ab"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def trunkline(*arguments: str, stdin: str = "", **environ: str) -> tuple[int, str, str]:
    result = CliRunner(env=environ).invoke(main, arguments, input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def test_help_imports_no_command() -> None:
    code = (
        "import sys; from trunkline.cli import main; main(['--help'], standalone_mode=False);"
        "heavy = {'asyncpg', 'msgspec', 'structlog', 'cryptography', 'rich', 'uvloop', 'asyncio'} & set(sys.modules);"
        "mine = [m for m in sys.modules if m.startswith('trunkline.') and m != 'trunkline.cli'];"
        "assert not heavy and not mine, (heavy, mine)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_the_listed_commands_are_there() -> None:
    for name, (module, what) in COMMANDS.items():
        command = getattr(import_module(f"trunkline.cli.{module}"), name)
        assert isinstance(command, click.Command)
        assert command.help is not None
        assert command.help.startswith(what.removesuffix("."))


def leaves(group: click.Group, names: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from leaves(command, (*names, name))
        else:
            yield (*names, name)


@pytest.mark.parametrize("names", list(leaves(main)), ids="-".join)
def test_every_command_explains_itself_with_an_example(names: Sequence[str]) -> None:
    code, out, _ = trunkline(*names, "--help")
    assert code == 0
    assert f"\n  {'trunkline ' + ' '.join(names)}" in out or f"trunkline {' '.join(names)}" in out.split("Options:")[0]


def test_the_roles_are_those_there_are() -> None:
    from trunkline.roles.process import ROLES as REAL

    assert ROLES == REAL


def test_version() -> None:
    assert trunkline("--version")[:2] == (0, f"trunkline {__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "environ", "code", "says"),
    [
        (["db", "status", "--set", "htp_port=1"], {}, 78, "unknown setting --htp-port"),
        (["db", "status", "--set", "x"], {}, 78, "write NAME=VALUE"),
        (["db", "status"], {"TRUNKLINE_HTTP_PROT": "1"}, 78, "did you mean TRUNKLINE_HTTP_PORT?"),
        (["db", "status", "--config", "none.toml"], {}, 78, "cannot read the settings file none.toml"),
        (["db", "status", "--database-url", "postgresql://u:secret@127.0.0.1:1/z"], {}, 69, "cannot be reached"),
        (["db", "status"], {}, 69, "there is no database in "),
        (["message", "show", ID], {}, 69, "there is no database in "),
        (["apply", "none.toml"], {}, 74, "none.toml: No such file or directory"),
        (["message", "show", "x"], {}, 2, "not a valid UUID"),
        (["token", "issue", "--account", "a", "--expires", "soon"], {}, 2, "write it as 30m, 12h or 90d"),
        (["token", "issue", "--account", "a", "--network", "10.0.0.1/8"], {}, 2, "write it as 192.0.2.0/24"),
        (["nothing"], {}, 2, "No such command"),
        (["send", "--from", "1", "--to", "2", "x"], {}, 78, "give --plan or TRUNKLINE_SERVICE_PLAN"),
        (["send", "--from", "1", "--to", "2", "--plan", PLAN, "x"], {}, 78, "give --token or TRUNKLINE_TOKEN"),
        (
            ["send", "--from", "1", "--to", "2", "--plan", PLAN, "--token", "t", "--url", "http://127.0.0.1:1", "x"],
            {},
            69,
            "http://127.0.0.1:1 does not answer: Connection refused",
        ),
        (
            ["send", "--from", "1", "--to", "2", "--plan", PLAN, "--token", "t", "--url", "ftp://x", "y"],
            {},
            78,
            "ftp://x is no URL",
        ),
    ],
)
def test_foreseeable_failures(arguments: list[str], environ: dict[str, str], code: int, says: str) -> None:
    got, out, err = trunkline(*arguments, **environ)
    assert got == code
    assert says in err
    assert out == ""
    assert "Traceback" not in err
    assert "secret" not in err
    if code != 2:
        assert len(err.splitlines()) == 1


def test_what_nobody_foresaw_is_not_hidden() -> None:
    assert reason(ValueError("x")) is None
    assert reason(KeyError("x")) is None
    assert reason(Failed(5, "x")) == (5, ["trunkline: x"])


class Api:
    """A customer-side API to send to: answers as told, keeps what it got."""

    def __init__(self) -> None:
        self.answer: tuple[int, Any] = (202, {})
        self.requests: list[tuple[str, dict[str, str], Any]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.requests.append((self.path, dict(self.headers), json.loads(body)))
                status, answer = outer.answer
                payload = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def api() -> Iterator[Api]:
    api = Api()
    thread = threading.Thread(target=api.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield api
    api.server.shutdown()
    thread.join()
    api.server.server_close()


RECORD = {
    "accountId": "a" * 24,
    "servicePlanId": PLAN,
    "msgId": ID,
    "channel": "SMS",
    "direction": "MT",
    "from": "12345",
    "to": "+31612345678",
    "body": "Hello",
    "status": "QUEUED",
    "errorCode": "000",
    "errorMessage": "No error",
    "segments": 1,
    "price": 0.05,
    "ptf": None,
    "currency": "EUR",
    "country": "NL",
    "mccmnc": None,
    "createdAt": "2030-01-01T00:00:00.000Z",
    "sentAt": None,
    "finalAt": None,
}


def test_send(api: Api) -> None:
    api.answer = (202, RECORD)
    flags = ["--from", "12345", "--to", "+31612345678", "--idempotency-key", "k1", "--validity", "60"]
    environ = {"TRUNKLINE_URL": api.url + "/", "TRUNKLINE_TOKEN": "tl_x", "TRUNKLINE_SERVICE_PLAN": PLAN}
    code, out, err = trunkline("send", *flags, "-", stdin="Grüße\n", **environ)
    assert (code, out, err) == (0, f"{ID} QUEUED\n", "")
    ((path, headers, body),) = api.requests
    assert path == "/v1/sendsms"
    assert headers["Authorization"] == "Bearer tl_x"
    assert headers["Idempotency-Key"] == "k1"
    assert headers["Content-Type"] == "application/json"
    assert body == {
        "servicePlanId": PLAN,
        "channel": "SMS",
        "from": "12345",
        "to": "+31612345678",
        "body": "Grüße",
        "validityPeriod": 60,
    }


def test_send_finds_the_sandbox_of_this_folder_and_flags_win(api: Api) -> None:
    Path(".trunkline").mkdir()
    Path(".trunkline/sandbox.env").write_text(
        f"# made by the sandbox\nTRUNKLINE_URL={api.url}\nexport TRUNKLINE_TOKEN='tl_sandbox'\n"
        f"TRUNKLINE_SERVICE_PLAN={PLAN}\n"
    )
    api.answer = (200, {"segments": 1})
    code, out, _ = trunkline("send", "--from", "1", "--to", "2", "--dry-run", "--token", "tl_flag", "x")
    assert code == 0
    assert json.loads(out) == {"segments": 1}
    ((path, headers, _),) = api.requests
    assert path == "/v1/sendsms?dryRun=true"
    assert headers["Authorization"] == "Bearer tl_flag"


def test_a_refusal_is_explained(api: Api) -> None:
    faults = [
        {"field": "to", "code": "x", "message": "is no number"},
        {"field": "body", "code": "y", "message": "is empty"},
    ]
    problem = {
        "type": "t",
        "title": "T",
        "status": 400,
        "detail": "2 faults: see errors",
        "instance": "i",
        "code": "validation_failed",
        "errors": faults,
    }
    api.answer = (400, problem)
    send = ("send", "--from", "1", "--to", "2", "--plan", PLAN, "--token", "t", "--url", api.url, "x")
    code, out, err = trunkline(*send)
    assert (code, out) == (1, "")
    assert err.splitlines() == [
        "trunkline: refused (400 validation_failed): 2 faults: see errors",
        "  to: is no number",
        "  body: is empty",
    ]
    api.answer = (502, b"<html>")
    code, _, err = trunkline(*send)
    assert code == 1
    assert "HTTP 502, by something that is not Trunkline" in err
