"""Whose carriers are whose: leases that are kept, lost, ended, and what their holders leave behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from trip_rows import (
    AT_LEAST_ONCE,
    CARRIER,
    OTHER_CARRIER,
    SET_UP,
    accepted,
    inflight,
    passes,
)

from trunkline.mt import lease as lease_module
from trunkline.mt.lease import Lease
from trunkline.runtime import clock
from trunkline.store import leases
from trunkline.upkeep import rescue
from trunkline.upkeep.rounds import Rounds


def ran(database: str, main: Callable[[asyncpg.Connection], Awaitable[None]]) -> None:
    async def whole() -> None:
        conn = await asyncpg.connect(database)
        try:
            await conn.execute(SET_UP)
            await main(conn)
        finally:
            await conn.close()

    asyncio.run(asyncio.wait_for(whole(), 40))


async def run_out(conn: asyncpg.Connection, epoch: int) -> None:
    await conn.execute("UPDATE dispatcher SET lease_until = now() - interval '1 second' WHERE epoch = $1", epoch)


# The rows.


def test_a_lease_that_ran_out_is_its_holders_until_somebody_ends_it(database: str) -> None:
    async def main(conn: asyncpg.Connection) -> None:
        epoch = await leases.register(conn, "n", 1, 15)
        await run_out(conn, epoch)
        assert await leases.renew(conn, epoch, 15)
        await run_out(conn, epoch)
        assert [ended.epoch for ended in await leases.retire(conn, 0)] == [epoch]
        assert not await leases.renew(conn, epoch, 15)
        assert await leases.register(conn, "n", 1, 15) > epoch  # never the same again

    ran(database, main)


def test_nothing_is_ended_before_the_server_was_up_for_a_lease(database: str) -> None:
    """While it was down nobody could renew."""

    async def main(conn: asyncpg.Connection) -> None:
        epoch = await leases.register(conn, "n", 7, 15)
        await run_out(conn, epoch)
        assert await leases.retire(conn, 1_000_000_000) == []
        assert await leases.retire(conn, 0) == [leases.Ended(epoch, "n", 7)]

    ran(database, main)


def test_a_standing_lease_is_not_ended(database: str) -> None:
    async def main(conn: asyncpg.Connection) -> None:
        await leases.register(conn, "n", 1, 15)
        assert await leases.retire(conn, 0) == []

    ran(database, main)


def test_a_lease_goes_by_the_servers_clock_alone(database: str) -> None:
    """The clock that a sandbox user moves does not end it."""

    async def main(conn: asyncpg.Connection) -> None:
        await leases.register(conn, "n", 1, 15)
        await passes(conn, 86_400)
        assert await leases.retire(conn, 0) == []

    ran(database, main)


def test_a_dead_process_leaves_at_once(database: str) -> None:
    async def main(conn: asyncpg.Connection) -> None:
        dead = await leases.register(conn, "n", 1, 15)
        others = [await leases.register(conn, "n", 2, 15), await leases.register(conn, "m", 1, 15)]
        await leases.end_dead(conn, "n", 1)
        assert not await leases.renew(conn, dead, 15)
        assert [await leases.renew(conn, other, 15) for other in others] == [True, True]

    ran(database, main)


def test_carriers_go_to_whoever_takes_them_first(database: str) -> None:
    async def main(conn: asyncpg.Connection) -> None:
        one, other = await leases.register(conn, "n", 1, 15), await leases.register(conn, "n", 2, 15)
        await conn.execute("UPDATE carrier SET active = false WHERE carrier_id = $1", OTHER_CARRIER)
        assert await leases.take(conn, one) == {CARRIER}
        await conn.execute("UPDATE carrier SET active = true")
        assert await leases.take(conn, other) == {OTHER_CARRIER}
        assert await leases.take(conn, one) == {CARRIER}
        await leases.resign(conn, one)
        assert await leases.take(conn, other) == {CARRIER, OTHER_CARRIER}

    ran(database, main)


def test_a_lease_that_ran_out_keeps_its_carriers_until_it_is_ended(database: str) -> None:
    async def main(conn: asyncpg.Connection) -> None:
        one, other = await leases.register(conn, "n", 1, 15), await leases.register(conn, "n", 2, 15)
        await leases.take(conn, one)
        await run_out(conn, one)
        assert await leases.take(conn, other) == set()
        await leases.retire(conn, 0)
        assert await leases.take(conn, other) == {CARRIER, OTHER_CARRIER}
        await leases.seen_up(conn, one, [CARRIER])  # the old one knows nothing any more
        assert await conn.fetchval("SELECT count(*) FROM carrier_lease WHERE up_at IS NOT NULL") == 0
        await leases.seen_up(conn, other, [CARRIER])
        assert await conn.fetchval("SELECT carrier_id FROM carrier_lease WHERE up_at IS NOT NULL") == CARRIER

    ran(database, main)


def test_two_that_take_at_once(database: str) -> None:
    """Both saw the carriers free; who comes second finds them taken."""

    async def main(conn: asyncpg.Connection) -> None:
        one, other = await leases.register(conn, "n", 1, 15), await leases.register(conn, "n", 2, 15)
        beside = await asyncpg.connect(database)
        async with conn.transaction():
            assert await leases.take(conn, one) == {CARRIER, OTHER_CARRIER}
            second = asyncio.create_task(leases.take(beside, other))
            while not await conn.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                await conn.execute("SELECT pg_sleep(0.01)")
        assert await second == set()
        await beside.close()

    ran(database, main)


# The process.


class Holder:
    """A lease at work; what it was told to hold is kept."""

    def __init__(self, database: str, *, lease_s: int = 15) -> None:
        self.told: list[tuple[int, set[int]]] = []
        self.changed = asyncio.Event()
        self.lease = Lease(database, node="n", lease_s=lease_s, changed=self._changed, up=list)
        self.task = asyncio.create_task(self.lease.run())

    async def _changed(self, epoch: int, held: set[Any]) -> None:
        self.told.append((epoch, held))
        self.changed.set()

    async def next(self) -> None:
        await asyncio.wait_for(self.changed.wait(), 20)
        self.changed.clear()

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.lease.resign()


def test_a_lost_lease_is_given_up_and_a_new_one_taken(database: str) -> None:
    async def main(conn: asyncpg.Connection) -> None:
        holder = Holder(database, lease_s=3)
        await holder.next()
        first = holder.lease.epoch
        assert holder.told == [(first, {CARRIER, OTHER_CARRIER})]
        assert holder.lease.holds(holder.lease.epoch)
        await conn.execute("DELETE FROM dispatcher")
        await holder.next()
        if len(holder.told) < 3:
            await holder.next()
        second = holder.lease.epoch
        assert second > first
        assert holder.lease.holds(second)
        assert not holder.lease.holds(first)  # what was claimed under the old one stays unwritten
        assert holder.told[1:] == [(first, set()), (second, {CARRIER, OTHER_CARRIER})]
        await holder.stop()
        assert not holder.lease.holds(holder.lease.epoch)
        assert await conn.fetchval("SELECT count(*) FROM dispatcher") == 0

    ran(database, main)


def test_nothing_is_written_past_the_deadline(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two seconds before the lease ends by the database, whatever becomes of the renewals."""

    async def main(conn: asyncpg.Connection) -> None:
        holder = Holder(database)
        await holder.next()
        at = clock.boot_s()
        assert holder.lease.holds(holder.lease.epoch)
        monkeypatch.setattr(lease_module.clock, "boot_s", lambda: at + 12.5)
        assert holder.lease.holds(holder.lease.epoch)
        monkeypatch.setattr(lease_module.clock, "boot_s", lambda: at + 13.1)
        assert not holder.lease.holds(holder.lease.epoch)
        await holder.stop()

    ran(database, main)


