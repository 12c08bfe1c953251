"""Which part a receipt is about: the carrier, the id and the recipient must agree.

A receipt may come before the response that tells its id, and in another process. So both sides write, commit, and then
look in a new snapshot: whichever commits last sees the other.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

from trunkline.domain.provisioning import CarrierId
from trunkline.domain.status import Status
from trunkline.settle import apply as settle
from trunkline.store import receipts
from trunkline.store.db import Connection
from trunkline.store.receipts import Candidate
from trunkline.store.settling import MatchedReceipt

# Nearly every receipt comes within hours: the first look touches the partition of this week or two.
RECENT = dt.timedelta(days=4)
# The longest way: sendAt is before the submit; validity 3 days, then 30 days for a correction.
EVER = dt.timedelta(days=35)


def digits(address: str) -> str:
    """An address as it is compared: carriers write numbers with or without + and 00."""
    return address.removeprefix("+").removeprefix("00")


def find(candidates: dict[str, list[Candidate]], canonical_id: str, source: str, destination: str) -> Candidate | None:
    """The newest part with this id whose recipient is either address of the receipt (carriers reuse ids).

    Where neither address is a number at all, the id alone, if only one part has it.
    """
    same_id = candidates.get(canonical_id)
    if not same_id:
        return None
    if len(same_id) == 1 and same_id[0].recipient in (source, destination):
        return same_id[0]  # nearly every receipt
    ends = {digits(source), digits(destination)}
    fitting = [candidate for candidate in same_id if digits(candidate.recipient) in ends]
    if fitting:
        return max(fitting, key=lambda candidate: candidate.sent_at)
    if len(same_id) == 1 and not any(end.isdecimal() and len(end) > 6 for end in ends):
        return same_id[0]
    return None


def by_id(found: Iterable[Candidate]) -> dict[str, list[Candidate]]:
    grouped: dict[str, list[Candidate]] = {}
    for candidate in found:
        grouped.setdefault(candidate.canonical_id, []).append(candidate)
    return grouped


async def look(conn: Connection, carrier_id: CarrierId, ids: Sequence[str]) -> None:
    """Settles parked receipts whose part has become known. Call it after the commit of either side."""
    parked = await receipts.parked(conn, carrier_id, ids)
    if not parked:
        return
    found = by_id(await receipts.candidates(conn, carrier_id, [p.canonical_id for p in parked], EVER))
    matched, unparked = [], []
    for receipt in parked:
        candidate = find(found, receipt.canonical_id, receipt.source, receipt.destination)
        if candidate is None:
            continue
        matched.append(
            MatchedReceipt(
                receipt.link_id, receipt.canonical_id, candidate.plan_id, candidate.msg_id, candidate.part_no,
                receipt.stat, receipt.err, receipt.status, receipt.error_code, receipt.received_at,
                settle.decides(Status(receipt.status), candidate.parts), candidate.sent_at, candidate.resubmitted,
                receipt.mccmnc,
            )
        )  # fmt: skip
        unparked.append(receipt.park_id)
    if matched:
        await settle.apply_receipts(conn, carrier_id, matched, unparked)
