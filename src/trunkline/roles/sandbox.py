"""`trunkline sandbox`: the whole platform with its own database, a simulated carrier and a receiver of webhooks."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from trunkline import sandbox
from trunkline.admin import declared
from trunkline.admin.tokens import issue_token
from trunkline.domain.provisioning import Provisioning
from trunkline.domain.token import hash_of
from trunkline.roles import serve
from trunkline.roles.context import policy_of
from trunkline.runtime import log
from trunkline.runtime.kinds import is_loopback
from trunkline.runtime.secret import secret_key
from trunkline.runtime.settings import LogSettings, MetricsSettings, Settings, SettingsError, as_environment
from trunkline.runtime.supervisor import ChildSpec
from trunkline.sandbox import wiring
from trunkline.sandbox.process import HTTP, SMPP
from trunkline.store import provisioning as provisioning_store
from trunkline.store.db import Connection, connect
from trunkline.webhooks.sign import secret_text

SET_UP = Path(sandbox.__file__).with_name("set-up.toml")
ENV_FILE = "sandbox.env"
_LOCK_FILE = "sandbox.lock"
_SMPP_PORT = 2775
_PORT_LINE = f"port = {_SMPP_PORT}\n"
_LOOPBACK = tuple(ip_network(network) for network in ("127.0.0.0/8", "::1/128"))


@dataclass(slots=True)
class _Credentials:
    """What a customer of the sandbox needs."""

    token: str = ""
    hook_secret: str = ""


def run(settings: Settings, *, journal: Path | None = None) -> int:
    """Runs the sandbox of `settings.data_dir` in the foreground; returns the exit code. `journal`: a file for one line
    of JSON about everything that the carrier sees.

    Raises what serve.run raises, each a line for the operator; SettingsError also where a sandbox of this folder runs.
    """
    if not is_loopback(settings.http.host):
        raise SettingsError(f"a sandbox is for this machine alone: http_host {settings.http.host} is not loopback")
    foreign = settings.database.url is not None
    settings = _as_sandbox(settings)
    log.configure(level=settings.log.level, format=settings.log.format, process="supervisor", node=settings.node)
    with _alone(settings) as lock, _listening(_SMPP_PORT) as smpp, _listening(0) as http:
        credentials = _Credentials()
        smpp_port, http_port = smpp.getsockname()[1], http.getsockname()[1]
        arguments = [] if journal is None else [str(journal)]

        def simulator(final: Settings) -> list[ChildSpec]:
            argv = [sys.executable, "-m", "trunkline.sandbox.process", *arguments]
            return [ChildSpec("simulator", argv, as_environment(final), {SMPP: smpp, HTTP: http})]

        def prepare(final: Settings) -> None:
            asyncio.run(_set_up(final, smpp_port, credentials))

        def started(final: Settings) -> None:
            url = _url(final)
            _write_env(final.data_dir / ENV_FILE, url, credentials)
            _say(lock, url)
            sys.stdout.write(_greeting(final, url, credentials, smpp_port, foreign=foreign))
            sys.stdout.flush()

        return serve.run(
            settings, extra=simulator, prepare=prepare, started=started, environment=wiring.environment(http_port)
        )


def _as_sandbox(settings: Settings) -> Settings:
    """The settings with what makes a sandbox of them. Logging that was left at its default is for people, and sparing;
    metrics that were left at theirs are off, because two sandboxes would meet there."""
    callback = replace(
        settings.callback,
        allow_http=True,
        allowed_networks=tuple(dict.fromkeys((*settings.callback.allowed_networks, *_LOOPBACK))),
    )
    logging = settings.log if settings.log != LogSettings() else LogSettings(level="error", format="console")
    metrics = settings.metrics if settings.metrics != MetricsSettings() else replace(settings.metrics, port=-1)
    database = replace(settings.database, url=None)  # never one that is somebody's
    return replace(settings, callback=callback, log=logging, metrics=metrics, database=database)


# One sandbox a folder.


@contextlib.contextmanager
def _alone(settings: Settings) -> Iterator[int]:
    """Holds the folder's lock; its file says what runs. An fcntl lock, gone with its process however that ends."""
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = settings.data_dir / _LOCK_FILE
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            raise SettingsError(_running(os.pread(handle, 4096, 0), settings.data_dir)) from None
        _say(handle, "")
        yield handle
        os.ftruncate(handle, 0)
    finally:
        os.close(handle)


def _say(handle: int, url: str) -> None:
    os.ftruncate(handle, 0)
    os.pwrite(handle, json.dumps({"pid": os.getpid(), "url": url}).encode(), 0)


