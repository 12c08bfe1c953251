"""A message that the encoder cannot take, and one that ends the process which tries: the others do not notice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from rig.installation import Installation, installation
from rig.trial import fetchval, sizes, trial

ENVIRONMENT = {"PYTHONPATH": str(Path(__file__).with_name("poison"))}


@dataclass(frozen=True)
class Size:
    count: int
    per_s: float
    timed: bool


SIZES = sizes(Size(60, 200, False), Size(6000, 400, True), 30)


def starts(it: Installation) -> int:
    return sum(event["event"] == "child.started" and event["child"] == "dispatcher-1" for event in it.serve.events)


def flowed(it: Installation) -> None:
    """All that was asked to be sent took hardly longer to be submitted than to be asked for."""
    asked = [line["t"] for line in it.clients[0].lines()]
    sent = [line["t"] for line in it.smsc.lines() if line["k"] == "submit"]
    assert asked[-1] - asked[0] >= 0.95 * (sent[-1] - sent[0])


@SIZES
def test_the_encoder_raises(size: Size, folder: Path, database: str) -> None:
    async def main() -> None:
        async with installation(folder, database, environment=ENVIRONMENT) as it:
            client = await it.client(senders=8)
            poison = await it.client(senders=1, word="poison: raise")
            await client.ask("begin", count=size.count, per_s=size.per_s)
            await poison.ask("send", count=1)
            await client.ask("end", at_once=False)
            await it.sink.wait("final", size.count + 1)
            await it.settled()
            await it.verified()
            query = "SELECT array_agg((status, error_code)) FROM msg WHERE status <> 2"
            assert await fetchval(it.database, query) == [(3, 904)]
            alarms = [event for event in it.serve.events if event["event"] == "message_quarantined"]
            assert (len(alarms), starts(it)) == (1, 1)
            if size.timed:
                flowed(it)

    trial(main())


@SIZES
@pytest.mark.parametrize(
    "at_least_once", [pytest.param(False, marks=pytest.mark.fault, id="at_most_once"), pytest.param(True, id="again")]
)
def test_the_process_ends(size: Size, at_least_once: bool, folder: Path, database: str) -> None:
    """It ends as any message in doubt: after one crash, or, sent once more, after two."""

    async def main() -> None:
        async with installation(
            folder, database, environment=ENVIRONMENT, at_least_once=at_least_once, resolve_after_s=1
        ) as it:
            client = await it.client(senders=8)
            poison = await it.client(senders=1, word="poison: exit")
            crashes = 2 if at_least_once else 1
            await client.ask("begin", count=size.count, per_s=size.per_s)
            await poison.ask("send", count=1)
            await client.ask("end", at_once=False)
            await it.sink.wait("final", size.count + 1)
            await it.settled()
            await it.verified(at_least_once=at_least_once, links=2, crashes=crashes, responses_lost=True)
            assert starts(it) == 1 + crashes
            query = "SELECT (status, error_code) FROM msg WHERE body LIKE '%poison%'"
            assert await fetchval(it.database, query) == (4, 901)
            doubtful = await fetchval(it.database, "SELECT count(*) FROM msg WHERE status <> 2")
            # What stood in the windows besides; of what was sent once more, what had no answer yet at the second crash.
            assert doubtful <= 1 + 2 * 10 * 2
            if size.timed:
                flowed(it)

    trial(main())
