"""T46, T45: how long a refusal takes does not tell how much of a token was right, nor whether a message exists."""

from __future__ import annotations

import math
import secrets
import string
import time
from collections.abc import Callable, Sequence
from functools import partial
from statistics import NormalDist
from typing import TypeVar

import pytest

from trunkline.api.exchange import Request
from trunkline.api.token import Tokens
from trunkline.contract.problem import Refusal
from trunkline.domain import token as form
from trunkline.domain.provisioning import AccountId, Provisioning, Token
from trunkline.runtime.clock import wall_ms

pytestmark = pytest.mark.fault
ROUNDS = 20_000
SIGNIFICANT = 0.01
DIGITS = string.digits + string.ascii_letters
T = TypeVar("T")


def wrong(tokens: Sequence[str], *, first: bool) -> str:
    """A well-formed token that is one of `tokens` but for its last ten digits, and for its first or not.

    Each is another one, of any of many tokens: which digits a text has takes its time, too, and its place in a hash
    table, and whether they are right is another question.
    """
    token = secrets.choice(tokens)
    digit = secrets.choice(DIGITS.replace(token[3], "")) if first else token[3]
    head = token[:3] + digit + token[4:36] + secrets.token_hex(5)
    return head + form._checksum(head)


def p_value(first: list[int], second: list[int]) -> float:
    """Of the Mann-Whitney test, two-sided: how likely such a difference is if there is none. Ties share their ranks."""
    ranked = sorted([(value, 0) for value in first] + [(value, 1) for value in second])
    rank_sum, ties, start = 0.0, 0.0, 0
    while start < len(ranked):
        end = start
        while end < len(ranked) and ranked[end][0] == ranked[start][0]:
            end += 1
        mean_rank = (start + 1 + end) / 2
        rank_sum += mean_rank * sum(1 for _, sample in ranked[start:end] if sample == 0)
        ties += (end - start) ** 3 - (end - start)
        start = end
    n, m = len(first), len(second)
    whole = n + m
    u = rank_sum - n * (n + 1) / 2
    spread = math.sqrt(n * m / 12 * (whole + 1 - ties / (whole * (whole - 1))))
    return 2 * (1 - NormalDist().cdf(abs(u - n * m / 2) / spread))


def measured(check: Callable[[T], object], made: Sequence[Callable[[], T]]) -> float:
    """The p-value of `check` over things of two kinds. They are made, and then checked, in an order drawn by lot: by
    turns, the kind would also say where in memory a thing is and what was done just before it."""
    kinds = [0, 1] * ROUNDS
    secrets.SystemRandom().shuffle(kinds)
    things = [made[kind]() for kind in kinds]
    samples: tuple[list[int], list[int]] = ([], [])
    for kind, thing in zip(kinds, things, strict=True):
        started = time.perf_counter_ns()
        check(thing)
        samples[kind].append(time.perf_counter_ns() - started)
    return p_value(*samples)


def test_the_test_sees_a_difference() -> None:
    """A comparison that stops at the first wrong digit, as slow as it would have to be to be seen from a process."""
    right = "x" * 4000

    def naive(text: str) -> bool:
        return all(a == b for a, b in zip(text, right, strict=True))

    assert measured(naive, [lambda: "y" + "x" * 3999, lambda: "x" * 40 + "y" * 3960]) < SIGNIFICANT


def test_the_first_wrong_digit_takes_as_long_as_the_last() -> None:
    issued = [form.issue() for _ in range(2000)]
    known = {
        one.hash: Token(1, AccountId(1), "", one.hash, frozenset({"messages:read"}), None, None, None, None)
        for one in issued
    }
    tokens = Tokens(now_ms=wall_ms)
    picture = Provisioning(1, {}, {}, {}, known, {}, {}, {}, ())
    texts = [one.token for one in issued]

    def request(first: bool) -> Request:
        authorization = b"Bearer " + wrong(texts, first=first).encode()
        return Request(b"GET", b"/", b"", {b"authorization": authorization}, b"", False, "192.0.2.1", "id")

    def check(request: Request) -> None:
        assert isinstance(tokens.check(request, picture, "x"), Refusal)

    # One in a hundred would differ by chance alone: it has to differ twice to count.
    made = [partial(request, True), partial(request, False)]
    assert max(measured(check, made) for _ in range(2)) >= SIGNIFICANT