def test_the_deadline_counts_from_before_the_renewal(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A renewal that was long on its way may have been made at its beginning."""

    async def main(conn: asyncpg.Connection) -> None:
        lease = Lease(database, node="n", lease_s=15, changed=Holder._changed, up=list)  # type: ignore[arg-type]
        real = leases.renew
        await lease._renew(100.0)

        async def slow(*args: Any) -> bool:
            monkeypatch.setattr(lease_module.clock, "boot_s", lambda: 210.0)
            return await real(*args)

        monkeypatch.setattr(leases, "renew", slow)
        monkeypatch.setattr(lease_module.clock, "boot_s", lambda: 200.0)
        await lease._renew(200.0)
        monkeypatch.setattr(lease_module.clock, "boot_s", lambda: 212.9)
        assert lease.holds(lease.epoch)
        monkeypatch.setattr(lease_module.clock, "boot_s", lambda: 213.1)
        assert not lease.holds(lease.epoch)
        await lease.resign()

    ran(database, main)


def test_a_first_lease_counts_from_before_it_was_asked_for(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(conn: asyncpg.Connection) -> None:
        lease = Lease(database, node="n", lease_s=15, changed=Holder._changed, up=list)  # type: ignore[arg-type]
        real = leases.register

        async def slow(*args: Any) -> int:
            found = await real(*args)
            monkeypatch.setattr(lease_module.clock, "boot_s", lambda: 110.0)
            return found

        monkeypatch.setattr(leases, "register", slow)
        monkeypatch.setattr(lease_module.clock, "boot_s", lambda: 100.0)
        await lease._renew(100.0)
        monkeypatch.setattr(lease_module.clock, "boot_s", lambda: 113.1)
        assert not lease.holds(lease.epoch)
        await lease.resign()

    ran(database, main)


def test_leases_are_ended_only_by_who_was_connected_for_one(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a round that was long in coming starts the count anew: this process, or the server, was away."""

    async def look(*args: Any) -> None: ...

    async def join(*args: Any) -> int:
        return 0

    async def main(conn: asyncpg.Connection) -> None:
        rounds = Rounds(database, lease_s=10, look=look, join=join)
        now = [1000.0]
        monkeypatch.setattr(clock, "boot_s", lambda: now[0])
        monkeypatch.setattr(leases, "retire", lambda conn, lease_s: real(conn, 0))
        ended = []
        for wait_s in (0, 4, 4, 1, 6, 4, 4, 1.9, 0.2):
            now[0] += wait_s
            await run_out(conn, await leases.register(conn, "n", 1, 15))
            await rounds._leases(conn)
            ended.append(await conn.fetchval("DELETE FROM dispatcher RETURNING true") is None)
        assert ended == [False, False, False, False, False, False, False, False, True]

    real = leases.retire
    ran(database, main)


# What a dead one leaves.


def test_what_a_dead_dispatcher_had_claimed_is_in_doubt(database: str) -> None:
    async def main(conn: asyncpg.Connection) -> None:
        dead, alive = await leases.register(conn, "n", 1, 15), await leases.register(conn, "n", 2, 15)
        mine, waits, otp = [
            await accepted(conn, parts=2),
            await accepted(conn),
            await accepted(conn, plan=AT_LEAST_ONCE),
        ]
        await inflight(conn, mine, dead, part_no=1)
        await inflight(conn, mine, dead, part_no=2)
        await inflight(conn, waits, alive)
        await inflight(conn, otp, dead, plan=AT_LEAST_ONCE, resubmitted=True)
        await leases.resign(conn, dead)
        assert await rescue.ended_leases(conn, 15, may_retire=lambda: False) == 3
        rows = await conn.fetch(
            "SELECT msg_id, part_no, code, recipient, resubmitted,"
            " round(extract(epoch FROM resolve_at - trunkline_now())) FROM doubt ORDER BY msg_id, part_no"
        )
        assert [tuple(row) for row in rows] == [
            (mine, 1, 901, "+15550001111", False, 600),
            (mine, 2, 901, "+15550001111", False, 600),
            (otp, 1, 901, "+15550001111", True, 20),
        ]
        assert [row[0] for row in await conn.fetch("SELECT msg_id FROM inflight")] == [waits]
        assert await rescue.ended_leases(conn, 15, may_retire=lambda: False) == 0

    ran(database, main)


def test_a_round_ends_leases_and_rescues_in_one(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(conn: asyncpg.Connection) -> None:
        epoch = await leases.register(conn, "n", 1, 15)
        await inflight(conn, await accepted(conn), epoch)
        await run_out(conn, epoch)
        assert await rescue.ended_leases(conn, 0, may_retire=lambda: False) == 0
        assert await rescue.ended_leases(conn, 0, may_retire=lambda: True) == 1

    ran(database, main)
