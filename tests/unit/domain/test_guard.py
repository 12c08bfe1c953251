"""What a message counts for, and what the guard and purses make of a batch: exact to one message."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.domain.admission import NO_BALANCE, Admission, Balance, Spend, Window
from trunkline.domain.guard import Counter, Guard, Limit, Rule, counters_of, shown
from trunkline.domain.message import Submission
from trunkline.domain.provisioning import AccountId, CarrierId, PlanId
from trunkline.domain.terms import Cap, Purse, Terms

PLAN, PURSE = PlanId(1), Purse(0, 1)
NOW = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
NONE: frozenset[str] = frozenset()
WHOLE = Guard(
    Limit(3, 60), Limit(40, 600), Limit(10, 600), (("+88", Limit(100, 3600)), ("+8821", Limit(5, 60))),
    frozenset({"+8829"}),
)  # fmt: skip


def message(terms: Terms | None, parts: int = 1, number: int = 0) -> Submission:
    return Submission(
        PLAN, UUID(int=number), AccountId(1), "12345", "+46700000001", "x", None, None, "SE", 0, parts, CarrierId(1),
        0, 60, None, None, None, terms,
    )  # fmt: skip


def judged(messages: list[Submission], *, seconds: float = 0, windows: dict | None = None) -> list[int | None]:
    """By the guard alone, at a time; `windows` go on from one call to the next."""
    windows = {} if windows is None else windows
    now = NOW + dt.timedelta(seconds=seconds)
    for one in messages:
        for counter in one.terms.counters if one.terms else ():
            windows.setdefault((PLAN, counter.rule, counter.key), Window(now))
    admission = Admission(now, {}, {}, windows)
    return [admission.judge(one) for one in messages]


def guarded(recipient: str, guard: Guard = WHOLE) -> Submission:
    return message(Terms(counters=counters_of(guard, NONE, recipient)))


def test_what_a_message_counts_for() -> None:
    assert counters_of(WHOLE, NONE, "+882112345678") == (
        Counter(Rule.RECIPIENT, "+882112345678", 3, 60, None),
        Counter(Rule.PREFIX, "+88", 100, 3600, None),
        Counter(Rule.PREFIX, "+8821", 5, 60, None),
        Counter(Rule.SEQUENCE, "+8821123456", 10, 600, 78),
        Counter(Rule.RANGE, "+88211234", 40, 600, 5678),
    )
    assert counters_of(None, NONE, "+46700000001") == ()
    assert counters_of(Guard(), NONE, "+46700000001") == ()


def test_a_blocked_range_counts_for_nothing_else() -> None:
    for blocked, guard in ((NONE, WHOLE), (frozenset({"+8829"}), None), (frozenset({"+8829"}), Guard())):
        counters = counters_of(guard, blocked, "+882912345678")
        assert [(one.rule, one.key) for one in counters] == [(Rule.BLOCKED, "+8829")]
        assert judged([message(Terms(counters=counters))] * 2) == [609, 609]
    # By what a number begins with, the number as a whole too.
    assert counters_of(None, frozenset({"+46700000001"}), "+46700000001")[0].rule is Rule.BLOCKED
    assert counters_of(None, frozenset({"+467000000012"}), "+46700000001") == ()


def test_a_range_is_shut_to_new_numbers_alone() -> None:
    guard = Guard(range=Limit(3, 600))
    numbers = [f"+88213123{n:04d}" for n in (1, 2, 3)]
    windows: dict = {}
    assert judged([guarded(n, guard) for n in numbers * 3], windows=windows) == [None] * 9
    assert judged([guarded("+882131230004", guard)], windows=windows) == [607]
    assert judged([guarded(n, guard) for n in numbers], windows=windows) == [None] * 3
    assert judged([guarded("+882131240001", guard)], windows=windows) == [None]  # the next range


@pytest.mark.parametrize("step", [1, 3])
def test_sequential_numbers_are_stopped_in_whatever_order(step: int) -> None:
    guard = Guard(sequence=Limit(10, 600))
    found = judged([guarded(f"+8821312{n:05d}", guard) for n in reversed(range(0, 100, step))])
    assert found.count(None) == 10
    assert set(found[10:]) == {607}


def test_recipients_and_prefixes_have_a_velocity() -> None:
    windows: dict = {}
    assert judged([guarded("+46700000001")] * 5, windows=windows) == [None] * 3 + [608] * 2
    assert judged([guarded("+46700000001")], seconds=59, windows=windows) == [608]
    # Shut as long as more keeps coming, then open again.
    assert judged([guarded("+46700000001")], seconds=118, windows=windows) == [608]
    assert judged([guarded("+46700000001")], seconds=178, windows=windows) == [None]
    other = [guarded(f"+8821{n}0000000") for n in range(1, 8)]
    assert judged(other) == [None] * 5 + [608] * 2


def test_what_is_stopped_by_one_rule_counts_for_no_other() -> None:
    guard = Guard(recipient=Limit(1, 60), velocity=(("+467", Limit(2, 60)),))
    windows: dict = {}
    judged([guarded("+46700000001", guard)] * 5, windows=windows)
    assert judged([guarded("+46700000002", guard), guarded("+46700000003", guard)], windows=windows) == [None, 608]


def test_a_whole_number_is_never_shown() -> None:
    assert shown(Rule.RECIPIENT, "+46700000001") == "+4670000xxxx"
    assert shown(Rule.RANGE, "+4670000") == "+4670000xxxx"
    assert shown(Rule.SEQUENCE, "+467000000") == "+467000000xx"
    assert shown(Rule.PREFIX, "+467") == "+467"


def test_only_the_first_stop_is_news() -> None:
    window = {(PLAN, Rule.RECIPIENT, "+46700000001"): Window(NOW)}
    balance = {PURSE: Balance("EUR", 5)}
    admission = Admission(NOW, balance, {PLAN: Spend("2026-12", 0)}, window)
    counters = (Counter(Rule.RECIPIENT, "+46700000001", 1, 60, None),)
    for _ in range(3):
        admission.judge(message(Terms(counters=counters)))
        admission.judge(message(Terms(3, 0, "EUR", PURSE)))
        admission.judge(message(Terms(3, 0, "EUR", None, Cap(2, "month"))))
    assert admission.news == [PLAN, (PLAN, Rule.RECIPIENT, "+46700000001"), PURSE]


def test_a_balance_in_another_currency_covers_nothing() -> None:
    assert Admission(NOW, {PURSE: Balance("USD", 99)}, {}, {}).judge(message(Terms(1, 0, "EUR", PURSE))) == NO_BALANCE
    assert Admission(NOW, {}, {}, {}).judge(message(Terms(1, 0, "EUR", PURSE))) == NO_BALANCE


costs = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 10), st.integers(1, 4)), max_size=30)


@given(costs, st.integers(0, 300), st.one_of(st.none(), st.integers(0, 300)))
def test_a_message_is_refused_only_if_the_money_does_not_reach_for_it(
    batch: list[tuple[int, int, int]], left: int, cap: int | None
) -> None:
    balance, spend = Balance("EUR", left), Spend("2026-12", 0)
    admission = Admission(NOW, {PURSE: balance}, {PLAN: spend}, {})
    spent = 0
    for price, fee, parts in batch:
        cost = (price + fee) * parts
        reaches = spent + cost <= left and (cap is None or spent + cost <= cap)
        terms = Terms(price, fee, "EUR", PURSE, None if cap is None else Cap(cap, "month"))
        assert (admission.judge(message(terms, parts)) is None) is reaches
        spent += cost if reaches else 0
        assert balance.left_micro == left - spent >= 0
        assert spend.spent_micro == (0 if cap is None else spent)
