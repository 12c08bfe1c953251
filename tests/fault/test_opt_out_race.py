"""T48: STOP comes while messages to its sender wait and are on their way: a second after its answer none goes out."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from rig.installation import Installation, installation
from rig.trial import fetchval, sizes, trial, until


@dataclass(frozen=True)
class Size:
    """So many recipients with so many messages each, and what may be between an answer and the last submit."""

    recipients: int
    messages: int
    within_s: float


def numbers(count: int) -> list[str]:
    return [f"+1555{n:07d}" for n in range(count)]


async def says(it: Installation, text: bytes, number: str) -> None:
    await it.smsc.ask("say", octets=text.hex(), source=number[1:])


def answered_at(it: Installation) -> dict[str, float]:
    """When the first message of each handset was answered OK."""
    sources = {line["rid"]: line["source"] for line in it.smsc.lines() if line["k"] == "mo"}
    found: dict[str, float] = {}
    for line in it.smsc.lines():
        if line["k"] == "answered" and line["status"] == 0 and line["rid"] in sources:
            found.setdefault(sources[line["rid"]], line["t"])
    return found


def late(it: Installation, within_s: float) -> list[dict[str, object]]:
    """What of the customers' messages was submitted too late."""
    answered = answered_at(it)
    return [
        line
        for line in it.smsc.lines()
        if line["k"] == "submit" and line["ref"] is not None and line["t"] > answered[line["to"]] + within_s
    ]


def confirmations(it: Installation) -> list[str]:
    return sorted(line["to"] for line in it.smsc.lines() if line["k"] == "submit" and line["ref"] is None)


def test_nothing_of_what_waits_goes_out(folder: Path, database: str) -> None:
    """One message is with the carrier, a hundred wait: the answer to STOP is the last word."""

    async def main() -> None:
        async with installation(folder, database, binds=1, window=1, smsc={"hold_answers": True}) as it:
            (number,) = numbers(1)
            client = await it.client(recipients=[number])
            await client.ask("send", count=101)
            await it.smsc.wait("submit", 1)
            await says(it, b" Stop please", number)
            await it.smsc.wait("mo_rok", 1)
            # The answer follows the commit.
            assert await fetchval(it.database, "SELECT recipient FROM opt_out") == number
            await says(it, b"STOP", number)
            await it.smsc.wait("mo_rok", 2)
            await it.smsc.ask("release_answers")
            await it.sink.wait("final", 101)
            await it.settled()
            assert confirmations(it) == [number[1:]]
            assert len([line for line in it.smsc.lines() if line["k"] == "submit"]) == 2
            assert await fetchval(it.database, "SELECT count(*) FROM msg WHERE error_code = 605") == 100
            await client.ask("send", count=1)
            await it.sink.wait("final", 102)
            await says(it, b"START", number)
            await it.smsc.wait("submit", 3)  # its confirmation
            await client.ask("send", count=1)
            await it.smsc.wait("submit", 4)
            await it.settled()
            assert await fetchval(it.database, "SELECT count(*) FROM msg WHERE error_code = 605") == 101

    trial(main())


@sizes(Size(5, 20, 5.0), Size(40, 250, 1.0), 60)
def test_stops_among_traffic(size: Size, folder: Path, database: str) -> None:
    """A slow carrier, windows that are full, and one after the other says STOP."""

    async def main() -> None:
        async with installation(folder, database, binds=2, window=4, smsc={"answer_s": 0.02}) as it:
            everybody = numbers(size.recipients)
            client = await it.client(recipients=everybody, senders=8)
            await client.ask("begin", count=size.recipients * size.messages)
            stopping = random.sample(everybody, len(everybody))
            for n, number in enumerate(stopping, start=1):
                await it.smsc.wait("submit", n * 2)
                await says(it, b"STOP", number)
                await it.smsc.wait("mo_rok", n)
            await client.ask("end", at_once=False)
            await it.sink.wait("final", size.recipients * size.messages)
            await it.settled()
            assert late(it, size.within_s) == []
            await until(it.database, "SELECT count(*) FROM keyword_reply", size.recipients)
            assert confirmations(it) == sorted(number[1:] for number in everybody)
            assert await fetchval(it.database, "SELECT count(*) FROM msg WHERE error_code = 605") > 0

    trial(main())
