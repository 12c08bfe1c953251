"""Step 3 of the trip: which carrier takes a message, of those that its routes name (domain/routes.py).

The first that is up, has not refused the message, and delivers as well as its route asks. Asked at acceptance, for the
queue to put a message into; when it is claimed; and of what waits for a carrier that is down. Whoever asks, and however
often: with the same carriers up the answer is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple
from uuid import UUID

from trunkline.domain.provisioning import CarrierId, PlanId, Provisioning
from trunkline.domain.quality import LEAST_MESSAGES, Measured
from trunkline.domain.routes import (
    BEGUN,
    DOWN,
    DRAWN,
    NONE_UP,
    NOWHERE,
    REFUSED,
    SET_BACK,
    Choice,
    Fit,
    Ranked,
    Route,
    drawn,
    routed,
)
from trunkline.store import refusals
from trunkline.store.db import Connection
from trunkline.store.queue import Claimed, Content
from trunkline.store.refusals import NO_REFUSALS, Refusals


class Step(NamedTuple):
    """A route in the final order for one message."""

    fit: Fit
    is_drawn: bool
    is_set_back: bool  # to the end, because its carrier falls short
    is_moved_up: bool  # because one before it is set back


def is_short(route: Route, country: str | None, measured: Measured) -> bool:
    """Whether the route's carrier delivers worse to a country than it asks. Of few messages nothing can be said."""
    quality = measured.get((route.carrier_id, country)) if route.is_measured else None
    if quality is None or quality.messages < LEAST_MESSAGES:
        return False
    if route.min_delivery_percent is not None and quality.delivery_percent < route.min_delivery_percent:
        return True
    return route.max_receipt_s is not None and (quality.p95_s is None or quality.p95_s > route.max_receipt_s)


def in_order(ranked: Ranked, msg_id: UUID, country: str | None, measured: Measured) -> list[Step]:
    """Routes in the order in which they are tried: those whose carrier falls short come last; each carrier once."""
    good: list[Step] = []
    set_back: list[Step] = []
    for tie in ranked.ties:
        for fit in drawn(tie, msg_id):
            short = is_short(fit.route, country, measured)
            (set_back if short else good).append(Step(fit, len(tie) > 1, short, bool(set_back)))
    seen: set[CarrierId] = set()
    steps = []
    for step in good + set_back:
        if step.fit.route.carrier_id not in seen:
            seen.add(step.fit.route.carrier_id)
            steps.append(step)
    return steps


def chosen(steps: Sequence[Step], live: Callable[[CarrierId], bool], refused: Refusals = NO_REFUSALS) -> Choice | None:
    """The choice among routes in order. A carrier that refused the message for good is none; one that refused it for
    now comes after those that did not. Where none is up: the first, in whose queue it waits. None: no route."""
    possible = [step for step in steps if not refused.get(step.fit.route.carrier_id, False)]
    if not possible:
        return None
    fresh = [step for step in possible if step.fit.route.carrier_id not in refused]
    up = [step for step in (*fresh, *(s for s in possible if s not in fresh)) if live(step.fit.route.carrier_id)]
    step = up[0] if up else (fresh or possible)[0]
    place = steps.index(step)
    why = 0 if up else NONE_UP
    if step.is_drawn:
        why |= DRAWN
    for before in steps[:place]:
        why |= REFUSED if before.fit.route.carrier_id in refused else DOWN if up else 0
    if step.is_set_back or step.is_moved_up:
        why |= SET_BACK
    carrier_id = step.fit.route.carrier_id
    others = tuple(one.fit.route.carrier_id for one in fresh if one is not step)
    return Choice(carrier_id, routed(step.fit.route.route_id, why), others, len(refused) - (carrier_id in refused))


def nothing_measured() -> Measured:
    """Of no carrier is it known how well it delivers."""
    return {}


