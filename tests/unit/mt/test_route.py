"""Which carriers may take a message, best first."""

from __future__ import annotations

import pytest

from trunkline.domain.provisioning import Carrier, Provisioning, Route
from trunkline.mt.route import choices, choose, first_choice

A, B, C, GONE = 1, 2, 3, 9
PLAN, OTHER_PLAN = 1, 2


def installation(*routes: Route) -> Provisioning:
    """As the loader hands it out: active routes, highest priority first."""
    carriers = {carrier_id: Carrier(carrier_id, f"c{carrier_id}", True, {}, ()) for carrier_id in (A, B, C)}
    ordered = tuple(sorted(routes, key=lambda route: (-route.priority, route.route_id)))
    return Provisioning(1, {}, {}, {}, {}, {}, {}, carriers, ordered)


def route(
    number: int, carrier_id: int, *, priority: int = 0, plan: int | None = None, countries: set[str] | None = None
) -> Route:
    return Route(number, f"r{number}", carrier_id, priority, plan, None if countries is None else frozenset(countries))


MANY = installation(
    route(1, A, countries={"SE", "NO"}),
    route(2, B),
    route(3, C, priority=10, plan=PLAN),
    route(4, B, priority=5, plan=OTHER_PLAN, countries={"SE"}),
    route(5, A, priority=-1),
    route(6, GONE, priority=100),
)


@pytest.mark.parametrize(
    ("plan", "country", "expected"),
    [
        (PLAN, "SE", [C, A, B]),  # the plan's own first; each carrier once
        (PLAN, "DE", [C, B, A]),
        (PLAN, None, [C, B, A]),  # a country that is not known fits no list of countries
        (OTHER_PLAN, "SE", [B, A]),
        (OTHER_PLAN, "NO", [A, B]),
        (OTHER_PLAN, None, [B, A]),
    ],
)
def test_choices(plan: int, country: str | None, expected: list[int]) -> None:
    assert choices(MANY, plan, country) == expected
    assert first_choice(MANY, plan, country) == expected[0]


@pytest.mark.parametrize(
    "provisioning",
    [
        installation(),
        installation(route(1, A, plan=OTHER_PLAN)),
        installation(route(1, A, countries={"NO"})),
        installation(route(1, A, countries=set())),
        installation(route(1, GONE)),
    ],
    ids=["none", "another plan's", "another country's", "no country's", "its carrier is gone"],
)
def test_no_route(provisioning: Provisioning) -> None:
    assert choices(provisioning, PLAN, "SE") == []
    assert first_choice(provisioning, PLAN, "SE") is None
    assert choose(provisioning, PLAN, "SE", lambda carrier: True) is None


@pytest.mark.parametrize(
    ("live", "expected"),
    [({A, B, C}, C), ({A, B}, A), ({B}, B), (set(), C)],  # nobody is up: it waits where it would go first
)
def test_the_first_that_is_live(live: set[int], expected: int) -> None:
    assert choose(MANY, PLAN, "SE", lambda carrier: carrier in live) == expected


def test_only_carriers_of_routes_that_fit_are_asked() -> None:
    asked = []

    def live(carrier_id: int) -> bool:
        asked.append(carrier_id)
        return False

    choose(MANY, OTHER_PLAN, "NO", live)
    assert asked == [A, B]
