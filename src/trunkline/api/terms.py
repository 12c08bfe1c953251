"""On what terms a message is accepted: what its parts cost, by its plan's price list, and what has to be watched."""

from __future__ import annotations

from trunkline.api.context import Context
from trunkline.contract.problem import Refusal
from trunkline.domain.guard import counters_of
from trunkline.domain.provisioning import Plan, Provisioning
from trunkline.domain.terms import PlanTerms, Terms

_NO_LIST = Refusal("plan_incomplete_price", "The service plan is charged for, and has no price list.")
_NO_PRICE = Refusal("plan_incomplete_price", "The service plan's price list has no price for this message.")
_NONE = PlanTerms()


def terms_of(
    context: Context,
    provisioning: Provisioning,
    plan: Plan,
    sender: str,
    recipient: str,
    country: str | None,
    mccmnc: str | None,
) -> Terms | Refusal | None:
    """The terms of a message to a recipient in a country and network; None where there are none."""
    if plan.terms is None and plan.guard is None and not provisioning.blocked:
        return None
    terms = plan.terms or _NONE
    counters = counters_of(plan.guard, provisioning.blocked, recipient)
    if terms.price_list_id is None:
        if terms is not _NONE:
            return _NO_LIST
        return Terms(counters=counters) if counters else None
    price = context.price_of(terms.price_list_id, country, mccmnc, sender)
    return _NO_PRICE if price is None else Terms(*price, terms.purse, terms.cap, counters)