def _running(facts: bytes, folder: Path) -> str:
    try:
        told: Mapping[str, Any] = json.loads(facts)
        who = f"process {told['pid']}" + (f", {told['url']}" if told["url"] else ", still starting")
        how = f"Ctrl-C there or `kill {told['pid']}` ends it"
    except (ValueError, KeyError, TypeError):
        who, how = "another process", "end it first"
    return f"the sandbox of {folder} is running already ({who}): use it, or {how}"


@contextlib.contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    """A listening socket on loopback: on `port`, or where that is taken on any free one."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            sock.bind(("127.0.0.1", 0))
        sock.listen(512)
        yield sock


# What the database begins with.


async def _set_up(settings: Settings, smpp_port: int, credentials: _Credentials) -> None:
    assert settings.database.url is not None
    key = secret_key(settings)
    conn = await connect(settings.database.url, name="set-up")
    try:
        await _refuse_others(conn, settings.data_dir)
        text = SET_UP.read_text("utf-8")
        assert _PORT_LINE in text
        text = text.replace(_PORT_LINE, f"port = {smpp_port}\n")
        around = declared.Surroundings(
            key, policy_of(settings), {"SIMULATOR_PASSWORD": "demo"}, SET_UP.parent, actor="sandbox"
        )
        await declared.apply(conn, declared.read(text, SET_UP.name), around)
        provisioning = await provisioning_store.load(conn, key)
        plan = provisioning.plans_by_public_id[wiring.PLAN]
        credentials.hook_secret = secret_text(plan.hook_secrets[0])
        credentials.token = (
            _token_of(settings.data_dir / ENV_FILE, provisioning)
            or (await issue_token(conn, account=wiring.ACCOUNT, label="sandbox", actor="sandbox")).token
        )
    finally:
        await conn.close()


async def _refuse_others(conn: Connection, folder: Path) -> None:
    """A real installation may have begun in this folder: nobody's data is mixed with a demo's."""
    accounts = (await provisioning_store.rows(conn, "account")).values()
    if accounts and not any(account["public_id"] == wiring.ACCOUNT for account in accounts):
        raise SettingsError(f"{folder} holds an installation that is no sandbox: give another data_dir")


def _token_of(file: Path, provisioning: Provisioning) -> str | None:
    """The token of an earlier start, if it can still be used."""
    try:
        lines = file.read_text("utf-8").splitlines()
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    text = dict(line.partition("=")[::2] for line in lines).get("TRUNKLINE_TOKEN", "")
    token = provisioning.tokens.get(hash_of(text))
    if token is None or token.revoked_at is not None or token.expires_at is not None:
        return None
    return text if provisioning.accounts[token.account_id].public_id == wiring.ACCOUNT else None


# What the user is told.


def _url(settings: Settings) -> str:
    scheme = "https" if settings.http.tls_cert is not None else "http"
    host = "localhost" if settings.http.host == "127.0.0.1" else settings.http.host
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{settings.http.port}"


def _write_env(path: Path, url: str, credentials: _Credentials) -> None:
    """Writes the file for client commands, whole and readable by its owner alone."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    text = (
        f"TRUNKLINE_URL={url}\nTRUNKLINE_TOKEN={credentials.token}\nTRUNKLINE_SERVICE_PLAN={wiring.PLAN}\n"
        f"WEBHOOK_SECRET={credentials.hook_secret}\n"
    )
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w") as stream:
        stream.write(text)
    draft.replace(path)


def _greeting(settings: Settings, url: str, credentials: _Credentials, smpp_port: int, *, foreign: bool) -> str:
    note = "\nDATABASE_URL is not used: a sandbox has a database of its own.\n" if foreign else ""
    return f"""
Trunkline sandbox is ready.
{note}
  API            {url}/v1/sendsms
  How to use it  {url}/docs/
  Token          {credentials.token}
  Service plan   {wiring.PLAN}
  Senders        +15550001111, 12345, Trunkline
  Webhooks       {url}/sandbox/webhooks   (those to example.com and the like are caught here)
  Carrier        127.0.0.1:{smpp_port}, simulated; what it does: {url}/sandbox/recipients
  For programs   {settings.data_dir / ENV_FILE}

Send a message:

  curl -X POST {url}/v1/sendsms \\
    -H "Authorization: Bearer {credentials.token}" \\
    -H "Content-Type: application/json" \\
    -d '{{"servicePlanId": "{wiring.PLAN}", "channel": "SMS",
         "from": "+15550001111", "to": "+15550002222", "body": "Hello"}}'

See its receipt arrive:  curl {url}/sandbox/webhooks

Ctrl-C ends it. Everything is kept in {settings.data_dir}; remove that folder to start anew.

"""
