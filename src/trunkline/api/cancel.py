"""POST /v1/messages/sms/{msgId}/cancel: a message that nobody has claimed yet is not sent."""

from __future__ import annotations

from trunkline.api.context import Context
from trunkline.api.exchange import Answer, Later, Request, Response, refused, unavailable
from trunkline.api.messages import readable_plan
from trunkline.api.sendsms import SCOPE
from trunkline.contract.listing import Get, read_cancel
from trunkline.contract.problem import Refusal
from trunkline.contract.record import record_json
from trunkline.domain.provisioning import AccountId, Plan
from trunkline.runtime import log
from trunkline.settle.withdraw import withdraw
from trunkline.store import records
from trunkline.store.db import ConnectionLost

_log = log.get_logger()
_NOT_FOUND = Refusal("message_not_found", "This service plan has no message with this id.")


def cancel(context: Context, request: Request) -> Answer:
    """The record, FAILED 610; 409 once the message was claimed, or is final. Refused in the order of the GETs."""
    admitted = context.admit(request, SCOPE)
    if isinstance(admitted, Refusal):
        return refused(admitted, request.request_id)
    wanted: Get | Refusal = read_cancel(request.path.split(b"/")[-2].decode("latin-1"), request.query, request.body)
    if request.oversized:
        wanted = Refusal("payload_too_large", "The body must be at most 64 KiB.")
    if isinstance(wanted, Refusal):
        return refused(wanted, request.request_id)
    plan = readable_plan(*admitted, wanted.service_plan_id)
    if isinstance(plan, Refusal):
        return refused(plan, request.request_id)
    if (over := context.limits.charge_plan(request, plan)) is not None:
        return refused(over, request.request_id)
    return Later(
        _cancel(context, admitted[1].account_id, plan, wanted),
        lambda found: found if isinstance(found, Response) else refused(found, request.request_id),
    )


async def _cancel(context: Context, account_id: AccountId, plan: Plan, wanted: Get) -> Response | Refusal:
    begun = False
    try:
        # Cancelling is done as the login; that the message is the token's is read under row-level security before.
        async with context.readers.of(account_id) as conn:
            if await records.get(conn, plan.plan_id, wanted.msg_id) is None:
                return _NOT_FOUND
        async with context.writers.acquire() as conn:
            begun = True
            cancelled = await withdraw(conn, plan.plan_id, wanted.msg_id)
            record = await records.get(conn, plan.plan_id, wanted.msg_id)
    except ConnectionLost:
        if begun:
            detail = "It is not known whether the message was cancelled: look msgId up."
            return Refusal("outcome_unknown", detail, msg_id=str(wanted.msg_id))
        return unavailable("Messages cannot be cancelled at the moment.")
    if record is None:
        return _NOT_FOUND
    if not cancelled:
        return Refusal("not_cancellable", "The message is on its way to the carrier, or final.")
    _log.info("message.cancelled", plan_id=plan.plan_id, msg_id=str(wanted.msg_id))
    return Response(200, record_json(record, plan.account_public_id, plan.public_id))
