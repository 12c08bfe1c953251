"""The table of a message's life, and the guard of the database that follows from it."""

from __future__ import annotations

from itertools import product

import pytest

from trunkline.domain.status import FINAL, MOVES, Status, allowed, final_sources
from trunkline.store.settling import _SQL

Q, S, D, F, U = Status.QUEUED, Status.SENT, Status.DELIVERED, Status.FAILED, Status.UNKNOWN

LEGAL = {(Q, S), (Q, D), (Q, F), (Q, U), (S, D), (S, F), (S, U), (U, D), (U, F)}


@pytest.mark.parametrize(("old", "new"), list(product(Status, Status)))
def test_every_pair(old: Status, new: Status) -> None:
    assert allowed(old, new) is ((old, new) in LEGAL)


def test_the_table_names_every_status() -> None:
    assert set(MOVES) == set(Status)


def test_final_is_what_stays() -> None:
    assert {D, F, U} == FINAL
    assert {status for status in Status if not MOVES[status]} == {D, F}


def test_no_way_leads_back() -> None:
    """From no status can it be reached again, by however many moves."""
    reach = {status: set(MOVES[status]) for status in Status}
    for _ in Status:
        for found in reach.values():
            found |= {further for one in list(found) for further in reach[one]}
    assert [status for status in Status if status in reach[status]] == []


def test_numbers_are_what_the_database_keeps() -> None:
    assert [(status.name, int(status)) for status in Status] == [
        ("QUEUED", 0), ("SENT", 1), ("DELIVERED", 2), ("FAILED", 3), ("UNKNOWN", 4),
    ]  # fmt: skip


def test_what_a_final_status_may_replace() -> None:
    assert {new: final_sources(new) for new in FINAL} == {D: {U}, F: {U}, U: set()}


def test_the_database_guard_says_the_same() -> None:
    for statement in (_SQL.apply, _SQL.apply_receipts):
        assert "(m.status, t.status) IN ((4, 2), (4, 3))" in statement
        assert "/*" not in statement  # nothing is left to be filled in
