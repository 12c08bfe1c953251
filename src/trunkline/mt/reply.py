"""A message of the platform's own, as accept stores messages: what answers a keyword."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from trunkline.carriers.dialect import of_texts
from trunkline.carriers.encode import measured
from trunkline.domain.message import Submission
from trunkline.domain.provisioning import Plan, Provisioning
from trunkline.mt.route import Router
from trunkline.numbering.e164 import country_of

# The highest that a plan can have: who says STOP while a campaign waits is answered before the rest of it.
_PRIORITY = 100


def reply(
    known: Callable[[], Provisioning | None], plan: Plan, sender: str, recipient: str, text: str, msg_id: UUID
) -> Submission | None:
    """The message; None where no route leads to the recipient."""
    provisioning = known()
    if provisioning is None:
        return None
    country = country_of(recipient)
    # A hint, as at any acceptance: who claims it asks again, knowing which carriers are up.
    carrier_id = Router().first_choice(provisioning, plan.plan_id, sender, recipient, country, None, msg_id)
    if carrier_id is None:
        return None
    size = measured(text, of_texts(provisioning.carriers[carrier_id].dialect))
    return Submission(
        plan.plan_id, msg_id, plan.account_id, sender, recipient, text, None, None, country, size.encoding, size.parts,
        carrier_id, max(plan.priority, _PRIORITY), plan.validity_s, None,
    )  # fmt: skip
