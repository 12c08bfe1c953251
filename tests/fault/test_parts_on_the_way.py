"""Messages of four parts, and all that can happen to a part: only what is missing goes out again, and the whole is what
its worst part is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rig.installation import Installation, installation
from rig.recording import Recording
from rig.trial import fetchval, trial, until

FOUR_PARTS = 600  # characters
DELIVERED, FAILED, UNKNOWN = 2, 3, 4
PLAIN: dict[str, Any] = {"part_answers": {}, "part_stats": {}, "hold_receipts": False}


class Carrier:
    """One window of one part, so that the parts go out one after the other."""

    def __init__(self, it: Installation, client: Recording) -> None:
        self.it, self.client = it, client
        self.count = 0

    async def begin(self, **behaviour: Any) -> None:
        """Sends one message of four parts to a carrier that behaves so."""
        await self.it.smsc.ask("set", **{**PLAIN, **behaviour})
        self.count += 1
        await self.client.ask("send", count=1)

    def submits(self) -> list[dict[str, Any]]:
        """What was submitted of the last message, in order."""
        name = f"r{self.count - 1:07d}"
        lines = [line for line in self.it.smsc.lines() if line["k"] == "submit"]
        recipient = next(line["to"] for line in lines if line["ref"] == name)
        return [line for line in lines if line["to"] == recipient]

    async def ended(self, parts: list[int], status: int, code: int) -> None:
        """The last message is final, told, and so many parts were written, all with one reference."""
        await self.it.sink.wait("final", self.count)
        found = await fetchval(self.it.database, "SELECT (status, error_code) FROM msg ORDER BY msg_id DESC LIMIT 1")
        submits = self.submits()
        assert ([line["part"] for line in submits], *found) == (parts, status, code)
        assert len({line["concat"] for line in submits}) == 1
        assert {line["parts"] for line in submits} == {4}


async def refused(carrier: Carrier) -> None:
    """A part that is refused for good stops those behind it."""
    # A receipt may be faster than the next part: one is delivered by then, and the code another.
    await carrier.begin(part_answers={"2": [0x0A]}, hold_receipts=True)
    await carrier.ended([1, 2], FAILED, 464)
    await carrier.it.smsc.ask("release_receipts")
    await carrier.begin(part_answers={"1": [0x0B]})
    await carrier.ended([1], FAILED, 451)
    await carrier.begin(part_answers={"3": [0x0A]}, hold_receipts=True)
    await carrier.ended([1, 2, 3], FAILED, 464)
    await carrier.it.smsc.ask("release_receipts")


async def receipted(carrier: Carrier) -> None:
    """Receipts in any order; one that fails, before and after another was delivered."""
    for last_first, stats, status, code in (
        (True, {}, DELIVERED, 0),
        (False, {"1": "UNDELIV"}, FAILED, 306),
        (True, {"1": "UNDELIV"}, FAILED, 801),
        (True, {"4": "EXPIRED", "1": "UNDELIV"}, FAILED, 701),
        (False, dict.fromkeys("1234", "UNKNOWN"), UNKNOWN, 704),
        (False, {"3": "UNKNOWN"}, UNKNOWN, 802),
    ):
        receipts = (await carrier.it.smsc.ask("counts")).get("receipt", 0)
        await carrier.begin(part_stats=stats, hold_receipts=True)
        await carrier.it.smsc.wait("receipt", receipts + 4)
        await until(carrier.it.database, "SELECT count(*) FROM inflight", 0)
        await carrier.it.smsc.ask("release_receipts", last_first=last_first)
        await carrier.ended([1, 2, 3, 4], status, code)


async def lost(carrier: Carrier, *, at_least_once: bool, stat: str | None) -> None:
    """The link is lost with part 3 on its way."""
    it = carrier.it
    await fetchval(it.database, "UPDATE plan SET at_least_once = $1", at_least_once)
    submits = (await it.smsc.ask("counts"))["submit"]
    await carrier.begin(part_answers={"3": [None]}, part_stats={"3": stat})
    await it.smsc.wait("submit", submits + 3)
    await it.smsc.ask("set", part_stats={})
    await it.smsc.ask("cut", how="rst")
    if at_least_once:
        await carrier.ended([1, 2, 3, 4, 3], DELIVERED, 0)
        assert await fetchval(it.database, "SELECT resubmitted FROM msg ORDER BY msg_id DESC LIMIT 1")
    elif stat:
        await carrier.ended([1, 2, 3, 4], DELIVERED, 0)
    else:
        await carrier.ended([1, 2, 3, 4], UNKNOWN, 802)


async def throttled(carrier: Carrier) -> None:
    """Only the part that was throttled is sent again."""
    await carrier.begin(part_answers={"3": [0x58]})
    await carrier.ended([1, 2, 3, 4, 3], DELIVERED, 0)


def test_four_parts(folder: Path, database: str) -> None:
    async def main() -> None:
        async with installation(folder, database, binds=1, window=1, resolve_after_s=4) as it:
            carrier = Carrier(it, await it.client(senders=1, chars=FOUR_PARTS))
            await refused(carrier)
            await receipted(carrier)
            # First, since each further loss makes the link wait longer, and part 4 is to go before the doubt is over.
            await lost(carrier, at_least_once=True, stat=None)
            await lost(carrier, at_least_once=False, stat="DELIVRD")
            await lost(carrier, at_least_once=False, stat=None)
            await throttled(carrier)
            await it.settled()
            assert await fetchval(it.database, "SELECT count(*) FROM quarantine") == 0

    trial(main())


@pytest.mark.fault
@pytest.mark.timeout(200)
def test_a_carrier_that_receipts_the_last_part(folder: Path, database: str) -> None:
    async def main() -> None:
        async with installation(folder, database, binds=2, dialect={"receipted_parts": "last"}) as it:
            carrier = Carrier(it, await it.client(senders=1, chars=FOUR_PARTS))
            only_last = {"1": None, "2": None, "3": None}
            for stat, status, code in (("DELIVRD", DELIVERED, 0), ("UNDELIV", FAILED, 306), ("UNKNOWN", UNKNOWN, 704)):
                await carrier.begin(part_stats={**only_last, "4": stat})
                await it.sink.wait("final", carrier.count)
                query = "SELECT (status, error_code) FROM msg ORDER BY msg_id DESC LIMIT 1"
                assert await fetchval(it.database, query) == (status, code)
            await it.settled()

    trial(main())
