"""The binds that messages come on, kept in the database: how one ended tells whether the carrier may send again.

A carrier sends a message again if it saw no answer. Whether it did is not known to us; but what was answered half a
minute before the link was lost, or later, it may not have seen. A process that is killed cannot say when: so binds are
said to be alive every few seconds, and of a dead dispatcher's the last word counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol

from trunkline.domain.provisioning import CarrierId
from trunkline.runtime import log
from trunkline.smpp.wire import End
from trunkline.store import inbound
from trunkline.store.db import Connection, DatabaseError, Standing

_log = log.get_logger()
_EVERY_S = 5.0
_LOST_S = 30.0
_ON_ITS_WAY_S = 5.0  # to the database and back: where it is known from when on the carrier saw no answer


class Bind(Protocol):
    """What is asked of a session."""

    @property
    def ended(self) -> End | None: ...
    @property
    def unread_since(self) -> float | None: ...


class Binds:
    """The binds of one carrier that messages came on."""

    def __init__(self, dsn: str, carrier_id: CarrierId, epoch: int) -> None:
        self._standing = Standing(dsn, name="binds", hot=False)
        self._carrier_id = carrier_id
        self._epoch = epoch
        self._ids: dict[Bind, int] = {}
        self._in_doubt: list[tuple[int, float]] = []  # bind_id, from when on (loop time)
        self._some_ended = asyncio.Event()

    async def ids(self, conn: Connection, binds: Iterable[Bind]) -> dict[Bind, int]:
        """The bind_id of each; what has ended is in the database before anything else comes."""
        new = list(dict.fromkeys(bind for bind in binds if bind not in self._ids))
        if new:
            began = await inbound.begin_binds(conn, self._carrier_id, self._epoch, len(new))
            self._ids.update(zip(new, began, strict=True))
        ids = dict(self._ids)
        await self._end(conn)
        return ids

    def end(self) -> None:
        """A bind has ended."""
        self._some_ended.set()

    def doubt(self, binds: Iterable[Bind], since: float) -> None:
        """What came on these from `since` on (loop time) may be stored, and the carrier was not told OK: it counts as
        lost with its bind, and what follows on the session is on another."""
        for bind in set(binds):
            bind_id = self._ids.pop(bind, None)
            if bind_id is not None:
                self._in_doubt.append((bind_id, since))

    async def run(self) -> None:
        """Says which binds are alive and which are not, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(_EVERY_S):
                    await self._some_ended.wait()
            except TimeoutError:
                pass
            self._some_ended.clear()
            await self._write()

    async def close(self) -> None:
        """The last word about binds that have ended."""
        await self._write()
        await self._standing.close()

    async def _write(self) -> None:
        if not self._ids and not self._in_doubt:
            return
        try:
            conn = await self._standing.get()
            await self._end(conn)
            await inbound.keep_binds(conn, list(self._ids.values()))
        except DatabaseError as error:  # said again in a moment; until then they were alive when we said so last
            _log.warning("binds.put_off", carrier_id=self._carrier_id, error=log.explained(error))
            self._standing.abandon()

    async def _end(self, conn: Connection) -> None:
        ended = {bind: bind_id for bind, bind_id in self._ids.items() if bind.ended is not None}
        in_doubt = list(self._in_doubt)
        if ended or in_doubt:
            now = asyncio.get_running_loop().time()
            ages = [(bind_id, _unsure_s(bind, now)) for bind, bind_id in ended.items()]
            ages += [(bind_id, now - since + _ON_ITS_WAY_S) for bind_id, since in in_doubt]
            await inbound.end_binds(conn, ages)
            for bind in ended:
                self._ids.pop(bind, None)
            self._in_doubt = [one for one in self._in_doubt if one not in in_doubt]


def _unsure_s(bind: Bind, now: float) -> float:
    """How many seconds ago the carrier surely saw our answers."""
    since = now - bind.unread_since if bind.unread_since is not None else 0.0
    # Who answered our unbind had read all before.
    return since + (_ON_ITS_WAY_S if bind.ended is End.UNBOUND else _LOST_S)
