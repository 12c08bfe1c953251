"""Keys of requests over several sessions: one message a key, nobody waits for another's key, none stays too long."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
import pytest
from test_accept_outcomes import Beside, accepting, beside

from trunkline.domain.ids import MsgIds
from trunkline.domain.message import Accepted, RequestKey, Submission
from trunkline.domain.terms import Terms
from trunkline.mt import accept
from trunkline.runtime.clock import wall_ms
from trunkline.store import db, idempotency, queue
from trunkline.upkeep.rounds import Rounds

IDS = MsgIds()
STORED, IN_USE, REUSED, TAKEN = Accepted.STORED, Accepted.KEY_IN_USE, Accepted.KEY_REUSED, Accepted.KEY_TAKEN


def asked(key: str | None, body: str = "hello", plan: int = 1) -> Submission:
    """A submission with a key; its request is told by its body."""
    submission = Submission(
        plan, IDS.new(wall_ms()), 1, "12345", "+46700000001", body, None, None, "SE", 0, 2, 1, 0, 3600, None
    )
    return submission if key is None else submission._replace(key=RequestKey(key, body.encode()))


async def outcomes(conn: db.Connection, batch: Sequence[Submission], **how: bool) -> list[Accepted]:
    """What one statement makes of a batch, at once: nothing here may wait."""
    refused = await asyncio.wait_for(queue.accept(conn, batch, wake=False, **how), 5)
    return [refused.get(one.msg_id, STORED) for one in batch]


async def outcomes_in_the_end(conn: db.Connection, batch: Sequence[Submission]) -> list[Accepted]:
    """The same, where the keys are taken for new at first, as the accepter does it."""
    try:
        return await outcomes(conn, batch, keys_are_new=True)
    except queue.KeysNotNew:
        return await outcomes(conn, batch)


def priced(submission: Submission) -> Submission:
    return submission._replace(terms=Terms(7500, 0, "EUR"))


class Sessions:
    """Sessions of two processes that store, and one that looks."""

    def __init__(self, one: db.Connection, other: db.Connection, look: db.Connection) -> None:
        self.one, self.other, self.look = one, other, look

    async def messages(self, key: str) -> list[UUID]:
        """What was stored for a key: all texts of it are its own."""
        rows = await self.look.fetch(
            "SELECT m.msg_id FROM msg m JOIN mt_queue q USING (msg_id) WHERE m.body LIKE $1", f"{key}%"
        )
        return [row[0] for row in rows]


@asynccontextmanager
async def sessions(dsn: str) -> AsyncIterator[Sessions]:
    conns = [await db.connect(dsn, name="accept", hot=True) for _ in range(2)] + [await db.connect(dsn, name="look")]
    try:
        yield Sessions(*conns)
    finally:
        for conn in conns:
            await conn.close()


def ran(dsn: str, main: Callable[[Sessions], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with sessions(dsn) as there:
            await main(there)

    asyncio.run(asyncio.wait_for(whole(), 60))


@pytest.mark.parametrize("keys_are_new", [True, False])
@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_a_key_in_work_in_another_session(database: str, end: str, keys_are_new: bool) -> None:
    async def main(there: Sessions) -> None:
        await there.one.execute("BEGIN")
        assert await outcomes(there.one, [asked("k", "k first")], keys_are_new=keys_are_new) == [STORED]
        # The others of the batch do not wait for the end of it.
        batch = [asked("k", "k first"), asked("other", "x"), asked(None, "y")]
        assert await outcomes(there.other, batch) == [IN_USE, STORED, STORED]
        assert await outcomes(there.other, [asked("k", "k second")]) == [REUSED]
        assert await outcomes(there.other, [asked("k", "k first", plan=2)]) == [STORED]
        await there.one.execute(end)
        wanted = TAKEN if end == "COMMIT" else STORED
        assert await outcomes(there.other, [asked("k", "k first")]) == [wanted]
        assert await outcomes(there.other, [asked("k", "k second")]) == [TAKEN]
        assert len(await there.messages("k")) == 2  # one a plan
        assert await there.look.fetchval("SELECT count(*) FROM msg WHERE body IN ('x', 'y')") == 2

    ran(database, main)


def test_what_is_not_stored_leaves_no_row_anywhere(database: str) -> None:
    async def main(there: Sessions) -> None:
        due_at = dt.datetime.fromtimestamp(wall_ms() / 1000 + 600, dt.UTC)
        later = asked("k", "later")._replace(due_at=due_at)
        assert await outcomes(there.one, [asked("k", "first")]) == [STORED]
        assert await outcomes(there.one, [later, asked("k2", "second")]) == [TAKEN, STORED]
        for table in ("msg", "mt_queue", "idempotency"):
            assert await there.look.fetchval(f"SELECT count(*) FROM {table}") == 2
        assert await there.look.fetchval("SELECT count(*) FROM mt_later") == 0
        kept = await idempotency.kept(there.look, 1, "k")
        assert kept is not None
        assert (kept.request_hash, kept.parts) == (b"first", 2)

    ran(database, main)


def test_batches_with_the_same_keys_in_opposite_orders(database: str) -> None:
    """Each holds what the other wants next: who waited here would wait for ever, or be thrown out of his batch."""

    async def main(there: Sessions) -> None:
        await there.one.execute("BEGIN")
        await there.other.execute("BEGIN")
        assert await outcomes(there.one, [asked("a", "a1")]) == [STORED]
        assert await outcomes(there.other, [asked("b", "b2")]) == [STORED]
        assert await outcomes(there.one, [asked("b", "b1")]) == [REUSED]
        assert await outcomes(there.other, [asked("a", "a2")]) == [REUSED]
        await there.one.execute("COMMIT")
        await there.other.execute("COMMIT")
        assert len(await there.messages("a")) == len(await there.messages("b")) == 1

    ran(database, main)


Ask = Callable[[db.Connection, Sequence[Submission]], Awaitable[list[Accepted]]]


@pytest.mark.parametrize(
    ("one_asks", "other_asks"),
    [(outcomes, outcomes), (outcomes_in_the_end, outcomes_in_the_end), (outcomes_in_the_end, outcomes)],
)
def test_two_sessions_race_for_a_hundred_keys(database: str, one_asks: Ask, other_asks: Ask) -> None:
    async def main(there: Sessions) -> None:
        for number in range(15):
            keys = [f"r{number}k{n:03}" for n in range(100)]
            forth, back = [asked(key, key) for key in keys], [asked(key, key) for key in reversed(keys)]
            one, other = await asyncio.gather(one_asks(there.one, forth), other_asks(there.other, back))
            for first, second in zip(one, reversed(other), strict=True):
                assert sorted((first, second))[0] == STORED
                assert sorted((first, second))[1] in (IN_USE, REUSED, TAKEN)  # REUSED: see the statement
        assert await there.look.fetchval("SELECT count(*) FROM msg") == 1500
        assert await there.look.fetchval("SELECT count(*) FROM mt_queue") == 1500
        assert await there.look.fetchval("SELECT count(*) FROM idempotency i JOIN msg USING (msg_id)") == 1500

    ran(database, main)


@pytest.mark.parametrize("form", [lambda submission: submission, priced])
def test_keys_that_are_taken_for_new(database: str, form: Callable[[Submission], Submission]) -> None:
    async def main(there: Sessions) -> None:
        due_at = dt.datetime.fromtimestamp(wall_ms() / 1000 + 600, dt.UTC)
        later = form(asked("later")._replace(due_at=due_at, mccmnc="24001"))
        batch = [form(asked("now")), form(asked(None)), later]
        assert await outcomes(there.one, batch, keys_are_new=True) == [STORED] * 3
        for table, count in (("msg", 3), ("mt_queue", 2), ("mt_later", 1), ("idempotency", 2)):
            assert await there.look.fetchval(f"SELECT count(*) FROM {table}") == count
        assert await idempotency.kept(there.look, 1, "later") == (b"hello", later.msg_id, 2, "24001")
        prices = await there.look.fetch("SELECT DISTINCT price_micro, currency FROM msg")
        assert [tuple(row) for row in prices] == [(None, None) if later.terms is None else (7500, "EUR")]

    ran(database, main)


@pytest.mark.parametrize("form", [lambda submission: submission, priced])
@pytest.mark.parametrize("of_another_request", [False, True])
@pytest.mark.parametrize("state", ["stored", "in work", "looked at in work", "old"])
def test_one_key_that_is_not_new_and_nothing_of_the_batch_is_stored(
    database: str, state: str, of_another_request: bool, form: Callable[[Submission], Submission]
) -> None:
    """Said at once: nobody waits for the end of what is in work."""

    async def main(there: Sessions) -> None:
        if "in work" in state:
            await there.one.execute("BEGIN")
        await outcomes(there.one, [form(asked("k", "k"))], keys_are_new=state != "looked at in work")
        if state == "old":
            await there.look.execute("UPDATE clock SET shift = '24:00:01'")
        again = asked("k", "other" if of_another_request else "k")
        batch = [form(asked("a")), form(again), form(asked(None))]
        with pytest.raises(queue.KeysNotNew):
            await outcomes(there.other, batch, keys_are_new=True)
        await there.one.execute("COMMIT")
        for table in ("msg", "mt_queue", "idempotency"):
            assert await there.look.fetchval(f"SELECT count(*) FROM {table}") == 1
        assert await outcomes_in_the_end(there.other, batch) == [STORED, STORED if state == "old" else TAKEN, STORED]

    ran(database, main)


def test_another_fault_is_not_taken_for_a_key(database: str) -> None:
    async def main(there: Sessions) -> None:
        twice = asked("k")
        with pytest.raises(asyncpg.UniqueViolationError):
            await outcomes(there.one, [twice, twice._replace(key=RequestKey("k2", b"x"))], keys_are_new=True)
        with pytest.raises(asyncpg.DataError):
            await outcomes(there.one, [asked("k", "bad\0")], keys_are_new=True)

    ran(database, main)


def test_a_key_older_than_24_hours_is_taken_anew(database: str) -> None:
    async def main(there: Sessions) -> None:
        assert await outcomes(there.one, [asked("k", "k first")]) == [STORED]
        await there.look.execute("UPDATE clock SET shift = '23:59:59'")
        assert await outcomes(there.one, [asked("k", "k second")]) == [TAKEN]
        await there.look.execute("UPDATE clock SET shift = '24:00:01'")
        assert await idempotency.kept(there.look, 1, "k") is None
        again = asked("k", "k second")
        assert await outcomes(there.one, [again]) == [STORED]
        kept = await idempotency.kept(there.look, 1, "k")
        assert kept is not None
        assert (kept.msg_id, kept.request_hash) == (again.msg_id, b"k second")

    ran(database, main)


def test_old_keys_are_removed_a_bounded_number_at_a_time(database: str) -> None:
    async def main(there: Sessions) -> None:
        await outcomes(there.one, [asked(f"old{n:04}") for n in range(1100)])
        await there.look.execute("UPDATE clock SET shift = '12:00:00'")
        await outcomes(there.one, [asked("young")])
        await there.look.execute("UPDATE clock SET shift = '24:00:01'")
        # One of the old ones is being taken anew.
        await there.one.execute("BEGIN")
        assert await outcomes(there.one, [asked("old0000", "again")]) == [STORED]
        assert await asyncio.wait_for(idempotency.forget(there.other), 5) == 1000
        assert await idempotency.forget(there.other) == 99
        assert await idempotency.forget(there.other) == 0
        await there.one.execute("COMMIT")
        assert await idempotency.forget(there.other) == 0
        rows = await there.look.fetch("SELECT key FROM idempotency ORDER BY key")
        assert [row[0] for row in rows] == ["old0000", "young"]

    ran(database, main)


def test_upkeep_removes_old_keys(database: str) -> None:
    async def look(*_: object) -> None:
        """Receipts are others'."""

    async def join(*_: object) -> int:
        """And so are inbound parts."""
        return 0

    async def main(there: Sessions) -> None:
        await outcomes(there.one, [asked("old")])
        await there.look.execute("UPDATE clock SET shift = '24:00:01'")
        (keys,) = (task for task in Rounds(database, lease_s=5, look=look, join=join).tasks() if task.name == "keys")
        assert [await keys.run(there.other) for _ in range(2)] == [True, False]
        assert await there.look.fetchval("SELECT count(*) FROM idempotency") == 0

    ran(database, main)


