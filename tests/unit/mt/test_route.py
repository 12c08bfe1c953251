"""Which carrier takes a message: the order of its routes, who is up, who refused it, who delivers badly."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

import pytest

from trunkline.domain.ids import MsgIds
from trunkline.domain.provisioning import Account, Carrier, Plan, Provisioning
from trunkline.domain.quality import LEAST_MESSAGES, Quality
from trunkline.domain.routes import (
    ALPHANUMERIC,
    DOWN,
    DRAWN,
    LONG_CODE,
    NONE_UP,
    REFUSED,
    SET_BACK,
    SHORT_CODE,
    Route,
    Routes,
    unrouted,
)
from trunkline.mt.route import Router

A, B, C = 1, 2, 3
PLAN, OTHER_PLAN, ACCOUNT = 1, 2, 7
ID = UUID("01938c2e-7b1a-7c3d-9f00-0123456789ab")


def plan(plan_id: int, account_id: int) -> Plan:
    public = str(plan_id) * 24
    return Plan(plan_id, public, account_id, "1" * 24, "p", True, None, None, False, 600, 60, 0, True, None, ())


def installation(*routes: Route) -> Provisioning:
    """As the loader hands it out: the highest priority first."""
    carriers = {carrier_id: Carrier(carrier_id, f"c{carrier_id}", True, {}, ()) for carrier_id in (A, B, C)}
    ordered = sorted(routes, key=lambda route: (-route.priority, route.route_id))
    plans = {PLAN: plan(PLAN, ACCOUNT), OTHER_PLAN: plan(OTHER_PLAN, 8)}
    accounts = {ACCOUNT: Account(ACCOUNT, "1" * 24, "a", True, None, None)}
    return Provisioning(1, accounts, plans, {}, {}, {}, {}, carriers, Routes(ordered))


def order(
    provisioning: Provisioning,
    plan_id: int = PLAN,
    *,
    to: str = "+46701234567",
    sender: str = "12345",
    country: str | None = "SE",
    mccmnc: str | None = None,
    msg_id: UUID = ID,
    measured: dict[tuple[int, str | None], Quality] | None = None,
) -> list[int]:
    """Carriers in the order in which they are tried: each is what is chosen once all before it are down."""
    found: list[int] = []
    while True:
        router = Router(lambda carrier_id: carrier_id not in found, lambda: measured or {})
        choice = router.choose(provisioning, plan_id, sender, to, country, mccmnc, msg_id)
        if choice is None or choice.carrier_id in found:
            return found
        found.append(choice.carrier_id)


def route(number: int, carrier_id: int, **fields: object) -> Route:
    return Route(number, f"r{number}", carrier_id, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        # A country before anywhere, a network before its country, a prefix before both, the longer prefix first.
        ([route(1, A), route(2, B, countries=("SE",))], [B, A]),
        ([route(1, A, countries=("SE",)), route(2, B, networks=("24001",))], [B, A]),
        ([route(1, A, networks=("24001",)), route(2, B, prefixes=("4670",))], [B, A]),
        ([route(1, A, prefixes=("46",)), route(2, B, prefixes=("1", "46701"))], [B, A]),
        # All that a route says has to fit.
        ([route(1, A, prefixes=("4670",), countries=("NO",)), route(2, B)], [B]),
        ([route(1, A, prefixes=("4670",), networks=("24002",)), route(2, B)], [B]),
        ([route(1, A, networks=("24001",), countries=("NO",)), route(2, B)], [B]),
        ([route(1, A, countries=())], []),
        # Priority before all of that; whose a route is before its destination.
        ([route(1, A, priority=1), route(2, B, prefixes=("46701",))], [A, B]),
        ([route(1, A, countries=("SE",)), route(2, B, plan_id=PLAN), route(3, C, account_id=ACCOUNT)], [B, C, A]),
        ([route(1, A, plan_id=OTHER_PLAN), route(2, B, account_id=8), route(3, C)], [C]),
        # The kind of the sender before cost, and the cheaper before the narrower.
        ([route(1, A, cost_micro=1), route(2, B, senders=SHORT_CODE)], [B, A]),
        ([route(1, A, senders=LONG_CODE | ALPHANUMERIC), route(2, B)], [B]),
        ([route(1, A, cost_micro=2, networks=("24001",)), route(2, B, cost_micro=1, countries=("SE",))], [B, A]),
        ([route(1, A), route(2, B, cost_micro=9)], [B, A]),
        # Of one carrier the narrowest route counts, and so its cost.
        ([route(1, A, cost_micro=1), route(2, A, cost_micro=5, countries=("SE",)), route(3, B, cost_micro=3)], [B, A]),
        # What comes after a route without fallback is never tried.
        ([route(1, A, countries=("SE",), fallback=False), route(2, B)], [A]),
        ([route(1, A, countries=("SE",)), route(2, B, fallback=False), route(3, C, priority=-1)], [A, B]),
    ],
)
def test_the_order(routes: list[Route], expected: list[int]) -> None:
    assert order(installation(*routes), mccmnc="24001") == expected


@pytest.mark.parametrize("sender", ["+46700000001", "12345", "Bank"])
def test_a_sender_has_one_kind(sender: str) -> None:
    kinds = {"+46700000001": LONG_CODE, "12345": SHORT_CODE, "Bank": ALPHANUMERIC}
    own = installation(route(1, A, senders=kinds[sender]))
    others = installation(route(1, A, senders=7 - kinds[sender]))
    assert order(own, sender=sender) == [A]
    assert order(others, sender=sender) == []


def test_unknown_country_and_network_fit_no_list() -> None:
    routes = installation(route(1, A, countries=("SE",)), route(2, B, networks=("24001",)), route(3, C))
    assert order(routes, country=None, mccmnc=None) == [C]
    assert order(routes, 99) == []  # a plan that is gone has no route


def test_equal_routes_share_by_weight_and_each_message_keeps_its_draw() -> None:
    routes = installation(route(1, A, weight=1), route(2, B, weight=3), route(3, C, countries=("NO",)))
    ids = MsgIds()
    drawn = {
        msg_id: order(routes, msg_id=msg_id) for msg_id in (ids.new(1_900_000_000_000 + n // 7) for n in range(4000))
    }
    first = Counter(found[0] for found in drawn.values())
    assert 900 < first[A] < 1100  # a quarter; the deviation is 27
    assert all(sorted(found) == [A, B] for found in drawn.values())
    again = installation(route(2, B, weight=3), route(1, A, weight=1))
    assert all(order(again, msg_id=msg_id) == found for msg_id, found in drawn.items())
    # One more route takes its share from all, and the others keep their order among themselves.
    more = installation(*routes.routes, route(4, C, weight=4))
    for msg_id, found in drawn.items():
        assert [carrier for carrier in order(more, msg_id=msg_id) if carrier != C] == found


def why(provisioning: Provisioning, live: set[int], refused: dict[int, bool] | None = None) -> tuple[int, str, int]:
    choice = Router(lambda carrier_id: carrier_id in live).choose(
        provisioning, PLAN, "12345", "+46701234567", "SE", None, ID, refused or {}
    )
    assert choice is not None
    assert choice.routed is not None
    route_id, reason = unrouted(choice.routed)
    return choice.carrier_id, f"r{route_id}", reason


THREE = installation(route(1, A, priority=2), route(2, B, priority=1), route(3, C))


@pytest.mark.parametrize(
    ("live", "refused", "expected"),
    [
        ({A, B, C}, {}, (A, "r1", 0)),
        ({B, C}, {}, (B, "r2", DOWN)),
        (set(), {}, (A, "r1", NONE_UP)),  # it waits where it would go first
        ({A, B, C}, {A: False}, (B, "r2", REFUSED)),
        ({A, C}, {A: False}, (C, "r3", REFUSED | DOWN)),
        ({A, B, C}, {A: False, B: False, C: False}, (A, "r1", 0)),  # all refused it for now: from the beginning
        ({A}, {A: False}, (A, "r1", 0)),
        ({A, B, C}, {A: True, B: False, C: False}, (B, "r2", REFUSED)),  # never again where it was refused for good
        ({A}, {A: True}, (B, "r2", NONE_UP | REFUSED)),
    ],
)
def test_who_is_chosen_and_why(live: set[int], refused: dict[int, bool], expected: tuple[int, str, int]) -> None:
    assert why(THREE, live, refused) == expected


def test_refused_for_good_by_all_has_no_route() -> None:
    everywhere = dict.fromkeys((A, B, C), True)
    assert Router().choose(THREE, PLAN, "12345", "+46701234567", "SE", None, ID, everywhere) is None


def test_only_carriers_that_have_not_refused_are_named_as_others() -> None:
    def choose(refused: dict[int, bool]) -> tuple[int, tuple[int, ...], int]:
        choice = Router().choose(THREE, PLAN, "12345", "+46701234567", "SE", None, ID, refused)
        assert choice is not None
        return choice.carrier_id, tuple(choice.others), choice.elsewhere

    assert choose({}) == (A, (B, C), 0)
    assert choose({A: False}) == (B, (C,), 1)
    assert choose({A: False, B: True}) == (C, (), 2)
    assert choose({A: False, B: False, C: False}) == (A, (), 2)


MEASURED = installation(
    route(1, A, priority=1, min_delivery_percent=90, max_receipt_s=10.0),
    route(2, B),
    route(3, A, priority=-1),
)


@pytest.mark.parametrize(
    ("quality", "expected"),
    [
        (None, [A, B]),
        (Quality(100, 90, 10.0), [A, B]),
        (Quality(100, 89, 1.0), [B, A]),
        (Quality(100, 95, 10.1), [B, A]),
        (Quality(100, 0, None), [B, A]),
        (Quality(LEAST_MESSAGES - 1, 0, None), [A, B]),
    ],
)
def test_a_carrier_that_falls_short_comes_last(quality: Quality | None, expected: list[int]) -> None:
    measured = {} if quality is None else {(A, "SE"): quality}
    assert order(MEASURED, measured=measured) == expected
    assert order(MEASURED, country="NO", measured=measured) == [A, B]


def test_what_is_set_back_says_so() -> None:
    router = Router(measured=lambda: {(A, "SE"): Quality(100, 1, 1.0)})
    choice = router.choose(MEASURED, PLAN, "12345", "+46701234567", "SE", None, ID)
    assert choice is not None
    assert (choice.carrier_id, unrouted(choice.routed or 0)) == (B, (2, SET_BACK))


def test_what_was_drawn_says_so() -> None:
    routes = installation(route(1, A), route(2, B))
    carrier, _, reason = why(routes, {A, B, C})
    assert reason == DRAWN
    assert why(routes, {A, B, C} - {carrier})[2] == DRAWN | DOWN


def test_only_carriers_of_routes_that_fit_are_asked() -> None:
    asked = []

    def live(carrier_id: int) -> bool:
        asked.append(carrier_id)
        return False

    routes = installation(route(1, A, countries=("NO",)), route(2, B), route(3, C, plan_id=OTHER_PLAN))
    Router(live).choose(routes, PLAN, "12345", "+4790000000", "NO", None, ID)
    assert set(asked) == {A, B}
