"""Whose an inbound message is."""

from __future__ import annotations

from trunkline.domain.provisioning import AccountId, PlanId, Provisioning
from trunkline.store.inbound import NO_PLAN


def owner(provisioning: Provisioning, destination: str) -> tuple[PlanId, AccountId]:
    """The plan that has the destination, and its account; NO_PLAN where there is none."""
    plan_id = provisioning.plan_of_destination.get(destination)
    if plan_id is None:
        # Carriers write a long code with or without its +.
        plan_id = provisioning.plan_of_destination.get("+" + destination)
    if plan_id is None:
        return NO_PLAN, AccountId(0)
    return plan_id, provisioning.plans[plan_id].account_id
