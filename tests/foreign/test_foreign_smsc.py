"""Our links against SMSCs that nobody here wrote: bind, submit, receipts, handsets, enquire_link, unbind, and again."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import pytest
from foreign_end import KINDS, ForeignEnd, Kind, running
from gsm0338 import Codec
from pool_owner import Owner, pool_of

from trunkline.carriers.dialect import PLAIN, IdForm, canonical_id
from trunkline.carriers.encode import encode_parts
from trunkline.carriers.pool import Pool
from trunkline.domain.provisioning import PlanId
from trunkline.domain.status import Status
from trunkline.mt.submit import submits
from trunkline.runtime import clock
from trunkline.store.queue import Claimed, Content
from trunkline.text import gsm0338, udh

MODES = {"transceiver": ("transceiver",), "transmitter and receiver": ("transmitter", "receiver")}
THEIRS = Codec()
SENDER, RECIPIENT = "+15550001111", "+15550002222"
TEXTS = {
    "GSM": "Grüße: [5 €] {ok} ~ Ωß",
    "UCS-2": "Привет, 你好 😀",
    "GSM in parts": "Grüße aus Köln, 5 € " * 20,
    "UCS-2 in parts": "Привет 😀 " * 20,
}

every_kind = pytest.mark.parametrize("kind", KINDS, ids=str)
every_mode = pytest.mark.parametrize("modes", MODES.values(), ids=MODES)


def ran(main: Coroutine[Any, Any, None], within_s: float = 40.0) -> None:
    asyncio.run(asyncio.wait_for(main, within_s))


@asynccontextmanager
async def bound(end: ForeignEnd, **how: Any) -> AsyncIterator[tuple[Owner, Pool]]:
    """A pool with all of its links up."""
    owner = Owner()
    pool = pool_of(owner, port=end.port, **how)
    task = asyncio.ensure_future(pool.run())
    try:
        await owner.until("room", len(pool.links))
        yield owner, pool
    finally:
        await pool.drain(1.0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(what: Callable[[], Any]) -> None:
    """Returns once that is so; `ran` is the deadline."""
    while not what():
        await clock.sleep(0.02)


def content_of(text: str) -> tuple[Claimed, Content]:
    now = dt.datetime.now(dt.UTC)  # noqa: TID251
    parts = len(encode_parts(text))
    claimed = Claimed(PlanId(1), 0, UUID(int=1), (1 << parts) - 1, 0, False, now + dt.timedelta(hours=1), now)
    return claimed, Content(SENDER, RECIPIENT, text, "US", 0, parts, None, reference=77)


def rejoined(submitted: list[dict[str, Any]]) -> str:
    """The text, as the foreign end read it where it reads texts, else by another library than ours."""
    placed = []
    for event in submitted:
        header = bytes.fromhex(event["udh"]) if event.get("udh") else b""
        octets = bytes.fromhex(event["hex"]) if event["hex"] is not None else b""
        if "udh" not in event and event["esm"] & 0x40:
            header, octets = octets[: octets[0] + 1], octets[octets[0] + 1 :]
        found = udh.read(header).concat if header else None
        text = event.get("text")
        if text is None:
            text = octets.decode("utf-16-be") if event["dcs"] == 8 else THEIRS.decode(octets)[0]
        assert (found is None) == (len(submitted) == 1)
        assert found is None or (found.ref, found.total) == (77, len(submitted))
        placed.append((found.seq if found else 1, text))
    return "".join(text for _, text in sorted(placed))


async def answered_ok(end: ForeignEnd, modes: tuple[str, ...], count: int) -> None:
    """So many deliver_sm of its were answered with OK."""
    if "receiver" in modes:
        end.kind.needs("hear a receiver")
    assert {event["status"] for event in await end.seen("delivered", count)} == {0}


@every_kind
@every_mode
def test_texts_arrive_and_receipts_come(kind: Kind, modes: tuple[str, ...]) -> None:
    async def main() -> None:
        async with running(kind) as end, bound(end, modes=modes) as (owner, pool):
            binds = await end.seen("bind", len(modes))
            assert {bind["system_id"] for bind in binds} == {"us"}
            assert {bind["mode"] for bind in binds} in ({None}, set(modes))
            total = 0
            for text in TEXTS.values():
                pdus = submits(*content_of(text), PLAIN, dt.datetime.now(dt.UTC))  # noqa: TID251
                for pdu, ticket in pdus:
                    assert pool.submit(pdu, ticket) is not None
                answers = (await owner.until("answered", total + len(pdus)))[total:]
                submitted = (await end.seen("submit", total + len(pdus)))[total:]
                total += len(pdus)
                assert rejoined(submitted) == text
                assert {(event["source"], event["to"]) for event in submitted} == {("15550001111", "15550002222")}
                assert [status for _, status, _ in answers] == [0] * len(pdus)
                assert [message_id for _, _, message_id in answers] == [event["id"] for event in submitted]
            told = [receipt for (receipt,) in await owner.until("receipt", total)]
            ids = {canonical_id(event["id"], IdForm.STR) for event in await end.seen("submit")}
            assert {receipt.canonical_id for receipt in told} == ids
            assert {(receipt.status, receipt.mismatch) for receipt in told} == {(Status.DELIVERED, False)}
            assert not owner.of("undecodable")
            await answered_ok(end, modes, total)

    ran(main())


@every_kind
@every_mode
def test_messages_of_handsets_come(kind: Kind, modes: tuple[str, ...]) -> None:
    long = "a handset's long message, " * 10
    halves = [
        udh.concat_header(9, 2, number, 8) + (gsm0338.encode(part) or b"")
        for number, part in enumerate((long[:153], long[153:]), start=1)
    ]

    async def main() -> None:
        async with running(kind) as end, bound(end, modes=modes) as (owner, _):
            await end.seen("bind", len(modes))

            def say(octets: bytes, esm: int = 0, dcs: int = 0) -> None:
                end.ask("mo", source=RECIPIENT[1:], to="12345", hex=octets.hex(), esm=esm, dcs=dcs)

            say(gsm0338.encode("STOP [€]") or b"")
            say("да 😀".encode("utf-16-be"), dcs=8)
            say(halves[1], esm=0x40)
            say(halves[0], esm=0x40)
            found = [message for (message,) in await owner.until("mo", 4)]
            parts = {message.concat.seq: message.body for message in found if message.concat is not None}
            # Not each of them keeps the order in which it was asked.
            assert {message.body for message in found if message.concat is None} == {"STOP [€]", "да 😀"}
            assert {message.concat.ref for message in found if message.concat is not None} == {9}
            assert parts[1] + parts[2] == long
            assert {message.source for message in found} == {RECIPIENT}
            await answered_ok(end, modes, 4)

    ran(main())


@every_kind
def test_we_ask_whether_the_link_is_alive(kind: Kind) -> None:
    timers = {"enquire_link_s": 0.1, "enquire_link_resp_s": 5.0, "sweep_s": 0.05}

    async def main() -> None:
        async with running(kind) as end, bound(end, timers=timers) as (_, pool):
            session = pool.links[0].session
            assert session is not None
            first = session._enquiry_sequence
            # A further one goes out only when the one before was answered.
            await until(lambda: session._enquiry_sequence >= first + 3)
            assert pool.links[0].session is session
            kind.needs("hear enquiries")
            assert len(await end.seen("enquired", 2)) >= 2

    ran(main())


@every_kind
def test_it_asks_whether_the_link_is_alive(kind: Kind) -> None:
    kind.needs("enquire")

    async def main() -> None:
        async with running(kind) as end, bound(end):
            await end.seen("bind")
            end.ask("enquire")
            assert (await end.seen("enquire_answered"))[0]["status"] == 0

    ran(main())


@every_kind
@every_mode
def test_we_unbind(kind: Kind, modes: tuple[str, ...]) -> None:
    async def main() -> None:
        async with running(kind) as end, bound(end, modes=modes) as (_, pool):
            await pool.drain(1.0)
            assert len(await end.seen("unbound", len(modes))) == len(modes)
            assert [link.session for link in pool.links] == [None] * len(modes)

    ran(main())


async def _unbound(end: ForeignEnd) -> None:
    end.ask("unbind")


async def again(kind: Kind, lose: Callable[[ForeignEnd], Awaitable[None]]) -> None:
    async with running(kind) as end, bound(end) as (owner, pool):
        await end.seen("bind")
        await lose(end)
        await owner.until("ended")
        await owner.until("room", 2)
        ((pdu, ticket),) = submits(*content_of("again"), PLAIN, dt.datetime.now(dt.UTC))  # noqa: TID251
        pool.submit(pdu, ticket)
        assert (await owner.until("answered"))[0][1] == 0
        await owner.until("receipt")


@every_kind
def test_it_unbinds_and_we_are_back(kind: Kind) -> None:
    ran(again(kind, _unbound))


@every_kind
def test_it_dies_and_we_are_back(kind: Kind) -> None:
    async def main() -> None:
        async with running(kind) as first, bound(first) as (owner, pool):
            await first.seen("bind")
            await first.kill()
            await owner.until("ended")
            assert not pool.up
            async with running(kind, first.port) as second:
                await second.seen("bind")
                await owner.until("room", 2)
                assert pool.up

    ran(main())


@every_kind
def test_it_does_not_let_us_in(kind: Kind) -> None:
    kind.needs("refuse")

    async def main() -> None:
        async with running(kind) as end:
            pool = pool_of(Owner(), port=end.port, password="wrong")
            task = asyncio.ensure_future(pool.run())
            assert (await end.seen("bind"))[0]["status"] == 0x0E
            await end.seen("closed")
            assert not pool.up
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    ran(main())
