"""One MT message at each station of its trip, as plain values."""

from __future__ import annotations

import datetime as dt
from enum import IntEnum
from typing import NamedTuple
from uuid import UUID

from msgspec import Struct

from trunkline.domain.provisioning import AccountId, CarrierId, PlanId
from trunkline.domain.status import Status
from trunkline.domain.terms import Terms


class Accepted(IntEnum):
    """What became of a submission in the database."""

    STORED = 0
    UNAVAILABLE = 1  # surely not stored
    OUTCOME_UNKNOWN = 2  # the commit was sent and its answer never came
    # Not stored because of the request's key. The numbers are those of the statement `accept_keyed`.
    KEY_IN_USE = 3  # the same request with this key is in work
    KEY_REUSED = 4  # another request with this key is in work
    KEY_TAKEN = 5  # this key was stored before


class RequestKey(NamedTuple):
    """An Idempotency-Key and the request that it came with: `request_hash` is over the parsed fields."""

    text: str
    request_hash: bytes


class Submission(NamedTuple):
    """A validated send request, ready to be stored (`mt/accept`): the schema's type submission, then its key and its
    terms."""

    plan_id: PlanId
    msg_id: UUID
    account_id: AccountId
    sender: str
    recipient: str
    body: str
    callback_url: str | None
    client_reference: str | None
    country: str | None
    encoding: int
    parts: int
    carrier_id: CarrierId  # the first choice of the route: a hint, computed again when claimed
    priority: int
    validity_s: int
    due_at: dt.datetime | None  # None: now
    mccmnc: str | None = None
    key: RequestKey | None = None
    terms: Terms | None = None  # None: its plan has none


class Record(Struct, frozen=True, gc=False):
    """What is known of a message now; `contract` spells it for customers."""

    plan_id: PlanId
    msg_id: UUID
    sender: str | None
    recipient: str | None
    body: str | None
    status: Status
    error_code: int
    parts: int
    country: str | None
    mccmnc: str | None
    price_micro: int | None
    ptf_micro: int | None
    currency: str | None
    sent_at: dt.datetime | None
    final_at: dt.datetime | None
    client_reference: str | None
    resubmitted: bool
    late: bool
