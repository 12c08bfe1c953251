"""A carrier that does not let us in: messages wait, nobody storms it, an alarm holds, and only validity ends them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from rig.installation import Installation, installation
from rig.trial import fetchval, trial, until

FULL = [pytest.mark.fault, pytest.mark.timeout(200)]
VALIDITY_S = 259_200
WAYS: dict[str, dict[str, Any]] = {
    "invalid password": {"bind_status": 0x0E},
    "already bound": {"bind_status": 0x05},
    "bind failed": {"bind_status": 0x0D},
    "silent": {"bind_status": None},
    "slow": {"bind_answer_s": 5.0},
    "connection refused": {},
}


@pytest.mark.parametrize("way", [pytest.param(way, marks=[] if way == "invalid password" else FULL) for way in WAYS])
def test_not_let_in(way: str, folder: Path, database: str) -> None:
    async def main() -> None:
        async with installation(folder, database, binds=1, timers={"bind_s": 0.5}) as it:
            asked = (await it.smsc.ask("counts"))["asked"]
            after = len(it.serve.events)
            await it.smsc.ask("set", **WAYS[way])
            await it.smsc.ask("cut", how="rst") if WAYS[way] else await it.smsc.ask("listen", wanted=False)
            client = await it.client()
            await client.ask("send", count=5)
            await it.serve.event("link_down", after=after, subject="l/1", alarm="on")
            if WAYS[way]:
                await it.smsc.wait("asked", asked + 2)
            assert await fetchval(it.database, "SELECT count(*) FROM mt_queue") == 5
            await it.smsc.ask("set", bind_status=0, bind_answer_s=0.0)
            if not WAYS[way]:
                await it.smsc.ask("listen", wanted=True)
            await it.sink.wait("final", 5)
            await it.settled()
            await it.verified()
            steps_kept(it)

    trial(main())


def steps_kept(it: Installation) -> None:
    """After a loss 1 s, then 2, 4 …, each a fifth less at most."""
    lines = it.smsc.lines()
    lost_at = next(line["t"] for line in lines if line["k"] == "end")
    asked = [line["t"] for line in lines if line["k"] == "asked" and line["t"] > lost_at]
    for step, (earlier, later) in enumerate(pairwise([lost_at, *asked])):
        assert later - earlier >= 0.8 * 2**step - 0.05, (step, asked)


@pytest.mark.fault
@pytest.mark.timeout(200)
def test_several_binds_with_one_wrong_password(folder: Path, database: str) -> None:
    """One of them asks again, not each; and validity alone ends what waits: 461."""

    async def main() -> None:
        async with installation(folder, database, binds=4) as it:
            asked = (await it.smsc.ask("counts"))["asked"]
            after = len(it.serve.events)
            await it.smsc.ask("set", bind_status=0x0E)
            await it.smsc.ask("cut", how="rst")
            for number in (1, 2, 3, 4):
                await it.serve.event("link.closed", after=after, link=f"l/{number}")
            client = await it.client()
            await client.ask("send", count=5)
            # Each of the four finds out by itself at most once.
            await it.smsc.wait("asked", asked + 1)
            await fetchval(it.database, "UPDATE clock SET shift = interval '1 second' * $1", VALIDITY_S + 1)
            await it.sink.wait("final", 5)
            query = "SELECT count(*) FROM msg WHERE status = 3 AND error_code = 461"
            # Up to the loss of the links a link was up; the messages came after it.
            assert await fetchval(it.database, query) == 5
            await it.smsc.wait("asked", asked + 2)
            await it.smsc.ask("set", bind_status=0)
            await it.smsc.wait("bind", 8)
            assert (await it.smsc.ask("counts"))["asked"] - asked <= 4 + 3 + 3
            assert not [line for line in it.smsc.lines() if line["k"] == "submit"]
            await until(it.database, "SELECT count(*) FROM mt_queue", 0)

    trial(main())