# The accepter: what one process knows by itself.


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accept, "_PATIENCE_S", 0.5)
    monkeypatch.setattr(accept, "_LOOK_UP_S", 0.7)


async def answer(future: asyncio.Future[Accepted]) -> Accepted:
    return await asyncio.wait_for(future, 20)


def test_a_process_knows_the_keys_that_it_works_on(database: str) -> None:
    async def main() -> None:
        async with accepting(database) as accepter:
            futures = [accepter.accept(asked("k", body)) for body in ("same", "same", "other")]
            futures += [accepter.accept(asked("k", "same", plan=2)), accepter.accept(asked(None))]
            assert [await answer(future) for future in futures] == [STORED, IN_USE, REUSED, STORED, STORED]
            assert await answer(accepter.accept(asked("k", "same"))) == TAKEN
            assert accepter.in_work(1, RequestKey("k", b"same")) is None

    asyncio.run(main())


@pytest.mark.parametrize("looks_on", [True, False])
def test_after_a_key_that_was_not_new_each_is_looked_at_for_a_while(
    database: str, monkeypatch: pytest.MonkeyPatch, looks_on: bool
) -> None:
    async def main() -> None:
        real, asks = queue.accept, []

        async def watched(
            conn: db.Connection, batch: Sequence[Submission], *, wake: bool, keys_are_new: bool = False
        ) -> dict[UUID, Accepted]:
            asks.append(keys_are_new)
            return await real(conn, batch, wake=wake, keys_are_new=keys_are_new)

        monkeypatch.setattr(queue, "accept", watched)
        monkeypatch.setattr(accept, "_LOOK_AT_KEYS_S", 60.0 if looks_on else 0.0)
        async with accepting(database) as accepter:
            found = [await answer(accepter.accept(asked(key, "x"))) for key in ("k", "l", "k", "m", "m")]
        assert found == [STORED, STORED, TAKEN, STORED, TAKEN]
        assert asks == [True, True, True, False] + ([False, False] if looks_on else [True, True, False])

    asyncio.run(main())


