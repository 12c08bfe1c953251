"""POST /v1/sendsms: one MT message in, its record out once it is durable (step 1 of the trip; next: mt/accept).

The order of the checks is part of the contract: of several reasons to refuse, the first in this file is the answer.
"""

from __future__ import annotations

from functools import partial

from msgspec import UNSET

from trunkline.api.context import Context, may_use
from trunkline.api.exchange import JSON, Answer, Later, Request, Response, refused, unavailable
from trunkline.contract.listing import read_none
from trunkline.contract.problem import Refusal
from trunkline.contract.record import queued_json
from trunkline.contract.send import SendRequest, read_send
from trunkline.contract.times import parse
from trunkline.domain.message import Accepted, Submission
from trunkline.domain.provisioning import CarrierId, Plan, Provisioning, Token
from trunkline.numbering.e164 import country_of
from trunkline.text.segment import measure

SCOPE = "messages:send"
RECORD_LIMIT = 16 * 1024

_MEDIA_TYPES = frozenset({b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8"})


def send(context: Context, request: Request) -> Answer:
    """Validates and hands the message over; answers 202 when it is stored."""
    admitted = context.admit(request, SCOPE)
    if isinstance(admitted, Refusal):
        return refused(admitted, request.request_id)
    provisioning, token = admitted
    now_ms = context.now_ms()
    wanted = _read(context, request, now_ms)
    if isinstance(wanted, Refusal):
        return refused(wanted, request.request_id)
    plan = _plan(provisioning, token, wanted.service_plan_id.lower())
    if isinstance(plan, Refusal):
        return refused(plan, request.request_id)
    if (over := context.limits.charge_plan(request, plan)) is not None:
        return refused(over, request.request_id)
    country = country_of(wanted.recipient)
    carrier_id = _permit(context, provisioning, plan, wanted.sender, country)
    if isinstance(carrier_id, Refusal):
        return refused(carrier_id, request.request_id)
    submission = _submission(context, plan, wanted, country, carrier_id, now_ms)
    body = queued_json(submission, plan.account_public_id, plan.public_id)
    if len(body) + len(submission.callback_url or "") > RECORD_LIMIT:
        detail = "The record would be larger than 16 KiB: shorten the text, the URL or the reference."
        return refused(Refusal("record_too_large", detail), request.request_id)
    return Later(context.accept(submission), partial(_answer, request.request_id, submission, plan, body))


def _read(context: Context, request: Request, now_ms: int) -> SendRequest | Refusal:
    media_type = request.headers.get(b"content-type", b"")
    if media_type not in _MEDIA_TYPES and not _is_json(media_type):
        return Refusal("unsupported_media_type", "Send the body as `Content-Type: application/json`.")
    if b"content-encoding" in request.headers and request.headers[b"content-encoding"].lower() != b"identity":
        return Refusal("unsupported_media_type", "Send the body without a content encoding.")
    if request.oversized:
        return Refusal("payload_too_large", "The body must be at most 64 KiB.")
    if request.query and (unknown := read_none(request.query)):
        return unknown
    return read_send(request.body, now_ms, context.callback_policy)


def _is_json(media_type: bytes) -> bool:
    """application/json in any spelling; JSON has no parameters, but a charset that says UTF-8 does no harm."""
    essence, *parameters = (piece.strip().lower() for piece in media_type.split(b";"))
    harmless = (b"", b"charset=utf-8", b'charset="utf-8"')
    return essence == b"application/json" and all(parameter in harmless for parameter in parameters)


def _plan(provisioning: Provisioning, token: Token, public_id: str) -> Plan | Refusal:
    plan = provisioning.plans_by_public_id.get(public_id)
    # Unknown and foreign plans get the same answer: nobody learns which ids exist.
    if plan is None or plan.account_id != token.account_id:
        return Refusal("plan_not_provisioned", "This account has no service plan with this id.")
    if not plan.active or not provisioning.accounts[plan.account_id].active:
        return Refusal("plan_inactive", "The service plan is not active: it can be read, it cannot send.")
    if not may_use(token, plan):
        return Refusal("plan_not_allowed", "The token may not use this service plan.")
    return plan


def _permit(
    context: Context, provisioning: Provisioning, plan: Plan, sender: str, country: str | None
) -> CarrierId | Refusal:
    """The carrier that the route names first, if the plan may send from `sender` to `country`."""
    carrier_id = context.first_choice(provisioning, plan.plan_id, country)
    if carrier_id is None:
        return Refusal("plan_incomplete_route", "No route leads from this service plan to the destination.")
    state = provisioning.senders.get((plan.plan_id, sender))
    if state != "approved":
        if state is None or state == "denied":
            return Refusal("sender_not_authorized", "`from` is not an authorised sender of this service plan.")
        if state == "pending":
            return Refusal("sender_pending_approval", "The sender's subscription waits for approval.")
        return Refusal("sender_status_unrecognized", "The sender's subscription is in a state that is not known here.")
    if plan.countries is not None and country not in plan.countries:
        return Refusal("destination_not_allowed", "The country of `to` is not open for this service plan.")
    return carrier_id


def _submission(
    context: Context, plan: Plan, wanted: SendRequest, country: str | None, carrier_id: CarrierId, now_ms: int
) -> Submission:
    encoding, _, parts = measure(wanted.body)
    due_at = None if wanted.send_at is UNSET else parse(wanted.send_at)
    if due_at is not None and due_at.timestamp() * 1000 <= now_ms:
        due_at = None
    # By position: keywords would cost a third more, at each accept.
    return Submission(
        plan.plan_id,
        context.msg_ids.new(now_ms),
        plan.account_id,
        wanted.sender,
        wanted.recipient,
        wanted.body,
        None if wanted.callback_url is UNSET else wanted.callback_url,
        None if wanted.client_reference is UNSET else wanted.client_reference,
        country,
        encoding,
        parts,
        carrier_id,
        plan.priority,
        plan.validity_s if wanted.validity_period is UNSET else wanted.validity_period,
        due_at,
    )


def _answer(request_id: str, submission: Submission, plan: Plan, body: bytes, accepted: Accepted) -> Response:
    if accepted is Accepted.STORED:
        location = f"/v1/messages/sms/{submission.msg_id}?servicePlanId={plan.public_id}"
        return Response(202, body, JSON + b"location: " + location.encode() + b"\r\n")
    if accepted is Accepted.OUTCOME_UNKNOWN:
        detail = "It is not known whether the message was stored: look msgId up before you send again."
        return refused(Refusal("outcome_unknown", detail, msg_id=str(submission.msg_id)), request_id)
    return refused(unavailable("The message could not be stored, and it was not. Send it again."), request_id)
