"""The recorder of the database: what it holds once everything is quiet, one JSON line a row."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

# How much is not over yet: messages without a final status, events to tell, work under way; and receipts that wait
# although their part is known, because the answer to storing one was lost (upkeep looks again).
OPEN = """
SELECT (SELECT count(*) FROM msg WHERE status IS NULL) + (SELECT count(*) FROM hook_queue)
     + (SELECT count(*) FROM inflight) + (SELECT count(*) FROM doubt)
     + (SELECT count(*) FROM parked p WHERE EXISTS (
           SELECT FROM ref r WHERE r.carrier_id = p.carrier_id AND r.canonical_id = p.canonical_id))
     + (SELECT count(*) FROM reserve JOIN msg USING (plan_id, msg_id) WHERE status IN (2, 3) AND NOT msg.resubmitted)
"""

WHERE_OPEN = """
SELECT (SELECT count(*) FROM mt_queue) AS queued, (SELECT count(*) FROM mt_later) AS later,
       (SELECT count(*) FROM inflight) AS inflight, (SELECT count(*) FROM doubt) AS doubt,
       (SELECT count(*) FROM parked) AS parked, (SELECT count(*) FROM hook_queue) AS hooks,
       (SELECT count(*) FROM msg WHERE status IS NULL) AS open,
       (SELECT count(*) FROM msg m WHERE status IS NULL AND EXISTS (
           SELECT FROM ref WHERE ref.plan_id = m.plan_id AND ref.msg_id = m.msg_id)) AS sent,
       (SELECT array_agg(d.epoch || ':' || d.lease_until) FROM dispatcher d) AS leases,
       (SELECT array_agg(c.carrier_id || '>' || c.epoch) FROM carrier_lease c) AS carriers, now()
"""

_TABLES = {
    "msg": "SELECT msg_id, recipient, body, callback_url, parts, status, error_code, resubmitted, late,"
    " price_micro, ptf_micro, currency FROM msg",
    "ref": "SELECT canonical_id, recipient, msg_id, part_no, resubmitted FROM ref",
    "attempt": "SELECT msg_id, part_no, outcome, command_status FROM attempt",
    "receipt": "SELECT r.canonical_id, coalesce(r.recipient, m.recipient) AS recipient, r.msg_id, r.part_no, r.stat"
    " FROM receipt r LEFT JOIN msg m USING (plan_id, msg_id)",
    "parked": "SELECT canonical_id, source, destination, stat FROM parked",
    "charge": "SELECT c.msg_id, c.part_no, c.price_micro, c.ptf_micro, c.currency, t.prepaid AS kind,"
    " CASE t.prepaid WHEN 0 THEN p.account_id WHEN 1 THEN p.plan_id END AS subject_id"
    " FROM charge c JOIN plan p USING (plan_id) LEFT JOIN term t USING (plan_id)",
    "balance": "SELECT kind, subject_id, left_micro, (SELECT coalesce(sum(micro), 0)::bigint FROM balance_entry e"
    " WHERE e.kind = b.kind AND e.subject_id = b.subject_id) AS added_micro FROM balance b",
    "reserve": "SELECT msg_id, kind, subject_id, held_micro FROM reserve",
    "hook_attempt": "SELECT msg_id, n, tries, status, failure FROM hook_attempt",
    "hook_dead": "SELECT msg_id, n, reason FROM hook_dead",
    "hook_queue": "SELECT msg_id, n, tries FROM hook_queue",
    "inflight": "SELECT msg_id, part_no, epoch FROM inflight",
    "doubt": "SELECT msg_id, part_no, code FROM doubt",
}


async def dump(dsn: str, file: Path) -> list[dict[str, Any]]:
    """Writes the ledger and returns it."""
    conn = await asyncpg.connect(dsn)
    try:
        rows = []
        async with conn.transaction(isolation="repeatable_read", readonly=True):
            for table, select in _TABLES.items():
                rows += [{"k": table, **dict(row)} for row in await conn.fetch(select)]
    finally:
        await conn.close()
    lines = [msgspec.json.encode(row) for row in rows]
    file.write_bytes(b"\n".join(lines) + b"\n")
    return [msgspec.json.decode(line) for line in lines]


if __name__ == "__main__":
    asyncio.run(dump(sys.argv[1], Path(sys.argv[2])))
