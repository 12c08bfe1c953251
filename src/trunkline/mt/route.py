"""Step 3 of the trip: which carriers may take a message, best first."""

from __future__ import annotations

from collections.abc import Callable

from trunkline.domain.provisioning import CarrierId, PlanId, Provisioning


def choices(provisioning: Provisioning, plan_id: PlanId, country: str | None) -> list[CarrierId]:
    """Carriers of the routes that fit, in the routes' order, each once."""
    found: list[CarrierId] = []
    for route in provisioning.routes:
        if (
            (route.plan_id is None or route.plan_id == plan_id)
            and (route.countries is None or country in route.countries)
            and route.carrier_id in provisioning.carriers
            and route.carrier_id not in found
        ):
            found.append(route.carrier_id)
    return found


def first_choice(provisioning: Provisioning, plan_id: PlanId, country: str | None) -> CarrierId | None:
    """The carrier that a message is queued for: a hint, computed again when it is claimed. None: no route."""
    found = choices(provisioning, plan_id, country)
    return found[0] if found else None


def choose(
    provisioning: Provisioning, plan_id: PlanId, country: str | None, live: Callable[[CarrierId], bool]
) -> CarrierId | None:
    """The first carrier that is live; where none is, the first choice, whose queue then waits. None: no route."""
    found = choices(provisioning, plan_id, country)
    for carrier_id in found:
        if live(carrier_id):
            return carrier_id
    return found[0] if found else None
