"""Runs a real installation with its recorders, and kills what a test wants killed; at the end nothing is left."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
from rig import ledger
from rig.recording import Recording
from rig.verify import Expected, Finding, Ledgers, verify

from trunkline.runtime import clock
from trunkline.webhooks.sign import new_secret

_FOLDER = Path(__file__).parent.parent


class Process:
    """`trunkline serve` as a process, its log as events."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told: dict[str, Any] = {}
        self.events: list[dict[str, Any]] = []
        self._watching: list[tuple[dict[str, Any], asyncio.Future[dict[str, Any]]]] = []
        self._reading: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, environment: dict[str, str], layout: dict[str, Any]) -> None:
        before = [environment["PYTHONPATH"]] if "PYTHONPATH" in environment else []
        process = self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "rig.platform",
            json.dumps(layout),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            stdin=asyncio.subprocess.DEVNULL,
            limit=1 << 20,
            env={**os.environ, **environment, "PYTHONPATH": os.pathsep.join([*before, str(_FOLDER), *sys.path])},
            start_new_session=True,
        )
        assert process.stdout is not None
        self._reading = asyncio.create_task(self._read())
        line = await process.stdout.readline()
        if not line:
            await process.wait()
            await self._reading
            raise AssertionError("the installation did not start:\n" + self.log_tail())
        self.told = json.loads(line)

    def log_tail(self, count: int = 40) -> str:
        return "\n".join(json.dumps(event) for event in self.events[-count:])

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        with (self.folder / "serve.log").open("ab") as file:
            while line := await self._process.stderr.readline():
                file.write(line)
                file.flush()
                try:
                    event = json.loads(line)
                except ValueError:
                    event = {"event": "text", "text": line.decode(errors="replace").rstrip()}
                self.events.append(event)
                for wanted, future in self._watching:
                    if not future.done() and _agrees(event, wanted):
                        future.set_result(event)

    async def event(self, name: str, *, after: int, **fields: Any) -> dict[str, Any]:
        """The first event from this place of the log on with this name and these fields.

        The place is taken before what is to cause the event: it may be read before one begins to wait for it.
        """
        wanted = {"event": name, **fields}
        for event in self.events[after:]:
            if _agrees(event, wanted):
                return event
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._watching.append((wanted, future))
        return await asyncio.wait_for(future, 60)

    def pid(self, child: str) -> int:
        """The process id of a living role process, as its supervisor told last."""
        started = [e for e in self.events if e["event"] == "child.started" and e["child"] == child]
        return int(started[-1]["pid"])

    def children(self) -> list[str]:
        return sorted({e["child"] for e in self.events if e["event"] == "child.started"})

    async def stop(self, within_s: float = 40.0) -> float:
        """SIGTERM to the supervisor; returns how long it took to end, in seconds."""
        assert self._process is not None
        began = time.monotonic()
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(self._process.wait(), within_s)
        return time.monotonic() - began

    async def end(self) -> None:
        """Whatever is left of it, ended by pid."""
        if self._process is None:
            return
        for child in self.children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid(child), signal.SIGCONT)  # a stopped one cannot end
        if self._process.returncode is None:
            try:
                await self.stop(15)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    self._process.kill()
                await self._process.wait()
                for child in self.children():
                    _kill_if_ours(self.pid(child))
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)


def _agrees(event: dict[str, Any], wanted: dict[str, Any]) -> bool:
    return all(event.get(name) == value for name, value in wanted.items())


def _kill_if_ours(pid: int) -> None:
    with contextlib.suppress(OSError):
        if b"trunkline.roles.process" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)


