"""One MO message as it is stored: what a handset sent to a number of ours."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from trunkline.domain.provisioning import PlanId


@dataclass(frozen=True, slots=True)
class Inbound:
    """`binary_hex`: lower-case hex of 8-bit data, without the header; `partial`: parts of it never came."""

    plan_id: PlanId
    msg_id: UUID
    sender: str | None
    recipient: str | None
    body: str | None
    binary_hex: str | None
    keyword: str | None
    partial: bool
    received_at: dt.datetime
