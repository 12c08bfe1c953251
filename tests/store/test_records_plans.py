"""The plans of the reading statements at depth: what they touch is bounded, whatever they are planned on."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import UUID

import pytest
from records_stock import DAY_MS, NOW_MS, fill, make_partitions

from trunkline.store import db
from trunkline.store.queries import Queries

SQL = Queries("records")
READER = Queries("reader")
OWNERS = """
INSERT INTO account (public_id, name) SELECT repeat(n::text, 24), 'account' FROM generate_series(1, 2) AS n;
INSERT INTO plan (public_id, account_id, name)
    SELECT lpad(n::text, 24, '0'), 1 + n / 3 % 2, 'plan' FROM generate_series(1, 1000) AS n;
"""
SMALL, LARGE = 1, 2
SCAN = 1000
LOW, HIGH = UUID(int=NOW_MS - 31 * DAY_MS << 80), UUID(int=NOW_MS + 1 << 80)

TYPES = "int, uuid, uuid, int, int, text, text, text, smallint"
STATEMENTS = {
    "get": "int, uuid",
    "page": TYPES,
    "page_recipient": TYPES + ", text",
    "page_inbound": "int, uuid, uuid, int, int, text, text",
}

# Buffers: 31 to 46 partitions have to be opened by their roots (2 levels each) where a window spans them.
CASES: list[tuple[str, int, dict[str, str], int]] = [
    # statement, plan, filters by parameter, buffers at most
    ("page", LARGE, {}, 100),
    ("page", SMALL, {}, 150),
    ("page", LARGE, {"$6": "'Rare'"}, 100),
    ("page", LARGE, {"$7": "'NL'"}, 100),
    ("page", LARGE, {"$8": "'310260'"}, 150),
    ("page", LARGE, {"$9": "3"}, 50),
    ("page", LARGE, {"$9": "0"}, 500),
    ("page", LARGE, {"$9": "1"}, 500),
    # nothing kept: the whole scan, and no more
    ("page", LARGE, {"$6": "'nobody'"}, 100),
    ("page", LARGE, {"$9": "2"}, 100),
    ("page", LARGE, {"$9": "1", "$6": "'nobody'"}, 100),
    ("page_recipient", LARGE, {"$10": "'+15550000007'"}, 500),
    ("page_recipient", LARGE, {"$10": "'+19990000000'"}, 150),
    ("page_inbound", LARGE, {}, 150),
]


@pytest.mark.parametrize("planned_on", ["nothing", "full tables"])
def test_buffers_touched_at_depth(database: str, planned_on: str) -> None:
    """Under the role of customers' reads, whose policies are part of each plan, and as the login (rls = off)."""

    async def main() -> list[tuple[str, int, int]]:
        login = await db.connect(database, name="test")
        await login.execute(OWNERS)
        await make_partitions(login)
        reader = await db.connect(database, name="read")
        await reader.execute(f"{READER.become} SET trunkline.account = 1")
        assert await reader.fetchval(READER.is_held)
        if planned_on == "nothing":
            await prepare(login, reader)
        await fill(login, SMALL, 200)
        await fill(login, LARGE, 40_000)
        if planned_on == "full tables":
            await login.execute("VACUUM ANALYZE")
            await prepare(login, reader)
        query = "SELECT msg_id FROM msg WHERE plan_id = $1 AND status IS NULL LIMIT 1"
        msg_id = await login.fetchval(query, LARGE)
        found = []
        for conn, who in ((login, "login"), (reader, "reader")):
            for mode in ("force_generic_plan", "force_custom_plan"):
                await conn.execute(f"SET plan_cache_mode = {mode}")
                for name, plan_id, given, most in CASES:
                    buffers = await touched(conn, name, plan_id, given)
                    found.append((f"{who} {mode} {name} {plan_id} {given}", buffers, most))
                buffers = total(await explain(conn, f"EXECUTE get({LARGE}, '{msg_id}')"))
                found.append((f"{who} {mode} get", buffers, 40))
            await conn.close()
        return found

    found = asyncio.run(main())
    for what, buffers, most in found:
        print(f"{buffers:6d} of {most:6d}  {what}")
    assert [one for one in found if one[1] > one[2]] == []


async def prepare(*conns: db.Connection) -> None:
    for conn in conns:
        for name, types in STATEMENTS.items():
            await conn.execute(f"PREPARE {name} ({types}) AS {getattr(SQL, name)}")


async def touched(conn: db.Connection, name: str, plan_id: int, given: dict[str, str]) -> int:
    values = [str(plan_id), f"'{LOW}'", f"'{HIGH}'", str(SCAN), "21"]
    count = STATEMENTS[name].count(",") + 1
    values += [given.get(f"${place}", "NULL") for place in range(6, count + 1)]
    return total(await explain(conn, f"EXECUTE {name}({', '.join(values)})"))


async def explain(conn: db.Connection, statement: str) -> Any:
    text = await conn.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {statement}")
    return json.loads(text)[0]["Plan"]


def total(plan: Any) -> int:
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