class Installation:
    """The installation under test with its three recorders; `database` is its address (changes never)."""

    def __init__(self, folder: Path, serve: Process, smsc: Recording, sink: Recording) -> None:
        self.folder = folder
        self.serve = serve
        self.smsc = smsc
        self.sink = sink
        self.clients: list[Recording] = []
        self.database: str = serve.told["database"]
        self.port: int = serve.told["port"]

    # Senders.

    async def client(self, **settings: Any) -> Recording:
        """One more sending process; each numbers its requests from a place of its own."""
        recording = await Recording.started(
            "client",
            self.folder / f"client-{len(self.clients)}.jsonl",
            port=self.port,
            token=self.serve.told["token"],
            plan=self.serve.told["plan"],
            callback=f"http://127.0.0.1:{self.sink.told['port']}/dlr",
            first=len(self.clients) * 1_000_000,
            **settings,
        )
        self.clients.append(recording)
        return recording

    # Faults.

    def signal(self, child: str, signum: int) -> int:
        """Sends a signal to one role process; returns its pid."""
        pid = self.serve.pid(child)
        os.kill(pid, signum)
        return pid

    async def kill(self, child: str) -> None:
        """SIGKILL, and back again: returns once the supervisor's new one is ready."""
        after = len(self.serve.events)
        self.signal(child, signal.SIGKILL)
        await self.serve.event("child.ready", after=after, child=child)

    def postmaster(self) -> int:
        """The pid of the installation's own PostgreSQL."""
        pid_file = next((self.folder / "data").rglob("postmaster.pid"))
        return int(pid_file.read_text().split("\n", 1)[0])

    # The end.

    async def settled(self, within_s: float = 60.0, *, foreign: int = 0) -> None:
        """Returns once every message is final and every event told (in the database; each look is one query).
        `foreign`: receipts that wait for ever, since their id is another number's."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        while True:
            try:
                conn = await asyncpg.connect(self.database, timeout=2)
                try:
                    open_count = await conn.fetchval(ledger.OPEN)
                finally:
                    await conn.close()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                open_count = None
            if open_count == foreign:
                return
            if loop.time() > deadline:
                raise AssertionError(f"not settled after {within_s} s: {open_count} open\n" + await self._open())
            await clock.sleep(0.1)

    async def _open(self) -> str:
        conn = await asyncpg.connect(self.database)
        try:
            rows = await conn.fetch(ledger.WHERE_OPEN)
        finally:
            await conn.close()
        return "\n".join(str(dict(row)) for row in rows) + "\n" + self.serve.log_tail(15)

    async def ledgers(self) -> Ledgers:
        """Everything that was recorded, with the database as it is now."""
        rows = await ledger.dump(self.database, self.folder / "db.jsonl")
        requests = [line for client in self.clients for line in client.lines()]
        return Ledgers(requests, self.smsc.lines(), self.sink.lines(), rows)

    async def verified(self, **expected: Any) -> dict[str, Finding]:
        """Checks every invariant; raises AssertionError with all findings if one is broken."""
        findings = verify(await self.ledgers(), Expected(**expected))
        if any(finding.breaches for finding in findings.values()):
            raise AssertionError("\n".join(str(finding) for finding in findings.values()))
        return findings

    async def keep(self) -> Path:
        """Copies what was recorded to a folder that stays, for whoever looks into a failure; returns it."""
        kept = Path(tempfile.mkdtemp(prefix="trunkline-failed-"))
        with contextlib.suppress(OSError, asyncpg.PostgresError, TimeoutError):
            await asyncio.wait_for(ledger.dump(self.database, kept / "db.jsonl"), 5)
        for file in (*self.folder.glob("*.jsonl"), self.folder / "serve.log"):
            shutil.copy(file, kept)
        return kept


@asynccontextmanager
async def installation(
    folder: Path,
    database: str | None,
    *,
    at_least_once: bool = False,
    resolve_after_s: int = 2,
    binds: int = 2,
    window: int = 10,
    lease_s: int = 5,
    processes: dict[str, int] | None = None,
    timers: dict[str, float] | None = None,
    dialect: dict[str, Any] | None = None,
    smsc: dict[str, Any] | None = None,
    smsc_port: int | None = None,
    environment: dict[str, str] | None = None,
    upkeep: bool = True,
    foreign: bool = False,
    prepaid: bool = False,
) -> AsyncIterator[Installation]:
    """A running installation. `database`: an address, or None for an embedded PostgreSQL of its own.

    `smsc_port`: what stands in front of the SMSC, if something does (else the SMSC's own). `upkeep`: whether there is
    somebody who repairs what a crash left. `foreign`: at `smsc_port` is another SMSC, and the recorder is not used.
    `prepaid`: messages have a price, and are paid from a balance.
    """
    secret = new_secret()
    recorders = await asyncio.gather(
        Recording.started("smsc", folder / "smsc.jsonl", **(smsc or {})),
        Recording.started("sink", folder / "sink.jsonl", secret=secret),
    )
    serve = Process(folder)
    built: Installation | None = None
    layout = {
        "at_least_once": at_least_once,
        "resolve_after_s": resolve_after_s,
        "secret": secret,
        "roles": ["api", "dispatcher", "webhooks", *(["upkeep"] if upkeep else [])],
        "binds": binds,
        "window": window,
        "timers": timers or {},
        "dialect": dialect or {},
        "smsc_port": smsc_port or recorders[0].told["port"],
        "prepaid": prepaid,
    }
    data = folder / "data"
    data.mkdir(mode=0o711)
    try:
        await serve.start(_environment(data, database, lease_s, processes or {}) | (environment or {}), layout)
        built = Installation(folder, serve, *recorders)
        if not foreign:
            await recorders[0].wait("bind", binds)
        yield built
    except BaseException as failure:
        if built is not None:
            failure.add_note(f"what was recorded: {await built.keep()}")
        raise
    finally:
        for client in built.clients if built is not None else ():
            await client.stop()
        await serve.end()
        for recorder in recorders:
            await recorder.stop()


def _environment(data: Path, database: str | None, lease_s: int, processes: dict[str, int]) -> dict[str, str]:
    wanted = {"api": 1, "dispatcher": 1, "webhooks": 1, **processes}
    values = {
        "TRUNKLINE_DATA_DIR": str(data),
        "TRUNKLINE_HTTP_PORT": "0",
        "TRUNKLINE_METRICS_PORT": "-1",
        "TRUNKLINE_CALLBACK_ALLOW_HTTP": "true",
        "TRUNKLINE_CALLBACK_ALLOWED_NETWORKS": "127.0.0.0/8",
        "TRUNKLINE_LEASE_S": str(lease_s),
        **{f"TRUNKLINE_{name.upper()}_PROCESSES": str(count) for name, count in wanted.items()},
    }
    if database is not None:
        # The tests' own server runs without fsync: processes die here, not machines.
        values |= {"TRUNKLINE_DATABASE_URL": database, "TRUNKLINE_ALLOW_UNSAFE_DATABASE": "true"}
    return values
