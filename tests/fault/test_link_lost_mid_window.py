"""Links end with their windows full: written parts are in doubt and never sent again, unwritten ones go on."""

from __future__ import annotations

from pathlib import Path

import pytest
from rig.installation import installation
from rig.trial import fetchval, trial

FULL = [pytest.mark.fault, pytest.mark.timeout(200)]


@pytest.mark.parametrize("how", ["rst", pytest.param("fin", marks=FULL), pytest.param("unbind", marks=FULL)])
def test_written_is_in_doubt_unwritten_goes_on(how: str, folder: Path, database: str) -> None:
    async def main() -> None:
        async with installation(folder, database, smsc={"hold_answers": True, "stat": None}) as it:
            client = await it.client()
            await client.ask("send", count=50)
            await it.smsc.wait("submit", 20)
            assert await it.smsc.ask("cut", how=how) == 2
            await it.smsc.wait("end", 2)
            await it.smsc.ask("set", hold_answers=False, stat="DELIVRD")
            await it.smsc.wait("bind", 4)
            await it.sink.wait("final", 50)
            await it.settled()
            await it.verified(links=2, crashes=1, responses_lost=True)
            query = "SELECT count(*) FROM msg WHERE status = 4 AND error_code = 901"
            assert await fetchval(it.database, query) == 20
            assert await fetchval(it.database, "SELECT count(*) FROM msg WHERE status = 2") == 30

    trial(main())


def test_cut_inside_an_answer(folder: Path, database: str) -> None:
    """Half a submit_sm_resp and RST: that part is in doubt, and the traffic moves to the other link at once."""

    async def main() -> None:
        async with installation(folder, database, resolve_after_s=1, smsc={"stat": None}) as it:
            await it.smsc.ask("cut", how="inside")
            client = await it.client(senders=1)
            await client.ask("send", count=1)
            await it.smsc.wait("end", 1)
            await it.smsc.ask("set", stat="DELIVRD")
            await client.ask("send", count=20)
            await it.sink.wait("final", 21)
            await it.settled()
            await it.verified(links=2, crashes=1, responses_lost=True)
            assert await fetchval(it.database, "SELECT array_agg(error_code) FROM msg WHERE status <> 2") == [901]

    trial(main())


@pytest.mark.fault
@pytest.mark.timeout(200)
def test_lost_again_and_again_under_load(folder: Path, database: str) -> None:
    async def main() -> None:
        ways = ["rst", "inside", "fin", "unbind"]
        async with installation(folder, database, binds=4, resolve_after_s=5, smsc={"answer_s": 0.02}) as it:
            client = await it.client(senders=8)
            await client.ask("begin", per_s=500)
            for number, how in enumerate(ways, start=1):
                await client.wait("accepted", number * 1000)
                await it.smsc.ask("cut", how=how)
            await client.wait("accepted", 1000 * (len(ways) + 1))
            await client.ask("end")
            await it.settled(90)
            await it.verified(links=4, crashes=len(ways), responses_lost=True)
            binds = [line["t"] for line in it.smsc.lines() if line["k"] == "bind"]
            ends = [line["t"] for line in it.smsc.lines() if line["k"] == "end"]
            first = min(t for t in binds if t > ends[0]) - ends[0]
            assert 0.75 <= first <= 1.5

    trial(main(), 180)
