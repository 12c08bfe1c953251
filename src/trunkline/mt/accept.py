"""Step 1 of the trip: store submissions, many in one commit; 202 is answered only after it.

When the answer to a commit never comes, the advisory lock of the session tells: once it is free, what is not in the
table was never stored.

Of a key (Idempotency-Key) one request is in work at a time: in this process this file sees to it, over processes the
statement does.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Sequence
from typing import TypeAlias
from uuid import UUID

from trunkline.domain.message import Accepted, RequestKey, Submission
from trunkline.domain.provisioning import PlanId
from trunkline.mt.admit import store_judged
from trunkline.runtime import clock, log, metrics
from trunkline.runtime.gather import Gather
from trunkline.store import queue
from trunkline.store.db import BadData, Connection, ConnectionLost, DatabaseError, Standing

_log = log.get_logger()
_STORED = metrics.counter("trunkline_accepted", "Messages stored.")
_REFUSED = metrics.counter("trunkline_not_stored", "Messages that the database did not take.", "outcome")

_Waiting: TypeAlias = tuple[Submission, "asyncio.Future[Accepted]"]

# A COMMIT is never cancelled: after so long the socket is left to itself and the outcome looked up.
_PATIENCE_S = 3.0
_LOOK_UP_S = 2.0
_LOOKS = 2
# After one that was not new, keys are looked at one by one for so long: who sends again sends more than one again.
_LOOK_AT_KEYS_S = 1.0
# Without them a batch is half as large at full load, and its commit costs what one of twice the size does.
_TURNS = 2
# NOTIFY takes a lock that all sessions share, so it is sent for the first commit after a pause, then at most so often.
_WAKE_EVERY_S = 0.005


class Accepter:
    """Stores submissions. One statement is in flight; what arrives meanwhile shares the next."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._standing = Standing(dsn, name="accept")
        self._waker = Standing(dsn, name="wake", hot=False)
        self._waking = asyncio.Lock()
        self._gather: Gather[_Waiting] = Gather(self._write, turns=_TURNS, most=256)
        self._session: tuple[Connection, int] | None = None  # with the lock that it holds to its end
        self._woken_at = 0.0
        self._wake_due = self._closed = False
        self._lookups: set[asyncio.Task[None]] = set()
        self._keys: dict[tuple[PlanId, str], bytes] = {}  # those in work, with the hash of their request
        self._asked_again: dict[UUID, int] = {}
        self._looks_until = float("-inf")
        self._stored = _STORED.of()

    async def run(self) -> None:
        """Works until cancelled."""
        await self._gather.run()

    async def drained(self) -> None:
        """Returns once every submission has its answer."""
        await self._gather.drained()
        if self._lookups:
            await asyncio.wait(self._lookups)

    async def close(self) -> None:
        """Gives the connections back, after `drained`."""
        self._closed = True
        if self._lookups:  # a wake-up that has begun since would open its connection again
            await asyncio.wait(self._lookups)
        await self._standing.close()
        await self._waker.close()

    def accept(self, submission: Submission) -> asyncio.Future[Accepted]:
        """Queues a submission for the next batch; the future tells what became of it."""
        future: asyncio.Future[Accepted] = asyncio.get_running_loop().create_future()
        key = submission.key
        if key is not None:
            in_work = self.in_work(submission.plan_id, key)
            if in_work is not None:
                future.set_result(in_work)
                return future
            self._keys[submission.plan_id, key.text] = key.request_hash
        self._gather.add((submission, future))
        return future

    def in_work(self, plan_id: PlanId, key: RequestKey) -> Accepted | None:
        """KEY_IN_USE or KEY_REUSED while this process works on a request with the key: the same one, or another."""
        request_hash = self._keys.get((plan_id, key.text))
        if request_hash is None:
            return None
        return Accepted.KEY_IN_USE if request_hash == key.request_hash else Accepted.KEY_REUSED

    async def _write(self, batch: list[_Waiting]) -> None:
        judged = [w for w in batch if w[0].terms is not None and w[0].terms.is_judged]
        if judged and len(judged) < len(batch):  # the others need not wait for rows that other processes hold
            await self._write([w for w in batch if w[0].terms is None or not w[0].terms.is_judged])
            await self._write(judged)
            return
        try:
            conn, lock = await self._connected()
        except DatabaseError as error:
            _log.warning("accept.unavailable", error=log.explained(error))
            self._standing.abandon()
            self._answer(batch, Accepted.UNAVAILABLE)
            await clock.sleep(0.1)
            return
        store = store_judged if judged else self._store
        statement = asyncio.create_task(store(conn, [s for s, _ in batch], wake=self._wake()))  # noqa: RUF006
        try:
            async with asyncio.timeout(_PATIENCE_S):
                refused = await asyncio.shield(statement)
        except BadData as error:
            await self._bisect(batch, error)
        except ConnectionLost as error:
            self._standing.abandon()
            # Not cancelled: a cancel request could reach a COMMIT. It ends with its connection.
            statement.add_done_callback(lambda ended: ended.exception())
            _log.warning("accept.lost", error=log.explained(error), count=len(batch))
            # Beside the writer: new submissions find out for themselves whether the database is back.
            task = asyncio.create_task(self._look_up(batch, lock))
            self._lookups.add(task)
            task.add_done_callback(self._lookups.discard)
        except DatabaseError as error:
            _log.error("accept.refused", error=log.explained(error), count=len(batch))
            self._answer(batch, Accepted.UNAVAILABLE)
        else:
            self._stored.value += len(batch) - len(refused)
            if not refused:
                self._answer(batch, Accepted.STORED)
                return
            for waiting in batch:
                outcome = refused.get(waiting[0].msg_id, Accepted.STORED)
                if outcome is not Accepted.KEY_REUSED or not self._ask_again(waiting):
                    self._answer([waiting], outcome)

    async def _store(self, conn: Connection, batch: Sequence[Submission], *, wake: bool) -> dict[UUID, Accepted]:
        now = asyncio.get_running_loop().time()
        if now >= self._looks_until:
            try:
                return await queue.accept(conn, batch, wake=wake, keys_are_new=True)
            except queue.KeysNotNew:
                self._looks_until = now + _LOOK_AT_KEYS_S
        return await queue.accept(conn, batch, wake=wake)

    def _ask_again(self, waiting: _Waiting) -> bool:
        """A session that ends lets go of its two locks one after the other, and for that instant the same request looks
        like another one: nobody is told so on the strength of one look."""
        msg_id = waiting[0].msg_id
        count = self._asked_again.get(msg_id, 0)
        if count == _LOOKS:
            return False
        self._asked_again[msg_id] = count + 1
        self._gather.add(waiting)
        return True

    async def _connected(self) -> tuple[Connection, int]:
        conn = await self._standing.get()
        if self._session is None or self._session[0] is not conn:
            lock = random.getrandbits(62)
            async with asyncio.timeout(_PATIENCE_S):
                await queue.begin_session(conn, lock)
            self._session = (conn, lock)
        return self._session

    async def _bisect(self, batch: list[_Waiting], error: Exception) -> None:
        """One row spoils its batch: halves are tried until it stands alone."""
        if len(batch) == 1:
            _log.error("accept.bad_row", msg_id=str(batch[0][0].msg_id), error=log.explained(error))
            self._answer(batch, Accepted.UNAVAILABLE)
            return
        middle = len(batch) // 2
        await self._write(batch[:middle])
        await self._write(batch[middle:])

    async def _look_up(self, batch: list[_Waiting], lock: int) -> None:
        """Whether a batch was stored whose commit was never answered."""
        standing = Standing(self._dsn, name="accept look-up", hot=False)
        submissions = [s for s, _ in batch]
        try:
            async with asyncio.timeout(_LOOK_UP_S):
                while True:
                    try:
                        conn = await standing.get()
                        if await queue.session_is_over(conn, lock):
                            stored = await queue.which_stored(conn, submissions)
                            break
                    except DatabaseError:
                        standing.abandon()
                    await clock.sleep(0.05)
        except TimeoutError:
            self._answer(batch, Accepted.OUTCOME_UNKNOWN)
        else:
            for waiting in batch:
                was_stored = waiting[0].msg_id in stored
                self._stored.value += was_stored
                self._answer([waiting], Accepted.STORED if was_stored else Accepted.UNAVAILABLE)
        finally:
            standing.abandon()

    def _wake(self) -> bool:
        """Whether this batch's commit should wake dispatchers; if not, a later one or a timer does."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        if now - self._woken_at >= _WAKE_EVERY_S:
            self._woken_at = now
            return True
        if not self._wake_due:
            self._wake_due = True
            loop.call_later(_WAKE_EVERY_S, self._wake_late)
        return False

    def _wake_late(self) -> None:
        self._wake_due = False
        if (
            not self._closed
            and not len(self._gather)
            and asyncio.get_running_loop().time() - self._woken_at >= _WAKE_EVERY_S
        ):
            task = asyncio.create_task(self._notify())
            self._lookups.add(task)
            task.add_done_callback(self._lookups.discard)

    async def _notify(self) -> None:
        self._woken_at = asyncio.get_running_loop().time()
        async with self._waking:  # one after the other: two would open two connections
            with contextlib.suppress(*DatabaseError):  # the dispatchers' own poll finds the rows
                await queue.wake(await self._waker.get())

    def _answer(self, batch: list[_Waiting], outcome: Accepted) -> None:
        if outcome is not Accepted.STORED:
            _REFUSED.of(outcome.name.lower()).value += len(batch)
        for submission, future in batch:
            if submission.key is not None:
                del self._keys[submission.plan_id, submission.key.text]
                self._asked_again.pop(submission.msg_id, None)
            if not future.done():  # a client that hung up took its future along
                future.set_result(outcome)