def test_a_session_that_is_just_ending_makes_no_request_another_one(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the two locks of the same request it has let go of one, and lets go of the other after the first look."""

    async def main() -> None:
        async with sessions(database) as there, accepting(database) as accepter:
            real, submission = queue.accept, asked("k", "same")
            assert submission.key is not None
            await there.one.execute("BEGIN")
            await there.one.execute("SELECT pg_advisory_xact_lock(hashtextextended('k', 1))")
            looks = []

            async def watched(
                conn: db.Connection, batch: Sequence[Submission], *, wake: bool, keys_are_new: bool = False
            ) -> dict[UUID, Accepted]:
                refused = await real(conn, batch, wake=wake, keys_are_new=keys_are_new)
                looks.append(list(refused.values()))
                if len(looks) == 1:
                    await there.one.execute("COMMIT")
                return refused

            monkeypatch.setattr(queue, "accept", watched)
            assert await answer(accepter.accept(submission)) == STORED
            assert looks == [[REUSED], []]

    asyncio.run(main())


def test_two_processes_race_for_each_key(database: str) -> None:
    async def main() -> None:
        async with accepting(database) as one, accepting(database) as other:
            for number in range(100):
                both = [accepter.accept(asked(f"k{number}", "x")) for accepter in (one, other)]
                found = sorted([await answer(future) for future in both])
                assert found[0] == STORED
                assert found[1] in (IN_USE, TAKEN)
        assert await counted(database, "msg") == 100

    asyncio.run(main())


def test_a_bad_row_frees_its_key_and_spoils_no_other(database: str) -> None:
    async def main() -> None:
        async with accepting(database) as accepter:
            batch = [asked(f"k{n}", "bad\0" if n == 3 else "good") for n in range(8)]
            found = [await answer(future) for future in [accepter.accept(one) for one in batch]]
            assert found == [Accepted.UNAVAILABLE if n == 3 else STORED for n in range(8)]
            assert await answer(accepter.accept(asked("k3", "good"))) == STORED
        assert await counted(database, "idempotency") == await counted(database, "msg") == 8

    asyncio.run(main())


@pytest.mark.usefixtures("_impatient")
def test_a_key_whose_commit_is_not_known_stays_in_use_until_it_is(database: str) -> None:
    """Also for a process that was asked first after the answer was lost."""

    async def main() -> None:
        async with beside(database) as there, accepting(database) as accepter, accepting(database) as another:
            first = asked("k", "same")
            await there.hold([first])
            future = accepter.accept(first)
            await there.blocked()
            assert await answer(future) == Accepted.OUTCOME_UNKNOWN
            for process in (accepter, another):
                assert await answer(process.accept(asked("k", "same"))) == IN_USE
                assert await answer(process.accept(asked("k", "other"))) == REUSED
            await there.release()
            await idle(there)
            for process in (accepter, another):
                assert await answer(process.accept(asked("k", "same"))) == TAKEN
        assert await counted(database, "msg") == 1

    asyncio.run(main())


async def idle(there: Beside) -> None:
    """Returns once what was under way in the database is over."""
    await there.stored([])


async def counted(dsn: str, table: str) -> int:
    conn = await asyncpg.connect(dsn)
    try:
        return int(await conn.fetchval(f"SELECT count(*) FROM {table}"))
    finally:
        await conn.close()
