"""The index over routes finds what looking at each route finds, whatever they say and however they overlap."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.domain.ids import MsgIds
from trunkline.domain.provisioning import Plan, Provisioning
from trunkline.domain.routes import ANYWHERE, COUNTRY, EVERY_KIND, NETWORK, PREFIX, Fit, Route, Routes, rank
from trunkline.mt.explain import explain
from trunkline.mt.route import Router

# Few of everything, so that routes meet.
_PREFIXES = st.lists(st.text("13", min_size=1, max_size=5), min_size=1, max_size=3)
_NETWORKS = st.lists(st.sampled_from(["31026", "310260", "23410"]), min_size=1, max_size=2)
_COUNTRIES = st.lists(st.sampled_from(["US", "GB"]), min_size=1, max_size=2)


def _some(values: st.SearchStrategy[list[str]]) -> st.SearchStrategy[tuple[str, ...] | None]:
    return st.none() | values.map(tuple)


@st.composite
def _routes(draw: st.DrawFn) -> list[Route]:
    found = []
    for number in range(1, draw(st.integers(0, 12)) + 1):
        customer = draw(st.sampled_from([{}, {"plan_id": 1}, {"plan_id": 2}, {"account_id": 1}, {"account_id": 2}]))
        found.append(
            Route(
                number,
                f"r{number}",
                draw(st.integers(1, 4)),
                priority=draw(st.integers(0, 1)),
                prefixes=draw(_some(_PREFIXES)),
                networks=draw(_some(_NETWORKS)),
                countries=draw(_some(_COUNTRIES)),
                senders=draw(st.sampled_from([EVERY_KIND, 1, 2, 4, 3])),
                cost_micro=draw(st.none() | st.integers(1, 2)),
                weight=draw(st.integers(1, 3)),
                fallback=draw(st.booleans()),
                **customer,
            )
        )
    return found


_MESSAGE = st.tuples(
    st.sampled_from(["12345", "+1555", "Bank"]),
    st.text("13", min_size=3, max_size=7).map("+".__add__),
    st.sampled_from([None, "US", "GB"]),
    st.sampled_from([None, "31026", "310260"]),
)


def _fits(
    routes: list[Route], plan_id: int, sender: str, to: str, country: str | None, network: str | None
) -> set[Fit]:
    """Each route looked at by itself. Plan 1 is account 1's, plan 3 too."""
    kind = {"1": 2, "+": 1, "B": 4}[sender[0]]
    found = set()
    for route in routes:
        if (
            route.plan_id in (None, plan_id)
            and route.account_id in (None, 1)
            and (route.networks is None or network in route.networks)
            and (route.countries is None or country in route.countries)
            and route.senders & kind
        ):
            if route.prefixes is not None:
                found |= {Fit(route, PREFIX + len(prefix)) for prefix in route.prefixes if to[1:].startswith(prefix)}
            elif route.networks is not None:
                found.add(Fit(route, NETWORK))
            else:
                found.add(Fit(route, ANYWHERE if route.countries is None else COUNTRY))
    return found


def _picture(routes: list[Route]) -> Provisioning:
    def plan(plan_id: int) -> Plan:
        return Plan(plan_id, "", 1, "", "p", True, None, None, False, 600, 60, 0, True, None, ())

    return Provisioning(1, {}, {n: plan(n) for n in (1, 3)}, {}, {}, {}, {}, {}, Routes(routes))


@settings(deadline=None)
@given(_routes(), st.lists(_MESSAGE, min_size=1, max_size=4), st.sampled_from([1, 3]), st.sets(st.integers(1, 4)))
def test_index_and_explanation_say_what_each_route_says(
    routes: list[Route], messages: list[tuple[str, str, str | None, str | None]], plan_id: int, down: set[int]
) -> None:
    picture = _picture(routes)
    router = Router(lambda carrier_id: carrier_id not in down)
    msg_id = MsgIds().new(1_900_000_000_000)
    for sender, to, country, network in [*messages, *messages]:  # again: what is remembered is the same
        expected = _fits(routes, plan_id, sender, to, country, network)
        assert set(picture.routes.fits(plan_id, 1, sender, to, country, network)) == expected
        ranked = picture.routes.ranked(plan_id, 1, sender, to, country, network)
        assert ranked.ties == rank(expected).ties
        _check_order([fit for tie in ranked.ties for fit in tie], expected)
        choice = router.choose(picture, plan_id, sender, to, country, network, msg_id)
        explained = explain(
            picture.routes, plan_id=plan_id, account_id=1, sender=sender, recipient=to, country=country,
            mccmnc=network, msg_id=msg_id, live=lambda carrier_id: carrier_id not in down, measured={},
        )  # fmt: skip
        assert (explained.choice and explained.choice[:2]) == (choice and choice[:2])
        assert {one.fit for one in explained.weighed} == expected
        assert [one.fit.route.carrier_id for one in explained.weighed if one.is_taken] == (
            [choice.carrier_id] if choice else []
        )
        assert (choice is None) == (not expected)


def _check_order(ordered: list[Fit], fitting: set[Fit]) -> None:
    """No route before one that goes before it by docs/routing.md; each carrier's narrowest of a rank, and no other."""
    for before, after in pairwise(ordered):
        assert before.route.rank <= after.route.rank
        if before.route.rank == after.route.rank:
            costs = [1e9 if fit.route.cost_micro is None else fit.route.cost_micro for fit in (before, after)]
            assert costs[0] <= costs[1]
            if costs[0] == costs[1]:
                assert before.narrowness >= after.narrowness
    for fit in ordered:
        rivals = [
            other
            for other in fitting
            if (other.route.rank, other.route.carrier_id) == (fit.route.rank, fit.route.carrier_id)
        ]
        assert fit.narrowness == max(other.narrowness for other in rivals)
        assert sum(other in ordered for other in rivals) == 1
    if ordered and all(fit.route.fallback for fit in fitting):
        assert {(fit.route.rank, fit.route.carrier_id) for fit in ordered} == {
            (fit.route.rank, fit.route.carrier_id) for fit in fitting
        }
