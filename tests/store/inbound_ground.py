"""Dispatchers' carriers at a real SMSC end and on a real database, for tests of what handsets send."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import asyncpg

from trunkline.domain.ids import MsgIds
from trunkline.domain.provisioning import Carrier, Link, Plan, Provisioning
from trunkline.domain.routes import Route, Routes
from trunkline.mo.parts import Joiner
from trunkline.roles.carrier import CarrierWork
from trunkline.runtime.clock import wall_ms
from trunkline.smpp.pdu import DeliverSm, SubmitSm
from trunkline.smpp.smsc import SmscHandler, SmscSession, serve
from trunkline.store.db import Standing
from trunkline.text.udh import concat_header
from trunkline.upkeep import parts

SET_UP = """
INSERT INTO account (public_id, name, mo_url) VALUES (repeat('1', 24), 'a', 'https://account.example/mo');
INSERT INTO plan (public_id, account_id, name) VALUES (repeat('3', 24), 1, 'p');
INSERT INTO carrier (name) VALUES ('c');
"""
PLAN = Plan(1, "3" * 24, 1, "1" * 24, "p", True, None, None, False, 600, 60, 0, True, None, ())
CARRIER = Carrier(1, "c", True, {}, ())
SOURCE, DESTINATION = "15550001111", "12345"
UCS2 = 8


def part(
    number: int, total: int, octets: bytes, *, ref: int = 7, bits: int = 8, coding: int = 0, source: str = SOURCE
) -> DeliverSm:
    """A part with a header of either width."""
    return DeliverSm(
        source_addr=source,
        source_addr_ton=1,
        destination_addr=DESTINATION,
        esm_class=0x40,
        data_coding=coding,
        short_message=concat_header(ref, total, number, bits) + octets,
    )


def sar(number: int, total: int, octets: bytes, *, ref: int = 7) -> DeliverSm:
    """A part that the SAR parameters describe (SMPP 3.4 §5.3.2.22-24)."""
    return whole(octets, tlvs=((0x020C, ref.to_bytes(2, "big")), (0x020E, bytes([total])), (0x020F, bytes([number]))))


def whole(octets: bytes, tlvs: Any = ()) -> DeliverSm:
    return DeliverSm(
        source_addr=SOURCE, source_addr_ton=1, destination_addr=DESTINATION, short_message=octets, tlvs=tlvs
    )


class _Smsc(SmscHandler):
    def __init__(self, ground: Ground) -> None:
        self.ground = ground

    def bound(self, session: SmscSession) -> None:
        self.ground.binds.append(session)
        self.ground.changed.set()

    def submit(self, session: SmscSession, pdu: SubmitSm) -> None:
        self.ground.submitted.append(pdu)
        session.answer_submit(pdu.sequence_number, 0, str(len(self.ground.submitted)))


class Ground:
    """One carrier; `dispatcher` is another process at work on it, as far as database and links can tell."""

    def __init__(self, dsn: str, conn: asyncpg.Connection) -> None:
        self.dsn = dsn
        self.conn = conn
        self.binds: list[SmscSession] = []
        self.changed = asyncio.Event()
        self.shift_ms = 0
        self.port = 0
        self.works: dict[int, CarrierWork] = {}
        self.submitted: list[SubmitSm] = []
        self.picture = Provisioning(
            1, {}, {1: PLAN}, {}, {}, {}, {DESTINATION: 1}, {1: CARRIER}, Routes([Route(1, "r", 1)])
        )
        self.joiner = Joiner(provisioning=self.provisioning, ids=MsgIds(), now_ms=self.now_ms)

    def now_ms(self) -> int:
        return wall_ms() + self.shift_ms

    def provisioning(self) -> Provisioning:
        return self.picture

    async def shift(self, seconds: float) -> None:
        """Time goes on, once all is done with what came: a set is looked at after the OK for its part."""
        await asyncio.gather(*(work.inbox.drained() for work in self.works.values()))
        self.shift_ms += round(seconds * 1000)
        await self.conn.execute("UPDATE clock SET shift = $1 * interval '1 millisecond'", float(self.shift_ms))

    async def dispatcher(self, binds: int = 1) -> int:
        """Starts one; its epoch, once its binds are up."""
        epoch = await self.conn.fetchval(
            "INSERT INTO dispatcher (node, pid, lease_until) VALUES ('n', 1, now() + interval '1 hour') RETURNING epoch"
        )
        link = Link(1, 1, "l", "127.0.0.1", self.port, "us", "pw", "", "transceiver", binds, 10, False, {})
        await self.conn.execute(
            "INSERT INTO carrier_lease VALUES (1, $1) ON CONFLICT (carrier_id) DO UPDATE SET epoch = $1", epoch
        )
        work = self.works[epoch] = CarrierWork(
            self.dsn,
            epoch,
            replace(CARRIER, links=(link,)),
            provisioning=self.provisioning,
            live=lambda carrier_id: True,
            may_write=lambda: True,
            now_ms=self.now_ms,
        )
        wanted = len(self.binds) + binds
        work.start()
        while len(self.binds) < wanted:
            self.changed.clear()
            await self.changed.wait()
        return int(epoch)

    async def kill(self, epoch: int) -> None:
        """Ends a dispatcher as SIGKILL would: nothing is written any more, and the supervisor says that it is dead."""
        work = self.works.pop(epoch)
        sessions = [link.session for link in work.pool.links]
        assert work._dispatching is not None
        tasks = [*work._tasks, work._dispatching]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for session in sessions:
            assert session is not None
            session.abort(reset=True)
        for owner in (work.inbox, work.inbox.binds, work.receiver, work.outcomes, work.dispatch):
            for one in vars(owner).values():
                if isinstance(one, Standing):
                    one.abandon()
        await self.conn.execute("DELETE FROM dispatcher WHERE epoch = $1", epoch)

    async def comes(self, bind: int, pdu: DeliverSm) -> None:
        """Delivers on the bind of that number and waits for the OK."""
        await self.binds[bind].request(pdu)

    async def messages(self) -> list[tuple[str, bool]]:
        """Text, and whether parts are missing, of each message, once all is done with what came; each has one event."""
        await asyncio.gather(*(work.inbox.drained() for work in self.works.values()))
        rows = await self.conn.fetch(
            "SELECT body, partial, (SELECT count(*) FROM hook_queue h WHERE h.msg_id = mo.msg_id AND h.n = 0) AS events"
            " FROM mo ORDER BY msg_id"
        )
        assert [row["events"] for row in rows] == [1] * len(rows)
        return [(row["body"], row["partial"]) for row in rows]

    async def upkeep(self) -> int:
        """One round over the parts."""
        return await parts.waiting(self.conn, self.joiner.look)


def on_ground(database: str, test: Callable[[Ground], Awaitable[None]]) -> None:
    async def main() -> None:
        conn = await asyncpg.connect(database)
        ground = Ground(database, conn)
        server = await serve("127.0.0.1", 0, lambda: _Smsc(ground))
        ground.port = server.port
        try:
            await conn.execute(SET_UP)
            await test(ground)
        finally:
            await asyncio.gather(*(work.stop(0) for work in ground.works.values()))
            await server.close()
            await conn.close()

    asyncio.run(asyncio.wait_for(main(), 60))
