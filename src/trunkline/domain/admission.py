"""Which messages of a batch may be sent, by what is left to spend and what the guard's windows hold: exact to one.

Pure: the rows that this goes by are held by whoever asks (`mt/admit`), so nobody else changes them meanwhile.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from trunkline.domain.guard import CODES, Counter, Rule
from trunkline.domain.message import Submission
from trunkline.domain.provisioning import PlanId
from trunkline.domain.terms import Purse

NO_BALANCE = 601

WindowKey = tuple[PlanId, Rule, str]


@dataclass(slots=True)
class Balance:
    """What is left in a purse; `empty_since` is set while it is known that it did not cover a message."""

    currency: str
    left_micro: int
    empty_since: dt.datetime | None = None


@dataclass(slots=True)
class Spend:
    """What a plan has spent in the period that it is now."""

    period: str
    spent_micro: int
    reached_at: dt.datetime | None = None


@dataclass(slots=True)
class Window:
    """What a rule has counted since `began_at`, and what it stopped."""

    began_at: dt.datetime
    counted: int = 0
    numbers: set[int] = field(default_factory=set)
    stopped: int = 0
    stopped_at: dt.datetime | None = None

    def is_over(self, now: dt.datetime, window_s: int) -> bool:
        """Whether it begins anew: it is old, and has stopped nothing for as long."""
        return now - max(self.began_at, self.stopped_at or self.began_at) >= dt.timedelta(seconds=window_s)

    def has_room(self, counter: Counter) -> bool:
        return self.counted < counter.most or (counter.number is not None and counter.number in self.numbers)

    def count(self, counter: Counter) -> None:
        if counter.number is None:
            self.counted += 1
        elif counter.number not in self.numbers:
            self.numbers.add(counter.number)
            self.counted += 1


class Admission:
    """Judges messages one after the other. What it changes in what it was given is what has to be stored.

    `news`: what stopped a message for the first time, as the purse, the plan whose cap it was, or the window.
    """

    def __init__(
        self,
        now: dt.datetime,
        balances: Mapping[Purse, Balance],
        spends: Mapping[PlanId, Spend],
        windows: Mapping[WindowKey, Window],
    ) -> None:
        """A purse without a balance is empty. Every plan with a cap has a spend, every counter a window."""
        self._now = now
        self._balances = balances
        self._spends = spends
        self._windows = windows
        self.news: list[Purse | PlanId | WindowKey] = []

    def judge(self, message: Submission) -> int | None:
        """The code that the message ends with, or None: it may be sent, and counts from now on."""
        terms = message.terms
        if terms is None:
            return None
        for counter in terms.counters:
            window = self._windows[message.plan_id, counter.rule, counter.key]
            if window.is_over(self._now, counter.window_s):
                window.began_at, window.counted, window.stopped, window.stopped_at = self._now, 0, 0, None
                window.numbers.clear()
            if not window.has_room(counter):
                if window.stopped_at is None:
                    self.news.append((message.plan_id, counter.rule, counter.key))
                window.stopped += 1
                window.stopped_at = self._now
                return CODES[counter.rule]
        if not self._is_covered(message):
            return NO_BALANCE
        for counter in terms.counters:
            self._windows[message.plan_id, counter.rule, counter.key].count(counter)
        return None

    def _is_covered(self, message: Submission) -> bool:
        """Whether there is money for the message; if so it is taken."""
        terms = message.terms
        assert terms is not None
        cost = terms.cost_micro(message.parts)
        balance = None if terms.purse is None else self._balances.get(terms.purse)
        if terms.purse is not None and (
            balance is None or balance.currency != terms.currency or balance.left_micro < cost
        ):
            if balance is not None and balance.empty_since is None:
                balance.empty_since = self._now
                self.news.append(terms.purse)
            return False
        spend = None if terms.cap is None else self._spends[message.plan_id]
        if spend is not None and terms.cap is not None and spend.spent_micro + cost > terms.cap.most_micro:
            if spend.reached_at is None:
                spend.reached_at = self._now
                self.news.append(message.plan_id)
            return False
        if balance is not None:
            balance.left_micro -= cost
        if spend is not None:
            spend.spent_micro += cost
        return True
