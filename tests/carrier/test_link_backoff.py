"""A carrier that does not let us in is asked again in growing steps, whatever its reason, for as long as it takes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import pairwise

import pytest
from pool_owner import Owner, pool_of
from smpp_ends import Smsc, run

from trunkline.carriers.pool import Pool
from trunkline.runtime import clock, log
from trunkline.smpp import status as s
from trunkline.smpp.smsc import Server, serve

MINUTES_S = 600.0
STEPS_S = [1, 2, 4, 8, 16, 32, *[60] * 20]


class Door(Smsc):
    """Every connection's end: takes down when a bind comes."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_at: list[float] = []

    def bind(self, session, pdu):
        self.asked_at.append(asyncio.get_running_loop().time())
        return super().bind(session, pdu)


def at_the_door(test: Callable[[Door, Pool, Server], Awaitable[None]], binds: int) -> None:
    """Runs `test` beside a pool of so many binds; minutes pass in milliseconds."""

    async def main() -> None:
        door = Door()
        server = await serve("127.0.0.1", 0, lambda: door)
        pool = pool_of(Owner(), port=server.port, binds=binds)
        running = asyncio.ensure_future(pool.run())
        try:
            await test(door, pool, server)
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            for link in pool.links:
                if link.session is not None:
                    link.session.abort()
                    await link.session.wait_closed()
            await server.close()

    run(main, driven=True)


def bound(pool: Pool) -> int:
    return sum(link.session is not None for link in pool.links)


@pytest.mark.parametrize(
    ("status", "takes_s"),
    [
        pytest.param(s.ESME_RINVPASWD, 0.0, id="invalid password"),
        pytest.param(s.ESME_RALYBND, 0.0, id="already bound"),
        pytest.param(s.ESME_RBINDFAIL, 0.0, id="bind failed"),
        pytest.param(None, 10.0, id="silent"),
    ],
)
def test_one_attempt_a_step(status: int | None, takes_s: float) -> None:
    async def test(door: Door, pool: Pool, server: Server) -> None:
        door.bind_status = status
        await clock.sleep(MINUTES_S)
        gaps = [later - earlier for earlier, later in pairwise(door.asked_at)]
        assert len(gaps) >= 10
        for step, gap in zip(STEPS_S, gaps, strict=False):
            assert 0.8 * step + takes_s <= gap <= 1.2 * step + takes_s + 0.3, gaps
        assert log._ALARMS.of("link_down", "transceiver/1").value == 1
        door.bind_status = 0
        await clock.sleep(80)
        assert bound(pool) == 1
        assert log._ALARMS.of("link_down", "transceiver/1").value == 0

    at_the_door(test, 1)


def test_nobody_there() -> None:
    async def test(door: Door, pool: Pool, server: Server) -> None:
        server._server.close()
        await clock.sleep(MINUTES_S)
        assert bound(pool) == 0
        assert log._ALARMS.of("link_down", "transceiver/1").value == 1

    at_the_door(test, 1)


def test_wrong_credentials_are_tried_by_one_bind_only() -> None:
    """Eight that each try would be what accounts are locked for."""

    async def test(door: Door, pool: Pool, server: Server) -> None:
        door.bind_status = s.ESME_RINVPASWD
        await clock.sleep(MINUTES_S)
        first, rest = door.asked_at[:8], door.asked_at[8:]
        assert first[-1] - first[0] < 1.0
        assert all(later - earlier >= 0.8 for earlier, later in pairwise(rest))
        assert len(rest) <= 20
        door.bind_status = 0
        await clock.sleep(80)
        assert bound(pool) == 8

    at_the_door(test, 8)


def test_a_bind_too_many_does_not_hold_up_the_others() -> None:
    """Already bound is what the carrier says to one of them; another one that is lost comes back at once."""

    async def test(door: Door, pool: Pool, server: Server) -> None:
        await clock.sleep(5)
        assert bound(pool) == 2
        door.bind_status = s.ESME_RALYBND
        lost, kept = pool.links
        assert lost.session is not None
        lost.session.abort()
        await clock.sleep(60)
        door.bind_status = 0
        assert kept.session is not None
        kept.session.abort()
        await clock.sleep(2)
        assert kept.session is not None

    at_the_door(test, 2)


def test_a_bind_that_is_let_in_lets_the_others_try() -> None:
    """The password was wrong for a while: once one bind is let in, no other waits out its own step first."""

    async def test(door: Door, pool: Pool, server: Server) -> None:
        door.bind_status = s.ESME_RINVPASWD
        await clock.sleep(200)
        door.bind_status = 0
        while not bound(pool):
            await clock.sleep(1)
        await clock.sleep(1.5)
        assert bound(pool) == 4

    at_the_door(test, 4)
