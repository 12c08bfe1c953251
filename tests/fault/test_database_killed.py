"""PostgreSQL is killed under load, postmaster and all: nothing accepted is lost, nothing comes into doubt for it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest
from rig.installation import Installation, installation
from rig.recording import Recording
from rig.trial import fetchval, sizes, trial


@dataclass(frozen=True)
class Size:
    faults: int
    senders: int
    between: int
    per_s: float
    answer_s: float  # nobody waits longer for an answer
    again_s: float  # a 202 comes so soon after the database is back


SHORT = Size(1, 4, 60, 150, 6.0, 10.0)


@sizes(SHORT, Size(10, 16, 5000, 1500, 5.0, 5.0), 90)
def test_killed(size: Size, folder: Path) -> None:
    trial(_survives(size, folder, _kill_all), 400)


@sizes(SHORT, Size(5, 16, 3000, 1500, 5.0, 5.0), 60)
def test_stopped_at_once(size: Size, folder: Path) -> None:
    """`pg_ctl stop -m immediate`, and in between the end of one backend."""
    trial(_survives(size, folder, _stop_immediately), 400)


async def _survives(size: Size, folder: Path, fault: object) -> None:
    if os.environ.get("DATABASE_URL"):
        pytest.skip("kills an embedded server of its own")
    async with installation(folder, None, lease_s=15) as it:
        client = await it.client(senders=size.senders)
        await client.ask("begin", per_s=size.per_s)
        for _ in range(size.faults):
            await _more(client, size.between)
            after = len(it.serve.events)
            await fault(it, client)  # type: ignore[operator]
            await it.serve.event("postgres.started", after=after)
            async with asyncio.timeout(size.again_s):
                await _more(client, 1)
        await _more(client, size.between)
        await client.ask("end")
        await it.settled()
        await it.verified()
        _check_answers(client, size)
        # The dispatcher lived through it all, so it knows what became of everything that it sent.
        assert not [event for event in it.serve.events if event["event"] == "lease.in_doubt"]
        assert await fetchval(it.database, "SELECT count(*) FROM msg WHERE error_code >= 900") == 0


async def _more(client: Recording, count: int) -> None:
    counts = await client.ask("counts")
    await client.wait("accepted", counts.get("accepted", 0) + count)


def _check_answers(client: Recording, size: Size) -> None:
    for line in client.lines():
        assert line["answer"] in (202, 503), line
        if line["answer"] == 503:
            assert line["code"] in ("unavailable", "outcome_unknown"), line
            assert line["retryAfter"] or line["code"] == "outcome_unknown", line
        assert line["s"] <= size.answer_s, line


async def _kill_all(it: Installation, client: Recording) -> None:
    postmaster = it.postmaster()
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    for pid in (postmaster, *map(int, children)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


async def _stop_immediately(it: Installation, client: Recording) -> None:
    backends = "SELECT array_agg(pid) FROM pg_stat_activity WHERE application_name LIKE 'trunkline %'"
    pids = await fetchval(it.database, backends)
    os.kill(random.choice(pids), signal.SIGTERM)
    await _more(client, 20)
    os.kill(it.postmaster(), signal.SIGQUIT)
