"""Which claimed messages have to wait because it is night where they go."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from trunkline.domain.provisioning import PlanId, Provisioning
from trunkline.domain.quiet import QuietHours, opens_at
from trunkline.numbering.zones import zones_of
from trunkline.store.queue import Claimed, Content


def plans(provisioning: Provisioning | None, claimed: Iterable[Claimed]) -> list[PlanId]:
    """Those of the plans with quiet hours: of their messages it matters whether they are replies."""
    return [plan_id for plan_id in {one.plan_id for one in claimed} if _hours(provisioning, plan_id) is not None]


def until(
    provisioning: Provisioning | None, message: Claimed, content: Content, now: dt.datetime
) -> dt.datetime | None:
    """When the message may go out; None: now. A reply may at any hour, and so may the rest of a message that was
    begun."""
    hours = _hours(provisioning, message.plan_id)
    if hours is None or content.recipient is None or content.is_reply or message.missing != (1 << content.parts) - 1:
        return None
    return opens_at(now, zones_of(content.recipient), hours)


def _hours(provisioning: Provisioning | None, plan_id: PlanId) -> QuietHours | None:
    plan = provisioning.plans.get(plan_id) if provisioning is not None else None
    return None if plan is None else plan.consent.quiet()
