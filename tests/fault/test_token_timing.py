"""T46, T45: how long a refusal takes does not tell how much of a token was right, nor whether a message exists."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from statistics import NormalDist

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


def changed(text: str, place: int) -> str:
    """A well-formed token that differs in one digit of the secret."""
    head = text[:46]
    digit = "0" if head[place] != "0" else "1"
    head = head[:place] + digit + head[place + 1 :]
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


def measured(check: Callable[[str], object], texts: tuple[str, str]) -> float:
    samples: tuple[list[int], list[int]] = ([], [])
    for number in range(2 * ROUNDS):
        which = number % 2 if number // 2 % 2 else 1 - number % 2  # neither is always the second
        started = time.perf_counter_ns()
        check(texts[which])
        samples[which].append(time.perf_counter_ns() - started)
    return p_value(*samples)


def test_the_test_sees_a_difference() -> None:
    """A comparison that stops at the first wrong digit, as slow as it would have to be to be seen from a process."""
    right = "x" * 4000

    def naive(text: str) -> bool:
        return all(a == b for a, b in zip(text, right, strict=True))

    assert measured(naive, ("y" + "x" * 3999, "x" * 40 + "y" * 3960)) < SIGNIFICANT


def test_the_first_wrong_digit_takes_as_long_as_the_last() -> None:
    issued = form.issue()
    known = Token(1, AccountId(1), "", issued.hash, frozenset({"messages:read"}), None, None, None, None)
    picture = Provisioning(1, {}, {}, {}, {known.hash: known}, {}, {}, {}, ())
    tokens = Tokens(now_ms=wall_ms)
    headers = {}
    texts = (changed(issued.token, 3), changed(issued.token, 45))
    for text in (issued.token, *texts):
        headers[text] = {b"authorization": b"Bearer " + text.encode()}

    def check(text: str) -> None:
        found = tokens.check(Request(b"GET", b"/", b"", headers[text], b"", False, "192.0.2.1", "id"), picture, "x")
        assert isinstance(found, Refusal)

    # One in a hundred would differ by chance alone: it has to differ twice to count.
    assert max(measured(check, texts) for _ in range(2)) >= SIGNIFICANT
