"""The database is away while receipts come: none is answered OK, memory stays bounded, and all is caught up."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from rig.faultproxy import FaultProxy, proxied
from rig.installation import Installation, installation
from rig.trial import fetchval, sizes, trial, until
from test_database_cut_off import _server, _through

ROK = 0


@dataclass(frozen=True)
class Size:
    count: int
    put_off: int  # receipts that are refused before the database is back
    memory_kib: int | None
    within_s: float | None


@sizes(Size(200, 300, None, None), Size(20_000, 60_000, 100 * 1024, 60.0), 30)
def test_receipts_wait_at_the_carrier(size: Size, folder: Path, database: str) -> None:
    async def main() -> None:
        async with (
            proxied(_server(database)) as proxy,
            installation(folder, _through(database, proxy.port), window=100, smsc={"hold_receipts": True}) as it,
        ):
            it.database = database
            client = await it.client(senders=8)
            await client.ask("send", count=size.count)
            await until(database, "SELECT count(*) FROM ref", size.count)
            before = _resident_kib(it)
            _away(proxy)
            await it.smsc.ask("release_receipts", paced=False)
            await it.smsc.wait("redelivery", size.put_off)
            assert (await it.smsc.ask("counts")).get("rok", 0) == 0
            if size.memory_kib is not None:
                assert _resident_kib(it) - before < size.memory_kib
            began = time.monotonic()
            proxy.server = _server(database)
            await it.smsc.wait("rok", size.count)
            if size.within_s is not None:
                assert time.monotonic() - began < size.within_s
            await it.sink.wait("final", size.count)
            await it.settled()
            await it.verified()
            assert await fetchval(database, "SELECT count(*) FROM msg WHERE status = 2") == size.count
            answers = {line["status"] for line in it.smsc.lines() if line["k"] == "answered"}
            assert answers == {ROK, 0x64}

    trial(main(), 200)


def _away(proxy: FaultProxy) -> None:
    """Every connection is reset, and new ones are refused."""
    proxy.server = "/nonexistent/socket"
    proxy.cut()


def _resident_kib(it: Installation) -> int:
    pid = it.serve.pid("dispatcher-1")
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])