class Router:
    """Chooses for one process, by what it knows of carriers: which are up, and how well they deliver."""

    def __init__(
        self,
        live: Callable[[CarrierId], bool] = lambda carrier_id: True,
        measured: Callable[[], Measured] = nothing_measured,
    ) -> None:
        self._live = live
        self._measured = measured

    def choose(
        self,
        provisioning: Provisioning,
        plan_id: PlanId,
        sender: str | None,
        recipient: str | None,
        country: str | None,
        mccmnc: str | None,
        msg_id: UUID,
        refused: Refusals = NO_REFUSALS,
    ) -> Choice | None:
        """The carrier for a message, and why. None: no route."""
        ranked = ranked_for(provisioning, plan_id, sender, recipient, country, mccmnc)
        return self._of(ranked, country, msg_id, refused)

    def _of(self, ranked: Ranked, country: str | None, msg_id: UUID, refused: Refusals) -> Choice | None:
        if ranked.first is not None and not refused and self._live(ranked.first.carrier_id):
            return ranked.first
        return chosen(in_order(ranked, msg_id, country, self._measured()), self._live, refused)

    def first_choice(
        self,
        provisioning: Provisioning,
        plan_id: PlanId,
        sender: str,
        recipient: str,
        country: str | None,
        mccmnc: str | None,
        msg_id: UUID,
    ) -> CarrierId | None:
        """The carrier that a message is queued for: a hint, asked again when it is claimed. None: no route."""
        ranked = ranked_for(provisioning, plan_id, sender, recipient, country, mccmnc)
        choice = ranked.first
        if choice is None or not self._live(choice.carrier_id):
            choice = self._of(ranked, country, msg_id, NO_REFUSALS)
        return None if choice is None else choice.carrier_id

    async def choices(
        self,
        conn: Connection,
        provisioning: Provisioning | None,
        here: CarrierId,
        claimed: Sequence[Claimed],
        contents: Sequence[Content | None],
    ) -> list[Choice | None]:
        """Where each message goes that was claimed for the carrier `here`; in doubt, here. None: no route.

        Of what was tried before, or would go to another carrier, the refusals are asked for: it never returns to a
        carrier that refused it for good, and to one that refused it for now only when no other is left.
        """
        if provisioning is None:
            return [Choice(here)] * len(claimed)
        pairs = list(zip(claimed, contents, strict=True))
        found = [self._choice(provisioning, here, *pair, NO_REFUSALS) for pair in pairs]
        unsure = [
            n
            for n, (message, choice) in enumerate(zip(claimed, found, strict=True))
            if message.tries or (choice is not None and choice.carrier_id != here)
        ]
        if unsure:
            told = await refusals.of_messages(conn, [(claimed[n].plan_id, claimed[n].msg_id) for n in unsure])
            for n in unsure:
                key = claimed[n].plan_id, claimed[n].msg_id
                if key in told:
                    found[n] = self._choice(provisioning, here, *pairs[n], told[key])
        return found

    def _choice(
        self, provisioning: Provisioning, here: CarrierId, message: Claimed, content: Content | None, refused: Refusals
    ) -> Choice | None:
        if content is None or message.plan_id not in provisioning.plans:  # a plan newer than the picture
            return Choice(here)
        if message.missing != (1 << content.parts) - 1:  # its parts stay together
            return None if refused.get(here) else Choice(here, BEGUN)
        ranked = ranked_for(
            provisioning, message.plan_id, content.sender, content.recipient, content.country, content.mccmnc
        )
        if ranked.first is not None and ranked.first.carrier_id == here and not refused:
            return ranked.first  # nearly every message; who claims is up
        return self._of(ranked, content.country, message.msg_id, refused)


def ranked_for(
    provisioning: Provisioning,
    plan_id: PlanId,
    sender: str | None,
    recipient: str | None,
    country: str | None,
    mccmnc: str | None,
) -> Ranked:
    """The routes that fit a message."""
    plan = provisioning.plans.get(plan_id)
    if plan is None:
        return NOWHERE
    return provisioning.routes.ranked(plan_id, plan.account_id, sender, recipient, country, mccmnc)
