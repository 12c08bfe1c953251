"""What becomes of a message with several parts: a pure rule over what is known of them.

A handset cannot show a partial message: DELIVERED only when all parts are, FAILED as soon as one part finally fails.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from trunkline.domain.status import Status

PARTS_REFUSED = 464
PARTLY_DELIVERED = 801
PARTLY_UNRESOLVED = 802
NO_RECEIPT = 703
NOT_UNDERSTOOD = 905


class Outcome(NamedTuple):
    """How one part ended; `at_submit`: the carrier refused it in submit_sm_resp. SENT: the carrier has it, and sends
    no receipt of it."""

    part_no: int
    status: int
    error_code: int
    at_submit: bool


def verdict(parts: int, accepted: Collection[int], outcomes: Sequence[Outcome]) -> tuple[Status, int] | None:
    """(status, error code) that the outcomes, in the order they came, amount to; None: still open.

    The failure that came first decides. 801 where another part was delivered before it; 464 where it is a refusal at
    submit after another part was accepted; else its own code. Parts that no receipt comes of leave it to the others.
    """
    delivered = False
    unresolved = []
    for outcome in outcomes:
        if outcome.status == Status.SENT:
            continue
        if outcome.status == Status.DELIVERED:
            delivered = True
        elif outcome.status == Status.UNKNOWN:
            unresolved.append(outcome.error_code)
        elif delivered:
            return Status.FAILED, PARTLY_DELIVERED
        elif outcome.at_submit and any(part != outcome.part_no for part in accepted):
            return Status.FAILED, PARTS_REFUSED
        else:
            return Status.FAILED, outcome.error_code
    if len({outcome.part_no for outcome in outcomes}) < parts:
        return None
    if not unresolved:
        return (Status.DELIVERED, 0) if delivered else None
    alike = not delivered and len(set(unresolved)) == 1
    return Status.UNKNOWN, unresolved[0] if alike else PARTLY_UNRESOLVED


def overdue(parts: int, outcomes: Sequence[Outcome], *, not_understood: bool) -> int:
    """The code of an open message whose time for receipts is over: 802 where some parts were told, else 905 where the
    last receipt was not understood, else 703."""
    if parts > 1 and any(outcome.status != Status.SENT for outcome in outcomes):
        return PARTLY_UNRESOLVED
    return NOT_UNDERSTOOD if not_understood else NO_RECEIPT
