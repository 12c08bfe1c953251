"""Commands beside a running installation find its embedded database, and start one only where none runs."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from trunkline.cli.database import with_connection
from trunkline.runtime.settings import load
from trunkline.store import attach
from trunkline.store.db import Connection, connect

HOLDER = """
import asyncio, sys
from pathlib import Path
from trunkline.runtime import log
from trunkline.store.embedded import Embedded
from trunkline.store.migrate import migrate
log.configure()
with Embedded(Path(sys.argv[1]), fsync=False) as endpoint:
    asyncio.run(migrate(endpoint.dsn))
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Below a folder that PostgreSQL's user may pass through, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="trunkline-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder) / "data"


def test_a_running_server_is_found_and_left_running(data_dir: Path) -> None:
    assert attach.running_dsn(data_dir) is None
    assert not data_dir.exists()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(data_dir)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "ready\n"
        dsn = attach.running_dsn(data_dir)
        assert dsn is not None

        async def write(conn: Connection) -> int:
            await conn.execute("INSERT INTO account (public_id, name) VALUES (repeat('a', 24), 'x')")
            return int(await conn.fetchval("SELECT pg_backend_pid()"))

        settings = load({"data_dir": data_dir}, environ={})
        assert with_connection(settings, write) > 0

        async def read() -> str:
            conn = await connect(dsn, name="test")
            try:
                return str(await conn.fetchval("SELECT name FROM account"))
            finally:
                await conn.close()

        assert asyncio.run(read()) == "x"
    finally:
        holder.stdin.close()
        holder.wait(60)
        holder.stdout.close()
    assert attach.exists(data_dir)
    assert attach.running_dsn(data_dir) is None

    async def count(conn: Connection) -> int:
        return int(await conn.fetchval("SELECT count(*) FROM account"))

    # Nobody runs it now: it is started for the command, and stopped after it.
    assert with_connection(settings, count) == 1
    assert attach.running_dsn(data_dir) is None
