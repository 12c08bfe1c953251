"""What the parts of a message amount to, in whatever order they are told."""

from __future__ import annotations

from itertools import permutations

import pytest

from trunkline.domain.parts import Outcome, overdue, verdict
from trunkline.domain.status import Status

S, D, F, U = Status.SENT, Status.DELIVERED, Status.FAILED, Status.UNKNOWN


def told(*outcomes: tuple[Status, int]) -> list[Outcome]:
    """Receipts, part by part in this order."""
    return [Outcome(number, status, code, False) for number, (status, code) in enumerate(outcomes, start=1)]


def refused(part_no: int, code: int) -> Outcome:
    return Outcome(part_no, F, code, True)


CASES = [
    # outcomes in the order they came, parts accepted, what it amounts to (of three parts)
    ([], {1, 2, 3}, None),
    (told((D, 0), (D, 0)), {1, 2, 3}, None),
    (told((D, 0), (D, 0), (D, 0)), {1, 2, 3}, (D, 0)),
    (told((F, 103)), {1, 2, 3}, (F, 103)),  # at once: a handset cannot show the rest
    (told((F, 103), (D, 0), (D, 0)), {1, 2, 3}, (F, 103)),  # those after it change nothing
    (told((F, 103), (F, 101)), {1, 2, 3}, (F, 103)),
    (told((D, 0), (F, 103)), {1, 2, 3}, (F, 801)),
    (told((U, 704), (F, 103)), {1, 2, 3}, (F, 103)),
    (told((U, 704), (D, 0), (F, 103)), {1, 2, 3}, (F, 801)),
    (told((U, 704)), {1, 2, 3}, None),
    (told((U, 704), (U, 704), (U, 704)), {1, 2, 3}, (U, 704)),
    (told((U, 704), (U, 901), (U, 704)), {1, 2, 3}, (U, 802)),
    (told((D, 0), (U, 704), (D, 0)), {1, 2, 3}, (U, 802)),
    (told((U, 901), (D, 0), (D, 0)), {1, 2, 3}, (U, 802)),
    ([refused(1, 452)], set(), (F, 452)),  # nothing was accepted: its own code
    ([refused(2, 452)], {1}, (F, 464)),
    ([refused(2, 452)], {2}, (F, 452)),  # accepted once, then refused again: only that very part
    ([refused(1, 452), refused(2, 451)], set(), (F, 452)),
    ([*told((D, 0)), refused(2, 452)], {1}, (F, 801)),
    ([*told((U, 704)), refused(2, 452)], {1}, (F, 464)),
    # A carrier that sends a receipt of one part only.
    (told((S, 0), (S, 0)), {1, 2}, None),
    (told((S, 0), (S, 0), (D, 0)), {1, 2, 3}, (D, 0)),
    (told((D, 0), (S, 0), (S, 0)), {1, 2, 3}, (D, 0)),
    (told((S, 0), (S, 0), (F, 306)), {1, 2, 3}, (F, 306)),
    (told((S, 0), (S, 0), (U, 704)), {1, 2, 3}, (U, 704)),
    (told((S, 0), (U, 901), (D, 0)), {1, 3}, (U, 802)),
    ([*told((S, 0)), refused(2, 452)], {1}, (F, 464)),
    (told((S, 0), (S, 0), (S, 0)), {1, 2, 3}, None),
]


@pytest.mark.parametrize(("outcomes", "accepted", "expected"), CASES)
def test_three_parts(outcomes: list[Outcome], accepted: set[int], expected: tuple[Status, int] | None) -> None:
    assert verdict(3, accepted, outcomes) == expected


def test_a_part_told_twice_counts_once() -> None:
    assert verdict(2, {1, 2}, [Outcome(1, D, 0, False), Outcome(1, D, 0, False)]) is None


def test_the_first_failure_decides_whatever_the_parts_numbers() -> None:
    failures = {1: 101, 2: 102, 3: 103}
    for order in permutations(failures):
        outcomes = [Outcome(part_no, F, failures[part_no], False) for part_no in order]
        assert verdict(3, {1, 2, 3}, outcomes) == (F, failures[order[0]])


def test_all_delivered_in_any_order() -> None:
    for order in permutations((1, 2, 3)):
        outcomes = [Outcome(part_no, D, 0, False) for part_no in order]
        assert [verdict(3, {1, 2, 3}, outcomes[:count]) for count in range(4)] == [None, None, None, (D, 0)]


@pytest.mark.parametrize(
    ("parts", "outcomes", "not_understood", "code"),
    [
        (1, [], False, 703),
        (1, [], True, 905),
        (3, [], False, 703),
        (3, [], True, 905),
        (3, told((D, 0)), False, 802),
        (3, told((U, 704)), True, 802),
        (3, told((S, 0), (S, 0)), False, 703),
        (3, told((S, 0), (S, 0)), True, 905),
    ],
)
def test_overdue(parts: int, outcomes: list[Outcome], not_understood: bool, code: int) -> None:
    assert overdue(parts, outcomes, not_understood=not_understood) == code
