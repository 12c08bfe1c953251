"""A database at depth, and the plans of what is asked of it: for tests of the statements on a message's path."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from trunkline.store.db import Connection

PLANS = 5
CARRIER = LINK = EPOCH = 1
MSG_COUNT, QUEUED_COUNT, INFLIGHT_COUNT, HOOK_COUNT = 20_000, 5_000, 5_000, 5_000

SET_UP = """
INSERT INTO account (public_id, name) VALUES (repeat('1', 24), 'a');
INSERT INTO plan (public_id, account_id, name, dlr_url, sent_events)
    SELECT lpad(n::text, 24, '0'), 1, 'p' || n, 'https://a.example/dlr', true FROM generate_series(1, 5) AS n;
INSERT INTO carrier (name) VALUES ('carrier');
INSERT INTO dispatcher (node, pid, lease_until) VALUES ('n', 1, now() + interval '1 hour');
INSERT INTO carrier_lease (carrier_id, epoch) VALUES (1, 1);
"""

# Three of four messages are the first plan's; one each second, the newest now.
STOCK = """
CREATE TABLE stock AS
SELECT n, CASE WHEN n % 4 = 0 THEN 2 + n / 4 % 4 ELSE 1 END AS plan_id, (n / 4 % 3)::smallint AS priority, at,
       (substr(msg_id_floor(at)::text, 1, 13) || '-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid AS msg_id,
       '+1555' || lpad(n::text, 7, '0') AS recipient
FROM generate_series(1, 20000) AS n, LATERAL (SELECT trunkline_now() - n * interval '1 second' AS at) AS t;
INSERT INTO msg (plan_id, msg_id, account_id, sender, recipient, body, encoding, parts, expires_at, price_micro,
                 ptf_micro, currency)
    SELECT plan_id, msg_id, 1, '12345', recipient, repeat('x', 80), 0, 1, at + interval '3 days', 7500, 0,
           CASE WHEN plan_id > 1 THEN 'EUR' END
    FROM stock;
INSERT INTO mt_queue (carrier_id, plan_id, priority, msg_id, missing, parts, expires_at)
    SELECT 1, plan_id, priority, msg_id, 1, 1, at + interval '3 days' FROM stock WHERE n <= 5000;
INSERT INTO inflight SELECT plan_id, msg_id, 1, 1, 1, n / 100, at, 0, false FROM stock WHERE n BETWEEN 5001 AND 10000;
INSERT INTO ref SELECT 1, n::text, recipient, plan_id, msg_id, 1, 1, 1, 0, false, at, at FROM stock WHERE n > 10000;
INSERT INTO doubt SELECT plan_id, msg_id, 1, 1, recipient, 901, at, at + interval '1 day', 0, false
    FROM stock WHERE n > 15000;
INSERT INTO mt_later SELECT plan_id, msg_id, at + interval '1 day', 1, priority, 1, 1, 0, false, at + interval '3 days'
    FROM stock WHERE n > 15000;
INSERT INTO parked (carrier_id, canonical_id, source, destination, received_at, link_id, status, error_code)
    SELECT 1, 'p' || n, recipient, '12345', at, 1, 2, 0 FROM stock WHERE n <= 5000;
INSERT INTO part_outcome SELECT plan_id, msg_id, 1, 2, 0, false, at FROM stock WHERE n > 15000;
INSERT INTO concat SELECT msg_id, plan_id, hashtextextended(recipient, 0), 0 FROM stock WHERE n > 10000;
INSERT INTO hook_queue (plan_id, origin, due_at, msg_id, n, configured, url)
    SELECT plan_id, 'https://' || chr(97 + n / 4 % 3) || '.example', at, msg_id, 2, true, 'https://a.example/dlr'
    FROM stock WHERE n > 15000;
INSERT INTO mo (plan_id, msg_id, account_id, carrier_id, link_id, sender, recipient, body, digest, received_at, bind_id,
                taken_at)
    SELECT plan_id, msg_id, 1, 1, 1, recipient, '12345', repeat('x', 80), sha256(n::text::bytea), at, 1 + n % 2, at
    FROM stock;
INSERT INTO mo_bind (carrier_id, epoch, alive_at, unsure_from)
    SELECT 1, 1, trunkline_now(), CASE n WHEN 1 THEN trunkline_now() - interval '1 day' END
    FROM generate_series(1, 2) AS n;
INSERT INTO mo_part (set_key, part_no, digest, carrier_id, link_id, source, destination, total, codec, locking, single,
                     octets, received_at, msg_id, joined_at)
    SELECT substr(sha256((n / 2)::text::bytea), 1, 16), 1 + n % 2, substr(sha256(n::text::bytea), 1, 16), 1, 1,
           recipient, '12345', 3, 'gsm7', 0, 0, repeat('x', 140)::bytea, at, CASE WHEN n > 10000 THEN msg_id END,
           CASE WHEN n > 10000 THEN at END
    FROM stock;
INSERT INTO charge SELECT plan_id, msg_id, 1, 7500, 0, 'EUR', 'SE', at FROM stock WHERE n > 10000;
INSERT INTO guard_window SELECT plan_id, 3, recipient, at, 1, '{1}', 0, NULL, at FROM stock WHERE n <= 10000;
INSERT INTO balance SELECT 1, n, 'EUR', 1 FROM stock WHERE n <= 10000;
INSERT INTO reserve SELECT plan_id, msg_id, 1, 1, NULL, 7500, NULL FROM stock WHERE n > 10000;
INSERT INTO opt_out SELECT plan_id, recipient, '12345', at, 'import', 'list' FROM stock WHERE n % 2 = 0;
INSERT INTO keyword_reply SELECT msg_id, plan_id, msg_id, 'help' FROM stock WHERE n % 3 = 0;
INSERT INTO idempotency SELECT plan_id, 'key ' || n, sha256('x'), msg_id, 1, at FROM stock;
"""
# Pages of tables and indexes that all sessions have touched, whatever part of a statement did it (EXPLAIN leaves out
# what a WITH writes that nobody reads).
TOUCHED = """
SELECT sum(heap_blks_read + heap_blks_hit + coalesce(idx_blks_read + idx_blks_hit, 0))::bigint
FROM pg_statio_user_tables
"""


async def hold_still(conn: Connection) -> None:
    """Nothing plans the statements anew behind the test's back: autovacuum's ANALYZE would."""
    for (name,) in await conn.fetch(
        "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    ):
        await conn.execute(f"ALTER TABLE {name} SET (autovacuum_enabled = off)")


class Explaining:
    """A connection that shows what each statement does: prepared at its first use, then run inside EXPLAIN ANALYZE and
    taken back. Gives no rows, and keeps since `begin` the plans in `plans`, the number of pages that were touched in
    `pages`."""

    def __init__(self, conn: Connection) -> None:
        self.conn = conn
        self.plans: list[Node] = []
        self.pages = 0
        self._names: dict[str, str] = {}

    def begin(self) -> None:
        """Forgets what was asked before."""
        self.plans, self.pages = [], 0

    def complaints(self, most: int) -> list[str]:
        return [complaint for plan in self.plans for complaint in plan.complaints(most)]

    def get_server_version(self) -> Any:
        return self.conn.get_server_version()

    async def prepare(self, statement: str) -> None:
        """Prepares and plans it (the generic plan is made at the first execution, by EXPLAIN as well)."""
        name = self._names[statement] = f"s{len(self._names)}"
        await self.conn.execute(f"PREPARE {name} AS {statement}")
        types = await self.conn.fetchval(
            "SELECT parameter_types::text[] FROM pg_prepared_statements WHERE name = $1", name
        )
        values = ", ".join(f"NULL::{kind}" for kind in types)
        await self.conn.execute(f"EXPLAIN EXECUTE {name}" + (f"({values})" if values else ""))

    async def fetch(self, statement: str, *args: Any) -> list[Any]:
        values = ", ".join(map(literal, args))
        call = f"EXECUTE {self._names[statement]}" + (f"({values})" if values else "")
        before = await self._touched()
        transaction = self.conn.transaction()
        await transaction.start()
        text = await self.conn.fetchval(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {call}")
        await transaction.rollback()
        self.pages += await self._touched() - before
        self.plans.append(Node(json.loads(text)[0]["Plan"]))
        return []

    async def _touched(self) -> int:
        await self.conn.execute("SELECT pg_stat_force_next_flush()")
        return int(await self.conn.fetchval(TOUCHED))

    async def fetchval(self, statement: str, *args: Any) -> int:
        await self.fetch(statement, *args)
        return 0


def literal(value: Any) -> str:
    """A value as SQL writes it; an array's type follows from where it stands."""
    if value is None:
        return "NULL"
    if isinstance(value, bool | int | float):
        return str(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "'{" + ",".join(_element(one) for one in value) + "}'"
    return f"'{value.isoformat() if isinstance(value, dt.datetime) else value}'"


def _element(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f'"\\\\x{value.hex()}"'
    if isinstance(value, tuple):  # a row
        return '"(' + ",".join("" if one is None else _element(one).strip('"') for one in value) + ')"'
    assert isinstance(value, bool | int | float | str | UUID | dt.datetime)
    text = value.isoformat() if isinstance(value, dt.datetime) else str(value)
    assert not set(text) & set('"\\(),')
    return f'"{text}"'


class Node:
    """One node of a plan, with those below it."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan = plan
        self.below = [Node(one) for one in plan.get("Plans", [])]

    def __iter__(self) -> Iterator[Node]:
        yield self
        for one in self.below:
            yield from one

    @property
    def kind(self) -> str:
        return str(self.plan["Node Type"])

    def count(self, what: str) -> float:
        """A count of the node over all of its loops."""
        return float(self.plan.get(what, 0)) * float(self.plan.get("Actual Loops", 1))

    def complaints(self, row_count: int) -> list[str]:
        """What a statement about `row_count` rows should not do, anywhere in its plan."""
        found = []
        for node in self:
            where = f"{node.kind} {node.plan.get('Relation Name', '')} {node.plan.get('Index Name', '')}"
            if node.kind in ("Seq Scan", "Bitmap Heap Scan", "Merge Join"):
                found.append(where)
            for what in ("Rows Removed by Filter", "Rows Removed by Join Filter"):
                # A subquery's filter sees what its LIMIT let through.
                if node.kind != "Subquery Scan" and node.count(what) > row_count:
                    found.append(f"{where}: {what} {node.count(what):.0f}")
            if node.kind == "Nested Loop" and node.below[1].count("Actual Rows") > 3 * row_count:
                found.append(f"{where}: reads {node.below[1].count('Actual Rows'):.0f} rows of its inner side")
        return found
