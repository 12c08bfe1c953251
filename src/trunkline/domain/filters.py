"""What a list of messages is narrowed by."""

from __future__ import annotations

from dataclasses import dataclass

from trunkline.domain.status import Status

WINDOW_MS = 31 * 86_400_000  # the widest window of one list


@dataclass(frozen=True, slots=True)
class Filters:
    """None: not narrowed by it. The window is over the time of acceptance, in ms since 1970, both ends inclusive."""

    inbound: bool
    sender: str | None
    recipient: str | None
    status: Status | None
    country: str | None
    mccmnc: str | None
    from_ms: int
    to_ms: int
