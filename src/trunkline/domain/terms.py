"""On what terms a plan sends, and what of them came to count for one message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from trunkline.domain.guard import Counter


class Purse(NamedTuple):
    """A prepaid balance: that of an account (kind 0) or of a plan (kind 1)."""

    kind: int
    subject_id: int


ACCOUNT, PLAN = 0, 1


class Cap(NamedTuple):
    """What a plan may spend in a day or a month (UTC)."""

    most_micro: int
    per: str  # day, month


@dataclass(frozen=True, slots=True)
class PlanTerms:
    """What a plan's messages cost, and what stops it. Plans without any of it have none."""

    price_list_id: int | None = None  # None: messages have no price
    purse: Purse | None = None  # that its messages are paid from beforehand
    cap: Cap | None = None


class Terms(NamedTuple):
    """Of one message, decided when it is accepted: what each of its parts costs, and what may stand in its way."""

    price_micro: int | None = None  # None: it has no price
    ptf_micro: int | None = None
    currency: str | None = None
    purse: Purse | None = None
    cap: Cap | None = None
    counters: tuple[Counter, ...] = ()

    @property
    def is_judged(self) -> bool:
        """Whether it depends on what others send that the message may be sent."""
        return self.purse is not None or self.cap is not None or bool(self.counters)

    def cost_micro(self, parts: int) -> int:
        """What so many parts cost in all."""
        return ((self.price_micro or 0) + (self.ptf_micro or 0)) * parts
