"""Why a message would go where it goes: every route that fits, in the order in which they are tried, and what speaks
for and against each. It asks the functions that the trip asks (mt/route.py)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from trunkline.domain.provisioning import AccountId, CarrierId, PlanId
from trunkline.domain.quality import Measured, Quality
from trunkline.domain.routes import Choice, Fit, Route, Routes, rank
from trunkline.mt.route import Step, chosen, in_order, is_short


@dataclass(frozen=True, slots=True)
class Weighed:
    """A route that fits. `place`: when it is tried, 1 first; None: it is not."""

    fit: Fit
    place: int | None
    is_taken: bool
    is_down: bool
    quality: Quality | None
    is_set_back: bool
    share: float | None  # of the messages, where it is drawn by weight
    after: str | None  # what puts it behind the one before
    instead: Route | None  # not tried: because of this route
    is_cut_off: bool  # by that one's `fallback`; else they are of one carrier


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer for one message."""

    country: str | None
    mccmnc: str | None
    weighed: tuple[Weighed, ...]
    choice: Choice | None


def explain(
    routes: Routes,
    *,
    plan_id: PlanId,
    account_id: AccountId | None,
    sender: str | None,
    recipient: str,
    country: str | None,
    mccmnc: str | None,
    msg_id: UUID,
    live: Callable[[CarrierId], bool],
    measured: Measured,
) -> Explanation:
    """What is weighed for a message that was not tried before."""
    fits = list(dict.fromkeys(routes.fits(plan_id, account_id, sender, recipient, country, mccmnc)))
    ranked = rank(fits)
    steps = in_order(ranked, msg_id, country, measured)
    choice = chosen(steps, live)
    shares = {
        fit.route.route_id: fit.route.weight / sum(one.route.weight for one in tie)
        for tie in ranked.ties
        if len(tie) > 1
        for fit in tie
    }
    weighed = []
    for place, step in enumerate(steps, start=1):
        route = step.fit.route
        weighed.append(
            Weighed(
                fit=step.fit,
                place=place,
                is_taken=choice is not None and choice.carrier_id == route.carrier_id,
                is_down=not live(route.carrier_id),
                quality=measured.get((route.carrier_id, country)),
                is_set_back=step.is_set_back,
                share=shares.get(route.route_id),
                after=None if place == 1 else _criterion(steps[place - 2], step),
                instead=None,
                is_cut_off=False,
            )
        )
    tried = {step.fit for step in steps}
    last = next((fit.route for tie in ranked.ties for fit in tie if not fit.route.fallback), None)
    for fit in sorted(set(fits) - tried, key=lambda fit: (fit.route.rank, -fit.narrowness, fit.route.route_id)):
        same = next((step.fit.route for step in steps if step.fit.route.carrier_id == fit.route.carrier_id), None)
        weighed.append(
            Weighed(
                fit=fit,
                place=None,
                is_taken=False,
                is_down=not live(fit.route.carrier_id),
                quality=measured.get((fit.route.carrier_id, country)),
                is_set_back=is_short(fit.route, country, measured),
                share=None,
                after=None,
                instead=same or last,
                is_cut_off=same is None,
            )
        )
    return Explanation(country, mccmnc, tuple(weighed), choice)


def _criterion(before: Step, step: Step) -> str:
    """The first thing in which the two differ, in the order in which they are compared."""
    one, other = before.fit.route, step.fit.route
    if before.is_set_back != step.is_set_back:
        return "quality"
    if one.priority != other.priority:
        return "priority"
    if one.rank // 2 != other.rank // 2:
        return "customer"
    if one.rank != other.rank:
        return "sender kinds"
    if one.cost_micro != other.cost_micro:
        return "cost"
    return "destination" if before.fit.narrowness != step.fit.narrowness else "weight"
