"""What a send request is answered with once it is known what became of its message."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from trunkline.api.exchange import JSON, Response, unavailable
from trunkline.contract.problem import Refusal
from trunkline.domain.message import Accepted, Submission
from trunkline.domain.provisioning import Plan

REPLAYED = b"idempotent-replayed: true\r\n"

_UNKNOWN = "It is not known whether the message was stored: look msgId up before you send again."
_NOT_STORED = unavailable("The message could not be stored, and it was not. Send it again.")
IN_USE = Refusal(
    "idempotency_key_in_use", "The same request with this Idempotency-Key is in work: repeat it.", retry_after_s=1
)
REUSED = Refusal("idempotency_key_reused", "Another request came with this Idempotency-Key: take a new one.")


class Ready(NamedTuple):
    """A message that nothing speaks against, and its record for the answer."""

    submission: Submission
    record: bytes


def stored(msg_id: UUID, plan: Plan, record: bytes, headers: bytes = JSON) -> Response:
    """202: the record, and where to look for it from now on."""
    location = f"/v1/messages/sms/{msg_id}?servicePlanId={plan.public_id}"
    return Response(202, record, headers + b"location: " + location.encode() + b"\r\n")


def refusal_of(outcome: Accepted, msg_id: UUID) -> Refusal:
    """Why a message was not stored."""
    if outcome is Accepted.OUTCOME_UNKNOWN:
        return Refusal("outcome_unknown", _UNKNOWN, msg_id=str(msg_id))
    return {Accepted.KEY_IN_USE: IN_USE, Accepted.KEY_REUSED: REUSED}.get(outcome, _NOT_STORED)
