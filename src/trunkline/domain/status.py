"""The life of a message: its five statuses and the moves between them, written once.

Everything that guards a move (the SQL of `store`, the checks of `settle`) is derived from `MOVES`.
"""

from __future__ import annotations

from enum import IntEnum


class Status(IntEnum):
    """A message's status; the number is what the database stores."""

    QUEUED = 0
    SENT = 1
    DELIVERED = 2
    FAILED = 3
    UNKNOWN = 4


FINAL = frozenset({Status.DELIVERED, Status.FAILED, Status.UNKNOWN})

# Forward only. UNKNOWN may be corrected once, by a late receipt (the correction is flagged `late`);
# DELIVERED and FAILED are absorbing.
MOVES: dict[Status, frozenset[Status]] = {
    Status.QUEUED: frozenset({Status.SENT, Status.DELIVERED, Status.FAILED, Status.UNKNOWN}),
    Status.SENT: frozenset({Status.DELIVERED, Status.FAILED, Status.UNKNOWN}),
    Status.UNKNOWN: frozenset({Status.DELIVERED, Status.FAILED}),
    Status.DELIVERED: frozenset(),
    Status.FAILED: frozenset(),
}

# A receipt replaces UNKNOWN only this long after the message's final time.
LATE_DAYS = 30


def allowed(old: Status, new: Status) -> bool:
    """Whether a message may go from `old` to `new`."""
    return new in MOVES[old]


def final_sources(new: Status) -> frozenset[Status]:
    """The *final* statuses that `new` may replace: the guard of the one UPDATE that settles a message."""
    return frozenset(old for old in FINAL if new in MOVES[old])
