"""Real carriers to route over: an SMSC each on loopback, a dispatcher with its links, upkeep, one database."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

from trunkline.admin import declared
from trunkline.domain.callback import Policy
from trunkline.domain.ids import MsgIds
from trunkline.domain.message import Submission
from trunkline.mt.route import Router
from trunkline.numbering.e164 import country_of
from trunkline.roles import upkeep
from trunkline.roles.context import Context, policy_of
from trunkline.roles.dispatcher import Dispatcher
from trunkline.runtime import clock
from trunkline.runtime.settings import load
from trunkline.sandbox.behaviour import Reaction, Receipt, Submit
from trunkline.sandbox.simulator import Simulator
from trunkline.store import db, queue
from trunkline.store.carriers import CarrierWatch
from trunkline.store.db import Connection
from trunkline.store.timing import DatabaseClock
from trunkline.store.watch import ProvisioningWatch
from trunkline.text.segment import measure
from trunkline.webhooks.target import target_of

KEY = bytes(range(32))
PLAN = 1
_CARRIER = """
[[carrier]]
name = "{name}"
dialect = {dialect}
[[carrier.link]]
name = "{name}"
host = "127.0.0.1"
port = {port}
system_id = "us"
password_env = "PW"
"""


class Smsc:
    """One carrier's SMSC: answers `status`, and keeps to whom each submit_sm was."""

    def __init__(self) -> None:
        self.status = 0
        self.parts: dict[int, int] = {}  # by part: another status
        self.submits: list[tuple[str, int]] = []
        self.simulator = Simulator(self.behave)

    def behave(self, submit: Submit) -> Reaction:
        part = 1 if submit.concat is None else submit.concat.seq
        self.submits.append((submit.destination, part))
        status = self.parts.get(part, self.status)
        return Reaction(status=status, receipts=() if status else (Receipt(after_s=0.0),))

    def recipients(self) -> list[str]:
        return [to for to, _ in self.submits]


class Ground:
    """The installation under test."""

    def __init__(self, dsn: str, conn: Connection, context: Context, smscs: Mapping[str, Smsc]) -> None:
        self.dsn = dsn
        self.conn = conn
        self.context = context
        self.smscs = smscs
        self._ids = MsgIds()

    async def send(self, to: str, body: str = "hi", *, later_s: float = 0) -> UUID:
        """Stores a message as the API does."""
        sender = "12345"
        now = await queue.database_now(self.conn)
        due_at = now + dt.timedelta(seconds=later_s) if later_s else None
        provisioning = self.context.provisioning()
        assert provisioning is not None
        country, msg_id = country_of(to), self._ids.new(self.context.clock.now_ms())
        router = Router(self.context.carriers.live, self.context.carriers.measured)
        carrier_id = router.first_choice(provisioning, PLAN, sender, to, country, None, msg_id)
        assert carrier_id is not None
        submission = Submission(
            PLAN, msg_id, 1, sender, to, body, None, None, country, 0, measure(body).parts, carrier_id, 0, 7200, due_at
        )
        await queue.accept(self.conn, [submission], wake=True)
        return msg_id

    async def until(self, query: str, *values: Any) -> Any:
        """The query's first value, once that is true."""
        async with asyncio.timeout(40):
            while not (found := await self.conn.fetchval(query, *values)):
                await clock.sleep(0.02)
        return found

    async def final(self, msg_id: UUID) -> tuple[str, int]:
        """How the message ended: status and code."""
        await self.until("SELECT status FROM msg WHERE msg_id = $1", msg_id)
        row = await self.conn.fetchrow("SELECT status, error_code FROM msg WHERE msg_id = $1", msg_id)
        return {2: "DELIVERED", 3: "FAILED", 4: "UNKNOWN"}[row[0]], row[1]

    async def put_off(self, msg_id: UUID) -> tuple[str, int]:
        """The carrier that the message is tried at again later, and in how many seconds at most; then it is due."""
        query = "SELECT name FROM mt_later JOIN carrier USING (carrier_id) WHERE msg_id = $1"
        name = await self.until(query, msg_id)
        wait_s = await self.conn.fetchval(
            "SELECT ceil(extract(epoch FROM due_at - trunkline_now()))::int FROM mt_later WHERE msg_id = $1", msg_id
        )
        await self.conn.execute("UPDATE clock SET shift = shift + $1 * interval '1 second'", float(wait_s))
        await self.until("SELECT count(*) = 0 FROM mt_later WHERE due_at <= (SELECT trunkline_now())")
        return name, wait_s


@asynccontextmanager
async def _all_closed() -> AsyncIterator[None]:
    """Ends at last what a process ends with itself."""
    opened: list[Connection] = []
    connect = db.connect

    async def noted(*values: Any, **more: Any) -> Connection:
        opened.append(await connect(*values, **more))
        return opened[-1]

    try:
        with patch.object(db, "connect", noted):
            yield
    finally:
        for conn in opened:
            if not conn.is_closed():
                conn.terminate()
        await clock.sleep(0)  # their transports end in the loop's next turn


@asynccontextmanager
async def ground(
    dsn: str, names: str, routes: str, dialects: Mapping[str, str] | None = None, failover_after_s: float = 1.0
) -> AsyncIterator[Ground]:
    """Carriers of one letter each, all bound; `routes` of the set-up file, `dialects` by carrier."""
    async with _all_closed(), _ground(dsn, names, routes, dialects or {}, failover_after_s) as it:
        yield it


@asynccontextmanager
async def _ground(
    dsn: str, names: str, routes: str, dialects: Mapping[str, str], failover_after_s: float
) -> AsyncIterator[Ground]:
    smscs = {name: Smsc() for name in names}
    for smsc in smscs.values():
        await smsc.simulator.start()
    text = '[[account]]\nname = "acme"\n[[plan]]\nname = "otp"\naccount = "acme"\n'
    for name, smsc in smscs.items():
        dialect = dialects.get(name, "{}")
        text += _CARRIER.format(name=name, port=smsc.simulator.port, dialect=dialect)
    conn = await db.connect(dsn, name="test")
    around = declared.Surroundings(KEY, Policy(), {"PW": "pw"}, Path(), "test")
    await declared.apply(conn, declared.read(text + routes, "set-up.toml"), around)
    settings = load(environ={"TRUNKLINE_FAILOVER_AFTER_S": str(failover_after_s)})
    watch, database_clock = ProvisioningWatch(dsn, KEY, poll_s=0.1), DatabaseClock(dsn)
    await watch.start()
    await database_clock.measure()
    carriers = CarrierWatch(dsn, down_after_s=failover_after_s)
    policy = policy_of(settings)
    context = Context(settings, dsn, KEY, watch.current, database_clock, carriers, policy, target_of(policy))
    stop = asyncio.Event()
    works = [
        asyncio.create_task(work)
        for work in (Dispatcher(context).run(stop), upkeep.run(context, stop), carriers.run(), database_clock.run())
    ]
    it = Ground(dsn, conn, context, smscs)
    try:
        await it.until("SELECT count(*) = $1 FROM carrier_lease WHERE ready_at IS NOT NULL", len(smscs))
        yield it
    finally:
        stop.set()
        await asyncio.wait(works[:2])
        for task in works[2:]:
            task.cancel()
        ended = await asyncio.gather(*works, return_exceptions=True)
        await watch.stop()
        await conn.close()
        for smsc in smscs.values():
            await smsc.simulator.stop()
        for result in ended[:2]:
            if isinstance(result, BaseException):
                raise result
