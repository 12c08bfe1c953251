"""Messages at some station of their trip, written straight into the tables: for tests of what upkeep does to them."""

from __future__ import annotations

from uuid import UUID

from trunkline.domain.ids import MsgIds
from trunkline.runtime.clock import wall_ms
from trunkline.store.db import Connection

IDS = MsgIds()
ONCE, AT_LEAST_ONCE = 1, 2  # plans
CARRIER, OTHER_CARRIER = 1, 2

SET_UP = """
INSERT INTO account (public_id, name) VALUES (repeat('1', 24), 'a');
INSERT INTO plan (public_id, account_id, name, resolve_after_s, priority) VALUES (repeat('2', 24), 1, 'once', 600, 0);
INSERT INTO plan (public_id, account_id, name, resolve_after_s, priority, at_least_once)
    VALUES (repeat('3', 24), 1, 'at least once', 20, 5, true);
INSERT INTO carrier (name) VALUES ('one'), ('other');
"""


async def accepted(conn: Connection, *, plan: int = ONCE, parts: int = 1, validity_s: int = 259_200) -> UUID:
    """A message as it stands after its acceptance, in no queue."""
    msg_id = IDS.new(wall_ms())
    await conn.execute(
        "INSERT INTO msg (plan_id, msg_id, account_id, sender, recipient, body, encoding, parts, expires_at)"
        " VALUES ($1, $2, 1, '12345', '+15550001111', 'hi', 0, $3, trunkline_now() + $4 * interval '1 second')",
        plan, msg_id, parts, float(validity_s),
    )  # fmt: skip
    return msg_id


async def queued(
    conn: Connection, msg_id: UUID, *, plan: int = ONCE, missing: int = 1, later_s: float | None = None
) -> None:
    """In the queue of the carrier, or (`later_s`) in the one of what is put off."""
    await conn.execute(
        f"""
        INSERT INTO {"mt_queue" if later_s is None else "mt_later"}
            (carrier_id, plan_id, priority, msg_id, missing, parts, expires_at {"" if later_s is None else ", due_at"})
        SELECT 1, plan_id, 0, msg_id, $3::bigint, $4::smallint, expires_at
            {"" if later_s is None else f", trunkline_now() + {later_s} * interval '1 second'"}
        FROM msg WHERE plan_id = $1 AND msg_id = $2
        """,
        plan, msg_id, missing, missing.bit_count(),
    )  # fmt: skip


async def inflight(
    conn: Connection, msg_id: UUID, epoch: int, *, plan: int = ONCE, part_no: int = 1, resubmitted: bool = False
) -> None:
    await conn.execute(
        "INSERT INTO inflight VALUES ($1, $2, $3, 1, $4, 1, trunkline_now(), 0, $5)",
        plan, msg_id, part_no, epoch, resubmitted,
    )  # fmt: skip


async def doubtful(
    conn: Connection, msg_id: UUID, *, plan: int = ONCE, part_no: int = 1, code: int = 901, resubmitted: bool = False
) -> None:
    """In doubt, and the time for it is over."""
    await conn.execute(
        "INSERT INTO doubt VALUES ($1, $2, $3, 1, '+15550001111', $4, trunkline_now() - interval '1 hour',"
        " trunkline_now() - interval '1 second', 1, $5)",
        plan, msg_id, part_no, code, resubmitted,
    )  # fmt: skip


async def taken(conn: Connection, msg_id: UUID, *, plan: int = ONCE, part_no: int = 1, parts: int = 1) -> None:
    """The carrier accepted the part."""
    await conn.execute(
        "INSERT INTO ref VALUES (1, $3, '+15550001111', $1, $2, $4, $5, 1, 0, false, trunkline_now(), trunkline_now())",
        plan, msg_id, f"id{part_no}", part_no, parts,
    )  # fmt: skip


async def end(conn: Connection, msg_id: UUID) -> tuple[int | None, int, bool]:
    """(status, error code, resubmitted) as the record has it."""
    row = await conn.fetchrow("SELECT status, error_code, resubmitted FROM msg WHERE msg_id = $1", msg_id)
    return row[0], row[1], row[2]


async def passes(conn: Connection, seconds: float) -> None:
    """Time goes on."""
    await conn.execute("UPDATE clock SET shift = shift + $1 * interval '1 second'", float(seconds))
