"""No receipt comes, or one long after: UNKNOWN once the wait is over, one correction within thirty days."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import pytest
from receipt_ground import Ground, on_ground

from trunkline.settle import apply as settle
from trunkline.store import partitions
from trunkline.upkeep import overdue

VALIDITY_S, DAY_S = 3 * 86400, 86400


async def told(ground: Ground) -> list[int]:
    """The events of webhooks so far, by their number."""
    return [row[0] for row in await ground.conn.fetch("SELECT n FROM hook_queue ORDER BY n")]


async def to_day(ground: Ground, day: float) -> None:
    """The time, with the partitions that upkeep would have made by then."""
    await ground.conn.execute("UPDATE clock SET shift = $1 * interval '1 day'", float(day))
    await partitions.attach_ahead(ground.conn)


async def looked(ground: Ground, grace_s: int = overdue.RECEIPT_GRACE_S) -> None:
    await overdue.WithoutReceipt(grace_s).run(ground.conn)


async def late(ground: Ground, msg_id: UUID) -> bool:
    found: bool = await ground.conn.fetchval("SELECT late FROM msg WHERE msg_id = $1", msg_id)
    return found


@pytest.mark.parametrize("grace_s", [overdue.RECEIPT_GRACE_S, 600])
def test_at_the_end_of_the_wait_and_not_before(database: str, grace_s: int) -> None:
    async def main(ground: Ground) -> None:
        msg_id = await ground.sent("7")
        await ground.passes(VALIDITY_S + grace_s - 60)
        await looked(ground, grace_s)
        assert (await ground.end(msg_id), await told(ground)) == (("SENT", 0), [])
        await ground.passes(120)
        await looked(ground, grace_s)
        assert (await ground.end(msg_id), await told(ground)) == (("UNKNOWN", 703), [2])
        await looked(ground, grace_s)
        assert await told(ground) == [2]

    on_ground(database, main)


def test_the_carriers_own_end_comes_first(database: str) -> None:
    async def main(ground: Ground) -> None:
        msg_id = await ground.sent("7")
        await ground.passes(VALIDITY_S + 5)
        await ground.receipt("id:7 stat:EXPIRED err:000")
        await ground.passes(DAY_S)
        await looked(ground)
        assert (await ground.end(msg_id), await told(ground)) == (("FAILED", 701), [2])

    on_ground(database, main)


@dataclass(frozen=True)
class Size:
    count: int


@pytest.mark.parametrize(
    "size", [pytest.param(Size(3), id="short"), pytest.param(Size(900), id="full", marks=pytest.mark.fault)]
)
def test_corrected_once(database: str, size: Size) -> None:
    """On day 5 it is delivered after all, and told; what comes then is kept and counted, and changes nothing."""

    async def main(ground: Ground) -> None:
        sent = {str(n): (await ground.sent(str(n)), ground.last) for n in range(1, size.count + 1)}
        await to_day(ground, 3.6)
        await looked(ground)
        await to_day(ground, 5)
        for raw_id, (msg_id, number) in sent.items():
            assert await ground.end(msg_id) == ("UNKNOWN", 703)
            await ground.receipt(f"id:{raw_id} stat:DELIVRD err:000", source=number)
            assert (await ground.end(msg_id), await late(ground, msg_id)) == (("DELIVERED", 0), True)
        assert await told(ground) == [2] * size.count + [3] * size.count
        conflicts = settle._CONFLICTS.of().value
        for raw_id, (msg_id, number) in sent.items():
            await ground.receipt(f"id:{raw_id} stat:UNDELIV err:001", source=number)
            assert await ground.end(msg_id) == ("DELIVERED", 0)
        assert settle._CONFLICTS.of().value - conflicts == size.count
        assert await told(ground) == [2] * size.count + [3] * size.count
        assert await ground.conn.fetchval("SELECT count(*) FROM receipt") == 2 * size.count

    on_ground(database, main, within_s=100)


@pytest.mark.parametrize(("day", "moved"), [(33, True), (34, False), (40, False)])
def test_thirty_days_and_no_longer(database: str, day: int, moved: bool) -> None:
    """From the message's final time, which is three days and a half after it was sent."""

    async def main(ground: Ground) -> None:
        msg_id = await ground.sent("7")
        await to_day(ground, 3.6)
        await looked(ground)
        await to_day(ground, day)
        await ground.receipt("id:7 stat:DELIVRD err:000")
        assert await ground.end(msg_id) == (("DELIVERED", 0) if moved else ("UNKNOWN", 703))
        kept = await ground.conn.fetchval("SELECT count(*) FROM receipt") + await ground.parked()
        assert (kept, await told(ground)) == (1, [2, 3] if moved else [2])

    on_ground(database, main)
