"""The way to PostgreSQL is cut or blocked while the processes live: what was claimed meanwhile is not forgotten."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import parse_qs, urlsplit, urlunsplit

import pytest
from rig.faultproxy import FaultProxy, proxied
from rig.installation import installation
from rig.recording import Recording
from rig.trial import fetchval, trial

from trunkline.runtime import clock

IN_DOUBT = "SELECT count(*) FROM msg WHERE error_code >= 900"
FULL = [pytest.mark.fault, pytest.mark.timeout(400)]


def _through(dsn: str, port: int) -> str:
    parts = urlsplit(dsn)
    login = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{port}", query="sslmode=disable"))


def _server(dsn: str) -> int | str:
    parts = urlsplit(dsn)
    query = parse_qs(parts.query)
    if "host" in query:
        return f"{query['host'][0]}/.s.PGSQL.{query.get('port', ['5432'])[0]}"
    return parts.port or 5432


# What connections are called, and how many round trips one turn of their work takes at most: connecting and preparing.
_TURNS = {"dispatch": 14, "accept": 9, "outcome": 9, "attempt": 4, "receipts": 9, "hooks": 8, "hooks acknowledged": 5}


@pytest.mark.parametrize("name", _TURNS)
def test_answers_lost(name: str, folder: Path, database: str) -> None:
    """The server does what it is asked and the answer is lost: at the 1st, 2nd, … round trip of a kind of work."""

    async def main() -> None:
        async with (
            proxied(_server(database)) as proxy,
            installation(folder, _through(database, proxy.port), lease_s=15, window=20) as it,
        ):
            it.database = database
            if name == "attempt":
                await it.smsc.ask("set", throttle_per_s=40)
            client = await it.client(senders=4)
            await client.ask("begin", per_s=100)
            counted = [(nth, 0) for nth in range(1, _TURNS[name] + 1)]  # from a new connection on
            at_work = [(nth, 8) for nth in (1, 2, 3, 1, 2, 3)]  # from one that has stored something already
            for nth, accepted_before in counted + at_work:
                await _more(client, accepted_before)
                lost = proxy.lose_answer(f"trunkline {name}\0".encode(), nth)
                await asyncio.wait_for(lost, 20)
            await _more(client, 20)
            await client.ask("end")
            await it.smsc.ask("set", throttle_per_s=0)
            await it.settled(30)
            await it.verified(hook_crashes=_TURNS[name] + 6 if name.startswith("hook") else 0)
            assert await fetchval(database, IN_DOUBT) == 0
            assert {line["answer"] for line in client.lines()} <= {202, 503}

    trial(main())


@pytest.mark.parametrize("cuts", [pytest.param(300, marks=FULL)])
def test_cut_at_any_moment(cuts: int, folder: Path, database: str) -> None:
    """Every connection is reset again and again under load."""

    async def main() -> None:
        async with (
            proxied(_server(database)) as proxy,
            installation(folder, _through(database, proxy.port), lease_s=5, window=50) as it,
        ):
            it.database = database
            client = await it.client(senders=8)
            await client.ask("begin", per_s=400)
            for _ in range(cuts):
                proxy.reset_after = proxy.passed + 20_000
                await _more(client, 40)
            await client.ask("end")
            await it.settled(60)
            await it.verified(hook_crashes=cuts)
            assert await fetchval(database, IN_DOUBT) == 0

    trial(main(), 350)


def test_blocked_for_longer_than_a_lease(folder: Path, database: str) -> None:
    """Nobody could renew, so nobody's lease is over: what stands in the windows is answered and stored afterwards."""

    async def main() -> None:
        async with (
            proxied(_server(database)) as proxy,
            installation(folder, _through(database, proxy.port), lease_s=5) as it,
        ):
            it.database = database
            await it.smsc.ask("set", hold_answers=True)
            client = await it.client(senders=4)
            await client.ask("send", count=20)
            await it.smsc.wait("submit", 20)
            await _blocked(proxy, 7.5)
            # The windows still stand: whoever would end leases has had his chance when a full one has passed again.
            await clock.sleep(7.0)
            assert await fetchval(database, "SELECT count(*) FROM inflight") == 20
            await it.smsc.ask("release_answers")
            await it.sink.wait("final", 20)
            await it.settled()
            await it.verified()
            assert await fetchval(database, IN_DOUBT) == 0
            events = {event["event"] for event in it.serve.events}
            assert not events & {"lease.lost", "lease.ended", "lease.in_doubt"}

    trial(main(), 90)


async def _blocked(proxy: FaultProxy, seconds: float) -> None:
    """Blocks the way for longer than a lease of 5 s: time is what a lease is made of."""
    proxy.stall()
    await clock.sleep(seconds)
    proxy.flow()


async def _more(client: Recording, count: int) -> None:
    counts = await client.ask("counts")
    await client.wait("accepted", counts.get("accepted", 0) + count)
