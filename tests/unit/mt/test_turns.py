"""Whose turn it is: priority first, plans by weight, and nobody waits behind another plan's queue."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from uuid import UUID

import pytest

from trunkline.mt.turns import Share, Terms, Turns, in_turn
from trunkline.store.queue import FIRST, Claimed, Lane

NOW = dt.datetime(2026, 6, 22, tzinfo=dt.UTC)


def message(lane: Lane, number: int, parts: int = 1) -> Claimed:
    return Claimed(lane.plan_id, lane.priority, UUID(int=number), (1 << parts) - 1, 0, False, NOW, NOW)


class Queue:
    """What lanes hold, and a carrier that claims from them."""

    def __init__(self, held: Mapping[Lane, int], parts: Mapping[int, int] | None = None) -> None:
        self.held = Counter(held)
        self.parts = parts or {}  # of a message, by plan
        self.turns = Turns()
        self.number = 0
        self.look()

    def look(self) -> None:
        self.turns.found(sorted((lane for lane, count in self.held.items() if count), reverse=True), 0.0)

    def claim(self, free: int, terms: Mapping[int, Terms] | None = None, kept: int = 0) -> list[Claimed]:
        """One claim, as the statement does it: in the order asked for, until the parts are too many."""
        for lanes in self.turns.classes():
            given = [(terms or {}).get(lane.plan_id, Terms()) for lane in lanes]
            asked = self.turns.shares(lanes, given, free, kept, 0.0)
            if asked:
                claimed = self._taken(asked, free)
                if self.turns.served(asked, claimed, 0.0):
                    self.look()
                return claimed
        return []

    def _taken(self, asked: list[Share], free: int) -> list[Claimed]:
        claimed = []
        for lane, _, take in asked:
            for _ in range(min(take, self.held[lane])):
                parts = self.parts.get(lane.plan_id, 1)
                if parts > free:
                    return claimed
                free -= parts
                self.held[lane] -= 1
                self.number += 1
                claimed.append(message(lane, self.number, parts))
        return claimed


HEAVY, LIGHT, OTHER = Lane(0, 1), Lane(0, 2), Lane(0, 3)


def plans(claimed: list[Claimed]) -> Counter[int]:
    return Counter(one.plan_id for one in claimed)


@pytest.mark.parametrize("free", [1, 7, 20, 400])
def test_one_message_is_in_the_next_claim_whatever_others_have_waiting(free: int) -> None:
    queue = Queue({HEAVY: 1_000_000, OTHER: 1_000_000})
    for _ in range(50):
        assert len(queue.claim(free)) == free
    queue.held[LIGHT] += 1
    queue.look()
    assert plans(queue.claim(free))[2] == 1
    queue.held[LIGHT] += 1  # and again, behind one of each other plan
    queue.look()
    assert sum(plans(queue.claim(free))[2] for _ in range(-(-3 // free))) == 1


@pytest.mark.parametrize("free", [1, 3, 10, 50])
def test_shares_are_by_weight(free: int) -> None:
    queue = Queue({HEAVY: 1_000_000, LIGHT: 1_000_000, OTHER: 1_000_000})
    terms = {1: Terms(weight=1), 2: Terms(weight=2), 3: Terms(weight=5)}
    total: Counter[int] = Counter()
    while total.total() < 8000:
        total += plans(queue.claim(free, terms))
    for plan, weight in ((1, 1), (2, 2), (3, 5)):
        assert total[plan] / total.total() == pytest.approx(weight / 8, rel=0.02)


def test_shares_are_of_parts() -> None:
    queue = Queue({HEAVY: 1_000_000, LIGHT: 1_000_000}, parts={1: 4})
    total: Counter[int] = Counter()
    for _ in range(500):
        for one in queue.claim(20):
            total[one.plan_id] += one.missing.bit_count()
    assert total[1] / total[2] == pytest.approx(1, rel=0.05)


def test_who_was_away_gets_nothing_for_it() -> None:
    queue = Queue({HEAVY: 1_000_000})
    for _ in range(1000):
        queue.claim(10)
    queue.held[LIGHT] = 1_000_000
    queue.look()
    total: Counter[int] = Counter()
    for _ in range(100):
        total += plans(queue.claim(10))
    assert total[1] == pytest.approx(500, abs=20)


def test_who_was_served_more_does_not_begin_anew_by_being_empty_for_a_moment() -> None:
    queue = Queue({HEAVY: 1_000_000, LIGHT: 0}, parts={2: 10})
    total: Counter[int] = Counter()
    for _ in range(1000):
        queue.held[LIGHT] = 1
        queue.look()
        for one in queue.claim(10):
            total[one.plan_id] += one.missing.bit_count()
    assert total[2] <= 5000  # of 10,000


def test_priority_goes_first() -> None:
    first = Lane(5, 2)
    queue = Queue({HEAVY: 100, first: 25})
    assert [plans(queue.claim(10)) for _ in range(4)] == [{2: 10}, {2: 10}, {2: 5}, {1: 10}]


def test_a_plan_at_its_rate_does_not_hold_up_a_lower_priority() -> None:
    queue = Queue({Lane(5, 2): 100, HEAVY: 100})
    assert plans(queue.claim(10, {2: Terms(most=3)})) == {2: 3}
    assert plans(queue.claim(7, {2: Terms(most=0)})) == {1: 7}


def test_a_plan_at_its_rate_does_not_save_turns_up() -> None:
    queue = Queue({HEAVY: 1_000_000, LIGHT: 1_000_000})
    for _ in range(100):
        assert plans(queue.claim(10, {2: Terms(most=1)}))[2] == 1
    assert plans(queue.claim(10))[2] <= 6


def test_some_room_is_kept_from_those_who_have_much_under_way() -> None:
    queue = Queue({HEAVY: 1000, OTHER: 1000})
    small = {plan: Terms(small=1) for plan in (1, 2, 3)}
    assert plans(queue.claim(20, small, kept=1)).total() == 19  # from an empty window, too
    under_way = {1: Terms(), 2: Terms(small=1), 3: Terms()}
    assert queue.claim(1, under_way, kept=1) == []
    queue.held[LIGHT] = 10
    queue.look()
    assert plans(queue.claim(1, under_way, kept=1)) == {2: 1}
    both = plans(queue.claim(2, under_way, kept=1))
    assert (both[2], both.total()) == (1, 2)


def test_a_single_plan_gets_what_is_not_kept() -> None:
    queue = Queue({HEAVY: 1000})
    assert len(queue.claim(20, {1: Terms(small=1)}, kept=1)) == 19
    assert len(queue.claim(20, {1: Terms(small=0)}, kept=0)) == 20
    assert len(queue.claim(1, {1: Terms(small=1)}, kept=1)) == 1


def test_a_lane_that_had_less_is_not_asked_again_before_it_is_found_again() -> None:
    turns = Turns()
    turns.found([LIGHT, HEAVY], 0.0)
    asked = turns.shares([LIGHT, HEAVY], [Terms(), Terms()], 4, 0, 0.0)
    assert turns.served(asked, [message(HEAVY, 1), message(HEAVY, 2)], 0.0)
    asked = turns.shares([LIGHT, HEAVY], [Terms(), Terms()], 4, 0, 0.0)
    assert [(one.lane, one.take) for one in asked] == [(HEAVY, 4)]
    turns.found([LIGHT, HEAVY], 0.0)
    assert {one.lane for one in turns.shares([LIGHT, HEAVY], [Terms(), Terms()], 4, 0, 0.0)} == {LIGHT, HEAVY}


def test_the_floor_stays_behind_the_last_claim_and_is_forgotten_when_told() -> None:
    """A commit may become visible after one with a later id."""
    turns = Turns()
    turns.found([HEAVY], 0.0)

    def after(now: float) -> UUID:
        return turns.shares([HEAVY], [Terms()], 5, 0, now)[0].after

    turns.served(turns.shares([HEAVY], [Terms()], 1, 0, 0.0), [message(HEAVY, 7)], 0.0)
    turns.served(turns.shares([HEAVY], [Terms()], 1, 0, 0.2), [message(HEAVY, 9)], 0.2)
    assert [after(now) for now in (0.2, 0.26, 0.46)] == [FIRST, UUID(int=7), UUID(int=9)]
    turns.found([HEAVY], 0.0)
    assert after(0.5) == UUID(int=9)
    turns.forget_floors()
    assert after(9.0) == FIRST


def test_messages_go_in_the_order_of_turns_and_of_the_queue() -> None:
    asked = [Share(LIGHT, FIRST, 2), Share(HEAVY, FIRST, 2)]
    claimed = [message(HEAVY, 1), message(LIGHT, 2), message(HEAVY, 3), message(LIGHT, 4)]
    assert [one.msg_id.int for one in in_turn(asked, claimed)] == [2, 4, 1, 3]


def test_a_carrier_is_shared_for_a_minute_after_another_plan_had_something() -> None:
    turns = Turns()
    turns.found([HEAVY, Lane(5, 1)], 0.0)
    assert not turns.shared
    turns.found([LIGHT, HEAVY], 1.0)
    turns.found([HEAVY], 60.0)
    assert turns.shared
    turns.found([HEAVY], 62.0)
    assert not turns.shared
