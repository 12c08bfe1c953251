"""The way to PostgreSQL is cut or blocked while the processes live: what was claimed meanwhile is not forgotten."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit, urlunsplit

import pytest
from rig.faultproxy import proxied
from rig.installation import installation
from rig.trial import fetchval, trial

from trunkline.runtime import clock


def _server_and_dsn(dsn: str, port: int) -> str:
    parts = urlsplit(dsn)
    login = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{port}", query="sslmode=disable"))


def _server(dsn: str) -> int | str:
    parts = urlsplit(dsn)
    query = parse_qs(parts.query)
    if "host" in query:
        return f"{query['host'][0]}/.s.PGSQL.{query.get('port', ['5432'])[0]}"
    return parts.port or 5432


@pytest.mark.parametrize("cuts", [12, pytest.param(300, marks=[pytest.mark.fault, pytest.mark.timeout(300)])])
def test_cut_at_any_moment(cuts: int, folder: Path, database: str) -> None:
    """Every connection is reset again and again under load: at a claim, at an outcome, at a receipt, at an accept."""

    async def main() -> None:
        async with (
            proxied(_server(database)) as proxy,
            installation(folder, _server_and_dsn(database, proxy.port), lease_s=5, window=50) as it,
        ):
            it.database = database
            client = await it.client(senders=8)
            await client.ask("begin", per_s=400)
            for _ in range(cuts):
                counts = await client.ask("counts")
                await client.wait("accepted", counts.get("accepted", 0) + 10)
                proxy.reset_after = proxy.passed + 20_000
                counts = await client.ask("counts")
                await client.wait("accepted", counts.get("accepted", 0) + 10)
            await client.ask("end")
            await it.settled(30)
            await it.verified()
            assert await fetchval(database, "SELECT count(*) FROM msg WHERE error_code >= 900") == 0

    trial(main(), 250)


def test_blocked_for_longer_than_a_lease(folder: Path, database: str) -> None:
    """Nobody could renew, so nobody's lease is over: what stands in the windows is answered and stored afterwards."""

    async def main() -> None:
        async with (
            proxied(_server(database)) as proxy,
            installation(folder, _server_and_dsn(database, proxy.port), lease_s=5) as it,
        ):
            it.database = database
            await it.smsc.ask("set", hold_answers=True)
            client = await it.client(senders=4)
            await client.ask("send", count=20)
            await it.smsc.wait("submit", 20)
            proxy.stall()
            await clock.sleep(7.0)  # the one thing that a lease is made of
            await it.smsc.ask("release_answers")
            proxy.flow()
            await it.sink.wait("final", 20)
            await it.settled()
            await it.verified()
            assert await fetchval(database, "SELECT count(*) FROM msg WHERE error_code >= 900") == 0

    trial(main(), 90)
