"""A foreign SMSC as a test has it: what it took down, what it can be asked, and what it cannot."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from smpp_ends import Record

HERE = Path(__file__).parent / "ends"


@dataclass(frozen=True)
class Kind:
    """One foreign SMSC. `cannot`: what it is not able to, with the reason; `ready`: finds or makes what it needs."""

    name: str
    command: Callable[[], Sequence[str | Path]]
    cannot: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name

    def needs(self, what: str) -> None:
        """Skips the test where it cannot do that."""
        if what in self.cannot:
            pytest.skip(f"{self.name}: {self.cannot[what]}")


def _python(name: str) -> Callable[[], Sequence[str | Path]]:
    return lambda: [sys.executable, HERE / name]


def _node() -> Sequence[str | Path]:
    """Node with npm's smpp as the lock file has it; installed once a checkout."""
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            pytest.skip(f"there is no {tool} here")
    lock, folder = HERE / "package-lock.json", HERE / "node_modules"
    installed = folder / "installed-from.json"
    if not installed.exists() or installed.read_bytes() != lock.read_bytes():
        command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=100, check=False)
        if any(word in done.stderr for word in ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT")):
            pytest.skip("the npm registry cannot be reached from here")
        assert done.returncode == 0, done.stderr
        shutil.copyfile(lock, installed)
    return ["node", HERE / "smpp_npm_end.js"]


def _jasmin() -> Sequence[str | Path]:
    """An environment of its own with Jasmin's server; made once a checkout."""
    wanted, folder = HERE / "requirements-jasmin.txt", HERE / "jasmin-venv"
    installed = folder / "installed-from.txt"
    if not installed.exists() or installed.read_bytes() != wanted.read_bytes():
        shutil.rmtree(folder, ignore_errors=True)
        python = folder / "bin" / "python"
        for command in ([sys.executable, "-m", "venv", folder], [python, "-m", "pip", "install", "-q", "-r", wanted]):
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
            if "No module named" in done.stderr or "No matching distribution" in done.stderr:
                pytest.skip(f"Jasmin's server cannot be installed here: {done.stderr.strip().splitlines()[-1]}")
            assert done.returncode == 0, done.stderr
        shutil.copyfile(wanted, installed)
    return [folder / "bin" / "python", HERE / "jasmin_end.py"]


NPM = Kind("npm smpp", _node)
SMPP34 = Kind(
    "smpp34",
    _python("smpp34_end.py"),
    {
        "refuse": "its Python server takes every bind",
        "enquire": "its Python server asks by a timer of its own only",
        "hear enquiries": "its server answers them without telling",
        "hear a receiver": "its server does not take deliver_sm_resp over a bind_receiver",
    },
)
SMPPLIB = Kind("smpplib", _python("smpplib_end.py"))
JASMIN = Kind("Jasmin's server", _jasmin)
NIGHTLY = [pytest.mark.nightly, pytest.mark.timeout(400)]
KINDS = [NPM, SMPP34, SMPPLIB, pytest.param(JASMIN, marks=NIGHTLY)]


class ForeignEnd(Record):
    """Its process. What it tells is noted by kind, each as a dict."""

    def __init__(self, kind: Kind, process: asyncio.subprocess.Process, port: int) -> None:
        super().__init__()
        self.kind = kind
        self.process = process
        self.port = port
        self._reading: asyncio.Task[None] | None = None

    def read(self) -> None:
        self._reading = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            event = json.loads(line)
            self.note(event.pop("k"), event)

    def ask(self, do: str, **fields: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": do, **fields}).encode() + b"\n")

    async def seen(self, kind: str, count: int = 1) -> list[dict[str, Any]]:
        """What it told of this kind, once there are so many."""
        return [event for (event,) in await self.until(kind, count)]

    async def kill(self) -> None:
        self.process.kill()
        await self.stop()

    async def stop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            await asyncio.wait_for(self.process.wait(), 5)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
        if self._reading is not None:
            await self._reading


@asynccontextmanager
async def running(kind: Kind, port: int = 0) -> AsyncIterator[ForeignEnd]:
    """The SMSC, listening on the port (0: a free one)."""
    command = [*kind.command(), str(port)]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env={**os.environ}
    )
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), 20)
    assert line, f"{kind.name} did not start: exit {await process.wait()}"
    end = ForeignEnd(kind, process, json.loads(line)["port"])
    end.read()
    try:
        yield end
    finally:
        await end.stop()
