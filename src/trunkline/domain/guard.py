"""What artificial traffic looks like: rules of a plan about whom it writes to, and what each of them counts.

A rule counts in windows: of messages to one recipient or to what begins with a prefix, or of different numbers in one
range. Once a window has all that its rule allows, what comes on top is stopped, and the window stays shut for as long
as more keeps coming.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

RANGE_DIGITS, SEQUENCE_DIGITS = 4, 2  # ranges of 10,000 numbers, blocks of 100
BLOCKED_WINDOW_S = 3600  # after so long without a message to a blocked range the next one is news again


class Rule(IntEnum):
    """The numbers are those that are stored."""

    BLOCKED = 0
    RECIPIENT = 1
    PREFIX = 2
    RANGE = 3
    SEQUENCE = 4


CODES: Mapping[Rule, int] = {
    Rule.BLOCKED: 609, Rule.RECIPIENT: 608, Rule.PREFIX: 608, Rule.RANGE: 607, Rule.SEQUENCE: 607
}  # fmt: skip


class Limit(NamedTuple):
    """At most so many in so many seconds."""

    most: int
    window_s: int


@dataclass(frozen=True, slots=True)
class Guard:
    """A plan's rules; what is None or empty is not watched."""

    recipient: Limit | None = None  # messages to one number
    range: Limit | None = None  # different numbers of one range
    sequence: Limit | None = None  # different numbers of one block
    velocity: tuple[tuple[str, Limit], ...] = ()  # messages to what begins with a prefix ("+" and digits)
    blocked: frozenset[str] = frozenset()  # prefixes


class Counter(NamedTuple):
    """What one message counts for. `number` is what counts but once in a window; None: each message counts."""

    rule: Rule
    key: str
    most: int
    window_s: int
    number: int | None


def counters_of(guard: Guard | None, blocked: frozenset[str], recipient: str) -> tuple[Counter, ...]:
    """What a message to `recipient` counts for, by its plan's rules and the prefixes that are blocked for everybody."""
    stopped = blocked_by(blocked, recipient) or (guard is not None and blocked_by(guard.blocked, recipient))
    if stopped:
        return (Counter(Rule.BLOCKED, stopped, 0, BLOCKED_WINDOW_S, None),)
    if guard is None:
        return ()
    found = []
    if guard.recipient is not None:
        found.append(Counter(Rule.RECIPIENT, recipient, *guard.recipient, None))
    for prefix, velocity in guard.velocity:
        if recipient.startswith(prefix):
            found.append(Counter(Rule.PREFIX, prefix, *velocity, None))
    for rule, digits, limit in (
        (Rule.SEQUENCE, SEQUENCE_DIGITS, guard.sequence),
        (Rule.RANGE, RANGE_DIGITS, guard.range),
    ):
        if limit is not None:
            found.append(Counter(rule, recipient[:-digits], *limit, int(recipient[-digits:])))
    return tuple(found)


def blocked_by(prefixes: frozenset[str], recipient: str) -> str | None:
    """The shortest of some prefixes that a number begins with."""
    if not prefixes:
        return None
    for length in range(2, len(recipient) + 1):
        if recipient[:length] in prefixes:
            return recipient[:length]
    return None


def shown(rule: Rule, key: str) -> str:
    """A window's key as people may read it: the numbers behind it, never a whole one."""
    if rule is Rule.RECIPIENT:
        return f"{key[:-4]}xxxx"
    return key + "x" * {Rule.RANGE: RANGE_DIGITS, Rule.SEQUENCE: SEQUENCE_DIGITS}.get(rule, 0)
