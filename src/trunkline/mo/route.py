"""Whose an inbound message is."""

from __future__ import annotations

from typing import NamedTuple

from trunkline.domain.consent import words_of
from trunkline.domain.provisioning import AccountId, PlanId, Provisioning
from trunkline.store.inbound import NO_PLAN

_READ = 200  # characters: more words than a keyword may have beside it


class Owner(NamedTuple):
    """Who gets a message. `address` is the destination as the plan's sender is written; `words` how it begins."""

    plan_id: PlanId
    account_id: AccountId
    address: str
    words: list[str]


def owner(provisioning: Provisioning, destination: str, body: str) -> Owner:
    """The plan that has the destination, or of those that share it the one whose keyword the message begins with;
    NO_PLAN where there is none."""
    words = words_of(body[:_READ])
    # Carriers write a long code with or without its +.
    for address in (destination, "+" + destination):
        plan_id = provisioning.plan_of_destination.get(address)
        if plan_id is not None:
            keyword = provisioning.keywords.get((address, words[0])) if words else None
            if keyword is not None and provisioning.plans[keyword.plan_id].active:
                plan_id = keyword.plan_id
            return Owner(plan_id, provisioning.plans[plan_id].account_id, address, words)
    # Nobody may send from it any more, perhaps; what was sent can still be answered with STOP.
    address = destination if destination in provisioning.plans_of_address else "+" + destination
    return Owner(NO_PLAN, AccountId(0), address, words)
