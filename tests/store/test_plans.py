"""Every statement fits the schema; those on a message's path touch few pages a row, also when planned on nothing."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
import shutil
from collections.abc import Awaitable, Callable
from hashlib import sha256
from importlib.resources import files
from typing import Any

import asyncpg
import pytest
from embedded_rig import PG15, open_folder, postgresql_15
from plan_stock import CARRIER, EPOCH, LINK, SET_UP, STOCK, Explaining, hold_still

from trunkline.domain.ids import MsgIds
from trunkline.domain.message import RequestKey, Submission
from trunkline.domain.terms import Terms
from trunkline.runtime.clock import wall_ms
from trunkline.store import (
    admission,
    charges,
    db,
    hooks,
    inbound,
    optouts,
    overdue,
    queue,
    receipts,
    refusals,
    settling,
)
from trunkline.store.hooks import Acknowledged, AttemptedHook, Hook
from trunkline.store.inbound import InboundRow, Joined, PartRow, StoredPart
from trunkline.store.migrate import migrate
from trunkline.store.optouts import Change
from trunkline.store.queries import Queries
from trunkline.store.queue import FIRST, AcceptedPart, AttemptedPart, ChargedPart, Claimed, DoubtfulPart, Lane, Requeued
from trunkline.store.receipts import UnparkedReceipt
from trunkline.store.settling import Decides, MatchedReceipt, Move

SQL_FILES = sorted(path.name.removesuffix(".sql") for path in files("trunkline.store").joinpath("sql").iterdir())
BATCH = 100
ORIGIN = "https://a.example"


def queries(file: str) -> Queries:
    return {"settle": settling._SQL, "admission": admission._SQL}.get(file) or Queries(file)


def pasted(file: str) -> set[str]:
    """Pieces that statements of the file share: not statements themselves."""
    text = files("trunkline.store").joinpath("sql", f"{file}.sql").read_text("utf-8")
    return set(re.findall(r"^-- include: (\w+)$", text, re.MULTILINE))


@pytest.mark.parametrize("hot", [False, True], ids=["cold", "hot"])
def test_every_statement_fits_the_schema(database: str, hot: bool) -> None:
    async def main() -> dict[str, str]:
        conn = await db.connect(database, name="test", hot=hot)
        refused = {}
        for file in SQL_FILES:
            for name, statement in queries(file).statements.items():
                if name in pasted(file):
                    continue
                try:
                    await conn.prepare(statement)
                except asyncpg.PostgresError as error:
                    refused[f"{file}.{name}"] = str(error)
        await conn.close()
        return refused

    assert len(SQL_FILES) >= 9
    assert asyncio.run(main()) == {}


def code(text: str) -> str:
    """SQL without its comments."""
    return re.sub(r"--.*", "", text)


def test_the_clock_is_read_once_a_statement() -> None:
    """Bare, it would be called for each row, and two rows of one statement would have two times."""
    bare = re.compile(r"(?<!\(SELECT )trunkline_now\(\)")
    found = {
        f"{file}.{name}"
        for file in SQL_FILES
        for name, statement in queries(file).statements.items()
        if bare.search(re.sub(r"\(\s*SELECT\s+", "(SELECT ", code(statement)))
    }
    assert found == set()


def test_the_server_clock_is_for_leases_alone() -> None:
    uses = {
        f"{file}.{name}"
        for file in SQL_FILES
        for name, statement in queries(file).statements.items()
        if re.search(r"\b(?:now|clock_timestamp|statement_timestamp)\(\)|current_timestamp", code(statement), re.I)
    }
    assert {use for use in uses if not use.startswith("leases.")} == {"mt.claim", "limits.lease"}
    claim = code(queries("mt").claim)
    assert re.findall(r".*(?<!_)\bnow\(\).*", claim) == [
        "      AND (SELECT lease_until FROM dispatcher WHERE epoch = $2) > now()"
    ]


class Depth:
    """Batches out of the stock, as the platform would hand them in."""

    def __init__(self, conn: db.Connection) -> None:
        self.conn = conn
        self.ids = MsgIds()
        self.now = dt.datetime.fromtimestamp(wall_ms() / 1000, dt.UTC)

    async def rows(self, first: int) -> list[Any]:
        """A hundred rows of the stock, spread over plans and time."""
        return await self.conn.fetch(
            "SELECT * FROM stock WHERE n BETWEEN $1 AND $1 + 4500 AND n % 45 = 0 ORDER BY n LIMIT $2", first, BATCH
        )

    def submissions(self, due_at: dt.datetime | None) -> list[Submission]:
        return [
            Submission(
                n % 5 + 1, self.ids.new(wall_ms()), 1, "12345", f"+1555{n:07d}", "x", None, None, None, 0, 1, CARRIER,
                0, 3600, due_at,
            )
            for n in range(BATCH)
        ]  # fmt: skip

    async def accept(self, conn: Any) -> None:
        await queue.accept(conn, self.submissions(None), wake=False)

    async def accept_later(self, conn: Any) -> None:
        await queue.accept(conn, self.submissions(self.now + dt.timedelta(hours=1)), wake=False)

    async def accept_keyed(self, conn: Any) -> None:
        """Every third has a key, every fourth of those one that is taken."""
        batch = self.submissions(None)
        for n, submission in enumerate(batch):
            if n % 3 == 0:
                batch[n] = submission._replace(key=RequestKey(f"key {n + 1}" if n % 4 == 0 else f"new {n}", b"x"))
        await queue.accept(conn, batch, wake=False)

    async def accept_new_keys(self, conn: Any) -> None:
        """Every third has a key."""
        batch = self.submissions(None)
        for n in range(0, len(batch), 3):
            batch[n] = batch[n]._replace(key=RequestKey(f"newer {n}", b"x"))
        await queue.accept(conn, batch, wake=False, keys_are_new=True)

    async def accept_priced(self, conn: Any) -> None:
        batch = [one._replace(terms=Terms(7500, 0, "EUR")) for one in self.submissions(None)]
        await queue.accept(conn, batch, wake=False)

    async def which_stored(self, conn: Any) -> None:
        batch = [Submission(r["plan_id"], r["msg_id"], *[None] * 13) for r in await self.rows(1)]
        await queue.which_stored(conn, batch)

    async def lanes(self, conn: Any) -> None:
        await queue.lanes(conn, CARRIER)

    async def claim(self, conn: Any) -> None:
        lanes = [(Lane(priority, plan), FIRST, 20) for priority in (2, 1, 0) for plan in range(1, 6)]
        await queue.claim(conn, CARRIER, EPOCH, lanes, free_parts=BATCH, alone_parts=0, claim_no=9)

    async def claimed(self, conn: Any, quiet: range = range(0)) -> None:
        """Every other recipient opted out, every third message is a reply."""
        claimed = [Claimed(r["plan_id"], 0, r["msg_id"], 1, 0, False, self.now, self.now) for r in await self.rows(1)]
        await queue.contents(conn, claimed, quiet)

    async def claimed_of_quiet_plans(self, conn: Any) -> None:
        await self.claimed(conn, range(1, 6))

    async def claimed_nobody_opted_out(self, conn: Any) -> None:
        await self.conn.execute("DELETE FROM opt_out")
        await self.conn.execute("VACUUM opt_out")
        await self.claimed(conn)

    async def opt_out(self, conn: Any) -> None:
        rows = await self.rows(1)
        changes = [Change(r["plan_id"], r["recipient"], "12345", r["msg_id"], "stop") for r in rows]
        await optouts.add(conn, changes, actor="recipient", source="recipient")

    async def opt_in(self, conn: Any) -> None:
        rows = await self.rows(1)
        changes = [
            Change(r["plan_id"], r["recipient"], sender, r["msg_id"], "start") for r in rows for sender in ("", "12345")
        ]
        await optouts.remove(conn, changes, actor="recipient")

    async def references(self, conn: Any) -> None:
        """Half of them have one."""
        rows = await self.rows(7_501)
        columns = [[r[name] for r in rows] for name in ("plan_id", "msg_id", "recipient")]
        await conn.fetch(queue._SQL.references, *columns)

    async def why_expired(self, conn: Any) -> None:
        rows = [(r["plan_id"], r["msg_id"], CARRIER, 1, False) for r in await self.rows(1)]
        await overdue.why_expired(conn, rows)

    async def accepted(self, conn: Any) -> None:
        rows = [
            AcceptedPart(f"new{r['n']}", r["recipient"], r["plan_id"], r["msg_id"], 1, 1, LINK, 0, False, r["at"])
            for r in await self.rows(5001)
        ]
        await queue.parts_accepted(conn, CARRIER, rows)

    async def accepted_and_told(self, conn: Any) -> None:
        rows = [
            AcceptedPart(f"new{r['n']}", r["recipient"], r["plan_id"], r["msg_id"], 1, 1, LINK, 0, False, r["at"])
            for r in await self.rows(5001)
        ]
        await queue.parts_accepted(conn, CARRIER, rows, range(1, 6))

    async def accepted_and_charged(self, conn: Any) -> None:
        found = await self.rows(5001)
        rows = [
            AcceptedPart(f"new{r['n']}", r["recipient"], r["plan_id"], r["msg_id"], 1, 1, LINK, 0, False, r["at"])
            for r in found
        ]
        charged = [ChargedPart(r["plan_id"], r["msg_id"], 1, 7500, 0, "EUR", "SE") for r in found]
        await queue.parts_accepted(conn, CARRIER, rows, [], charged)

    async def charged(self, conn: Any) -> None:
        rows = await self.rows(10_001)
        keys = [(r["plan_id"], r["msg_id"]) for r in rows]
        ids = [r["msg_id"] for r in rows]
        await conn.fetch(charges._SQL.charged, keys, min(ids), max(ids))

    async def windows(self, conn: Any) -> None:
        rows = sorted((r["plan_id"], 3, r["recipient"]) for r in await self.rows(1))
        await conn.fetch(admission._SQL.windows, *queue.columns(rows, 3))

    async def balances(self, conn: Any) -> None:
        await conn.fetch(admission._SQL.balances, [1] * BATCH, [r["n"] for r in await self.rows(1)])

    async def attempted(self, conn: Any) -> None:
        rows = [
            AttemptedPart(r["plan_id"], r["msg_id"], 1, LINK, 0, r["at"], "refused", 8, None)
            for r in await self.rows(5001)
        ]
        await queue.parts_attempted(conn, CARRIER, rows)

    async def refusals(self, conn: Any) -> None:
        await refusals.of_messages(conn, [(r["plan_id"], r["msg_id"]) for r in await self.rows(5001)])

    async def requeued(self, first: int) -> list[Requeued]:
        return [
            Requeued(CARRIER, r["plan_id"], r["priority"], r["msg_id"], 2, 1, 1, False, self.now)
            for r in await self.rows(first)
        ]

    async def give_back(self, conn: Any) -> None:
        await queue.give_back(conn, await self.requeued(1))

    async def put_off(self, conn: Any) -> None:
        await queue.put_off(conn, [(row, self.now) for row in await self.requeued(15_001)])

    async def put_in_doubt(self, conn: Any) -> None:
        rows = [DoubtfulPart(r["plan_id"], r["msg_id"], 1, r["recipient"], 901, r["at"]) for r in await self.rows(5001)]
        await queue.put_in_doubt(conn, CARRIER, rows)

    async def cut_otherwise(self, conn: Any) -> None:
        rows = [
            (Claimed(r["plan_id"], r["priority"], r["msg_id"], 1, 0, False, self.now, r["at"]), 2)
            for r in await self.rows(5001)
        ]
        await queue.cut_otherwise(conn, CARRIER, rows)

    async def moves(self) -> list[Move]:
        return [Move(r["plan_id"], r["msg_id"], 2, 0, r["at"], False) for r in await self.rows(10_001)]

    async def apply(self, conn: Any) -> None:
        await settling.apply(conn, await self.moves(), wake=True)

    async def apply_receipts(self, conn: Any) -> None:
        rows = await self.rows(10_001)
        matched = [
            MatchedReceipt(
                LINK, str(r["n"]), r["plan_id"], r["msg_id"], part, "DELIVRD", "000", 2, 0, None, decides, r["at"],
                False,
            )
            for r in rows
            for part, decides in ((1, Decides.MESSAGE), (2, Decides.PART))
        ]  # fmt: skip
        await settling.apply_receipts(conn, CARRIER, matched, range(1, 101), wake=True)

    async def part_states(self, conn: Any) -> None:
        await settling.part_states(conn, [(r["plan_id"], r["msg_id"]) for r in await self.rows(15_001)])

    async def candidates(self, conn: Any) -> None:
        ids = [str(r["n"]) for r in await self.rows(10_001)]
        await receipts.candidates(conn, CARRIER, ids, dt.timedelta(days=4))

    async def park(self, conn: Any) -> None:
        rows = [UnparkedReceipt(f"x{n}", "+15550000000", "12345", LINK, "DELIVRD", "000", 2, 0) for n in range(BATCH)]
        await receipts.park(conn, CARRIER, rows)

    async def parked(self, conn: Any) -> None:
        await receipts.parked(conn, CARRIER, [f"p{r['n']}" for r in await self.rows(1)])

    async def parked_none(self, conn: Any) -> None:
        await receipts.parked(conn, CARRIER, [f"new{n}" for n in range(BATCH)])

    async def hook_lanes(self, conn: Any) -> None:
        await hooks.lanes(conn)

    async def hook_due(self, conn: Any) -> None:
        beginning = hooks.Place.before(dt.datetime(2000, 1, 1, tzinfo=dt.UTC))
        await hooks.due(conn, [(plan, f"https://{x}.example", beginning, 7) for plan in range(1, 6) for x in "abc"])

    async def events(self) -> list[Hook]:
        found = await self.conn.fetch("SELECT * FROM hook_queue ORDER BY msg_id")
        return [
            Hook(r["plan_id"], r["msg_id"], r["n"], 0, r["origin"], r["due_at"], r["url"], True)
            for r in found[:: len(found) // BATCH][:BATCH]
        ]

    async def finals(self, conn: Any) -> None:
        await hooks.finals(conn, await self.events())

    async def acknowledged(self, conn: Any) -> None:
        rows = [Acknowledged(h.plan_id, h.origin, h.due_at, h.msg_id, h.n, 1, 200, 5) for h in await self.events()]
        await hooks.acknowledged(conn, rows)

    async def hooks_attempted(self, conn: Any) -> None:
        rows = [
            AttemptedHook(h.plan_id, h.origin, h.due_at, h.msg_id, h.n, 1, h.url, 500, None, 5, None, 5.0, None)
            for h in await self.events()
        ]
        await hooks.attempted(conn, rows)

    async def died(self, conn: Any) -> None:
        await hooks.died(conn, [(event, "gone") for event in await self.events()])

    async def overtaken(self, conn: Any) -> None:
        await hooks.overtaken(conn, await self.events())

    async def inbound(self, conn: Any, known: bool = False) -> None:
        now_ms = wall_ms()
        digests = [sha256(str(r["n"]).encode()).digest() for r in await self.rows(1)]
        rows = [
            InboundRow(
                n % 5 + 1, self.ids.new(now_ms), 1, CARRIER, LINK, f"+1555{n:07d}", "12345", "YES", None, "YES",
                digest if known else b"new" + digest,
            )
            for n, digest in enumerate(digests)
        ]  # fmt: skip
        since, until = MsgIds().new(now_ms - 24 * 3600_000), MsgIds().new(now_ms + 3600_000)
        await inbound.accept(conn, [(row, 3) for row in rows], since, until)

    async def inbound_again(self, conn: Any) -> None:
        await self.inbound(conn, known=True)

    async def keep_parts(self, conn: Any) -> None:
        rows = [
            PartRow(
                sha256(b"%d" % n).digest()[:16], 3, b"new", CARRIER, LINK, "+1555", "12345", 3, "gsm7", 0, 0, b"x" * 134
            )
            for n in range(BATCH)
        ]
        await inbound.keep_parts(conn, rows)

    async def part_keys(self) -> list[bytes]:
        return [sha256(str(r["n"] // 2).encode()).digest()[:16] for r in await self.rows(1)]

    async def sets(self, conn: Any) -> None:
        await inbound.sets(conn, await self.part_keys())

    async def store_joined(self, conn: Any) -> None:
        rows = [
            InboundRow(1, self.ids.new(wall_ms()), 1, CARRIER, LINK, "+1555", "12345", "long", None, "long", b"%d" % n)
            for n in range(BATCH)
        ]
        await inbound.store_joined(conn, [Joined(row, False, self.now) for row in rows])

    async def end_parts(self, conn: Any) -> None:
        found = await self.conn.fetch(
            "SELECT *, false AS overdue FROM mo_part WHERE set_key = ANY ($1) LIMIT $2", await self.part_keys(), BATCH
        )
        parts = [StoredPart(*(row[name] for name in StoredPart._fields)) for row in found]
        await inbound.end_parts(conn, [(part, self.ids.new(wall_ms()), None) for part in parts])


# The statement, who asks it, and pages touched a row at most: what was measured, and half as much again. A probe of an
# index of two levels and its row are three; an insert touches a page of the table and two or three of each index.
HOT: list[tuple[str, Callable[[Depth, Any], Awaitable[None]], float]] = [
    ("mt.accept", Depth.accept, 13),
    ("mt.accept", Depth.accept_later, 16),
    ("mt.accept_keyed", Depth.accept_keyed, 20),
    ("mt.accept_new_keys", Depth.accept_new_keys, 15),
    ("mt.accept_priced", Depth.accept_priced, 13),
    ("mt.which_stored", Depth.which_stored, 4),
    ("mt.lanes", Depth.lanes, 1),
    ("mt.claim", Depth.claim, 20),
    ("mt.claimed", Depth.claimed, 11),
    ("mt.claimed", Depth.claimed_of_quiet_plans, 15),
    ("mt.references", Depth.references, 12),
    ("upkeep.expired_context", Depth.why_expired, 20),
    ("mt.accepted", Depth.accepted, 20),
    ("mt.accepted_and_told", Depth.accepted_and_told, 33),
    ("mt.accepted_and_told", Depth.accepted_and_charged, 35),
    ("charges.charged", Depth.charged, 5),
    ("admission.windows", Depth.windows, 12),
    ("admission.balances", Depth.balances, 6),
    ("mt.attempted", Depth.attempted, 16),
    ("routing.refusals", Depth.refusals, 6),
    ("mt.give_back", Depth.give_back, 15),
    ("mt.put_off", Depth.put_off, 18),
    ("mt.put_in_doubt", Depth.put_in_doubt, 27),
    ("mt.cut_otherwise", Depth.cut_otherwise, 25),
    ("settle.apply", Depth.apply, 15),
    ("settle.apply_receipts", Depth.apply_receipts, 30),
    ("settle.part_states", Depth.part_states, 24),
    ("dlr.candidates", Depth.candidates, 4),
    ("dlr.park", Depth.park, 9),
    ("dlr.parked", Depth.parked, 4),
    ("dlr.parked", Depth.parked_none, 4),
    ("hooks.lanes", Depth.hook_lanes, 1),
    ("hooks.due", Depth.hook_due, 2),
    ("hooks.finals", Depth.finals, 5),
    ("hooks.acknowledged", Depth.acknowledged, 12),
    ("hooks.attempted", Depth.hooks_attempted, 17),
    ("hooks.died", Depth.died, 13),
    ("hooks.overtaken", Depth.overtaken, 9),
    ("mo.accept", Depth.inbound, 27),
    ("mo.accept", Depth.inbound_again, 31),
    ("mo.keep_parts", Depth.keep_parts, 16),
    ("mo.sets", Depth.sets, 4),
    ("mo.store_joined", Depth.store_joined, 19),
    ("mo.end_parts", Depth.end_parts, 20),
    ("optouts.add", Depth.opt_out, 11),
    ("optouts.remove", Depth.opt_in, 16),
    ("mt.claimed", Depth.claimed_nobody_opted_out, 6),
]


async def touched(dsn: str, planned_on: str) -> list[tuple[str, float, float, list[str]]]:
    """What each statement of HOT touches: its name, pages a row, how many they may be, what is wrong with its plan."""
    conn = await db.connect(dsn, name="test", hot=True)
    beside = await db.connect(dsn, name="beside")
    await hold_still(conn)
    await conn.execute(SET_UP)
    explaining = Explaining(conn)
    names = [*(name for name, _, _ in HOT), "dlr.candidates_by_one", "dlr.parked_by_one"]  # those of older servers
    wanted = {getattr(queries(name.split(".")[0]), name.split(".")[1]) for name in names}
    if planned_on == "nothing":
        for statement in wanted:
            await explaining.prepare(statement)
    await beside.execute(STOCK)
    if planned_on == "full tables":
        await beside.execute("VACUUM ANALYZE")
        for statement in wanted:
            await explaining.prepare(statement)
    depth = Depth(beside)
    found = []
    for name, ask, most in HOT:
        explaining.begin()
        await ask(depth, explaining)
        a_row = explaining.pages / BATCH
        found.append((f"{name} ({ask.__name__})", a_row, most, explaining.complaints(BATCH)))
    await beside.close()
    await conn.close()
    for what, pages, most, complaints in found:
        print(f"{pages:6.1f} of {most:4.0f}  {what} {'; '.join(complaints)}")
    return found


@pytest.mark.parametrize("planned_on", ["nothing", "full tables"])
def test_pages_touched_at_depth(database: str, planned_on: str) -> None:
    found = asyncio.run(touched(database, planned_on))
    assert [one for one in found if one[1] > one[2] or one[3]] == []


@pytest.mark.skipif(not (PG15 / "postgres").exists(), reason="no PostgreSQL 15 server on this machine")
@pytest.mark.parametrize("planned_on", ["nothing", "full tables"])
def test_pages_touched_at_depth_in_the_oldest_server(planned_on: str) -> None:
    folder = open_folder("tl-15-")
    with postgresql_15(folder) as dsn:
        asyncio.run(migrate(dsn))
        found = asyncio.run(touched(dsn, planned_on))
    shutil.rmtree(folder)
    # It begins at the top of an index for each key. What lies between a carrier's repeats it reads: they come together.
    found = [(name, pages, most, wrong if "inbound_again" not in name else []) for name, pages, most, wrong in found]
    assert [one for one in found if one[1] > one[2] * 2 or one[3]] == []


@pytest.mark.parametrize("analyzed", [False, True], ids=["no statistics", "statistics"])
def test_what_is_asked_about_one_message_finds_it_by_its_key(database: str, analyzed: bool) -> None:
    async def main() -> dict[str, tuple[int, list[str]]]:
        conn = await db.connect(database, name="test")
        await hold_still(conn)
        await conn.execute(SET_UP)
        await conn.execute(STOCK)
        if analyzed:
            await conn.execute("VACUUM ANALYZE")
        explaining = Explaining(conn)
        row = await conn.fetchrow("SELECT plan_id, msg_id FROM stock WHERE n = 2500")
        found = {}
        for name, values in [
            ("idempotency.kept", (1, "key 9001")),
            ("mt.withdraw_later", tuple(row)),
            ("mt.withdraw_queued", tuple(row)),
            ("mt.parts", tuple(row)),
        ]:
            statement = getattr(queries(name.split(".")[0]), name.split(".")[1])
            await explaining.prepare(statement)
            explaining.begin()
            await explaining.fetch(statement, *values)
            found[name] = (explaining.pages, explaining.complaints(20))
        await conn.close()
        return found

    found = asyncio.run(main())
    print(found)
    assert {name: one for name, one in found.items() if one[0] > 60 or one[1]} == {}
