"""What the tests of the embedded PostgreSQL share: SQL in one call, and a launcher in a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg

from trunkline.store.embedded.account import choose
from trunkline.store.embedded.postmaster import PidFile, Postmaster

ROOT = os.geteuid() == 0
PG15 = Path("/usr/lib/postgresql/15/bin")


def ask(dsn: str, query: str, *args: Any) -> Any:
    """The first value of the first row."""

    async def main() -> Any:
        connection = await asyncpg.connect(dsn)
        try:
            return await connection.fetchval(query, *args)
        finally:
            await connection.close()

    return asyncio.run(main())


def open_folder(prefix: str) -> Path:
    """A short folder that any user may pass through (pytest's own are closed, and root's server is another user)."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=memory if os.access(memory, os.W_OK) else None))
    folder.chmod(0o711)
    return folder


@contextmanager
def postgresql_15(folder: Path) -> Iterator[str]:
    """A server of the oldest version in `folder`: its address for the superuser `postgres`, who needs no password."""
    user = choose()
    if ROOT:
        os.chown(folder, user.uid, user.gid)
    cluster = folder / "cluster"
    options = {"check": True, "stdout": subprocess.DEVNULL, "cwd": "/", **user.spawn_options()}
    make = [PG15 / "initdb", "-D", cluster, "-A", "trust", "--no-sync", "-U", "postgres", "-E", "UTF8", "--locale=C"]
    subprocess.run(make, **options)
    control = [PG15 / "pg_ctl", "-D", cluster, "-w", "-l", folder / "log"]
    subprocess.run([*control, "-o", f"-c listen_addresses= -c port=5615 -k {folder}", "start"], **options)
    try:
        yield f"postgresql://postgres@/postgres?host={folder}&port=5615"
    finally:
        subprocess.run([*control, "-m", "fast", "stop"], **options)


def home_of(folder: Path) -> Path:
    pointer = folder / "postgresql" / "moved-to"
    return Path(pointer.read_text().strip()) if pointer.exists() else folder / "postgresql"


def end_server_of(folder: Path) -> None:
    """Ends a server that a test left running."""
    cluster = home_of(folder) / "cluster"
    found = PidFile.read(cluster)
    if found is not None:
        left = Postmaster.adopt(found.pid, cluster, choose(cluster.stat().st_uid))
        if left is not None:
            left.signal(signal.SIGCONT)
            left.stop(20)


_LAUNCHER = """
import json, sys
from pathlib import Path
from trunkline.store.embedded import Embedded
folder, options = json.loads(sys.argv[1])
server = Embedded(Path(folder), **options)
endpoint = server.start()
print(json.dumps({"dsn": endpoint.dsn, "pid": endpoint.pid, "taken_over": endpoint.taken_over}), flush=True)
sys.stdin.read()
"""


class Launcher:
    """A launcher in its own process: started, then killed or ended by closing its input."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _LAUNCHER, json.dumps([str(folder), {"fsync": False, **options}])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.endpoint: dict[str, Any] = {}

    def wait_started(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(b"{"):
                self.endpoint = json.loads(line)
                return self.endpoint
        assert self.process.stderr is not None
        raise AssertionError(self.process.stderr.read().decode())

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def end(self) -> int:
        """Closes its input, upon which it exits as a program does; its exit code."""
        self.process.communicate(timeout=30)
        return self.process.returncode
