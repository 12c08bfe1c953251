"""POST /v1/sendsms: one MT message in, its record out once it is durable (step 1 of the trip; next: mt/accept).

The order of the checks is part of the contract: of several reasons to refuse, the first in this file is the answer.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple
from uuid import UUID

from msgspec import UNSET

from trunkline.api.accepted import Ready, refusal_of, stored
from trunkline.api.context import Context, may_use
from trunkline.api.dry_run import tried, tried_with_key
from trunkline.api.exchange import Answer, Later, Request, Response, refused
from trunkline.api.idempotency import once
from trunkline.api.sizing import over_limit, size
from trunkline.api.terms import terms_of
from trunkline.contract.dry_run import read_dry_run
from trunkline.contract.idempotency import read_key
from trunkline.contract.problem import Fault, Refusal, joined, refuse
from trunkline.contract.record import queued_json
from trunkline.contract.send import SendRequest, read_send
from trunkline.contract.times import parse
from trunkline.domain import callback
from trunkline.domain.message import Accepted, RequestKey, Submission
from trunkline.domain.provisioning import AccountId, CarrierId, Plan, Provisioning, Token
from trunkline.domain.terms import Terms
from trunkline.numbering.e164 import country_of
from trunkline.text.segment import Measure

SCOPE = "messages:send"
RECORD_LIMIT = 16 * 1024

_MEDIA_TYPES = frozenset({b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8"})


def send(context: Context, request: Request) -> Answer:
    """Validates and hands the message over; answers 202 when it is stored."""
    admitted = context.admit(request, SCOPE)
    if isinstance(admitted, Refusal):
        return refused(admitted, request.request_id)
    if (unreadable := unfit(request)) is not None:
        return refused(unreadable, request.request_id)
    dry = read_dry_run(request.query) if request.query else False
    if isinstance(dry, Refusal):
        return refused(misasked(context, request, dry), request.request_id)
    judged = _judge(context, request, *admitted)
    if dry:
        return _dry_run(context, request, admitted[0], admitted[1].account_id, judged)
    if isinstance(judged, Refusal):
        return refused(judged, request.request_id)
    plan, key, ready, _ = judged
    if key is not None:
        return once(context, request.request_id, admitted[1].account_id, plan, key, ready)
    if isinstance(ready, Refusal):
        return refused(ready, request.request_id)
    return Later(context.accept(ready.submission), partial(_answer, request.request_id, ready, plan))


# The plan that a request may use, its key, what it comes to, and the carrier that it would go to.
_Judged = tuple[Plan, RequestKey | None, Ready | Refusal, CarrierId | None]


class _Bound(NamedTuple):
    """What a message is routed by, beside what the request says, and where to."""

    msg_id: UUID
    country: str | None
    mccmnc: str | None
    carrier_id: CarrierId | None


def _judge(context: Context, request: Request, provisioning: Provisioning, token: Token) -> _Judged | Refusal:
    """A request that may be read: refused for itself or its plan; or, where a key has the first word, what else speaks
    against it."""
    now_ms = context.now_ms()
    read = read_request(context, request, now_ms)
    if isinstance(read, Refusal):
        return read
    wanted, key = read
    plan = _plan(provisioning, token, wanted.service_plan_id.lower())
    if isinstance(plan, Refusal):
        return plan
    if (over := context.limits.charge_plan(request, plan)) is not None:
        return over
    country, mccmnc = country_of(wanted.recipient), context.mccmnc_of(wanted.recipient)
    msg_id = context.msg_ids.new(now_ms)
    carrier_id = context.first_choice(
        provisioning, plan.plan_id, wanted.sender, wanted.recipient, country, mccmnc, msg_id
    )
    bound = _Bound(msg_id, country, mccmnc, carrier_id)
    if not _may_call_back(context, plan, wanted):
        return plan, key, refuse([Fault("callbackUrl", "callback_url_refused", callback.REFUSAL)]), carrier_id
    return plan, key, _ready(context, provisioning, plan, wanted, key, bound, now_ms), carrier_id


def _ready(
    context: Context,
    provisioning: Provisioning,
    plan: Plan,
    wanted: SendRequest,
    key: RequestKey | None,
    bound: _Bound,
    now_ms: int,
) -> Ready | Refusal:
    """The message to store, or what about its plan, sender, destination or size speaks against it."""
    carrier_id = bound.carrier_id
    if carrier_id is None:
        return Refusal("plan_incomplete_route", "No route leads from this service plan to the destination.")
    sized = size(wanted.body, plan, provisioning.carriers.get(carrier_id))
    if (over := over_limit(sized.parts, plan)) is not None:
        return over
    terms = terms_of(context, provisioning, plan, wanted.sender, wanted.recipient, bound.country, bound.mccmnc)
    if isinstance(terms, Refusal):
        return terms
    if (forbidden := _forbidden(provisioning, plan, wanted.sender, bound.country)) is not None:
        return forbidden
    submission = _submission(plan, wanted, key, bound, carrier_id, sized, terms, now_ms)
    record = queued_json(submission, plan.account_public_id, plan.public_id)
    if len(record) + len(submission.callback_url or "") > RECORD_LIMIT:
        detail = "The record would be larger than 16 KiB: shorten the text, the URL or the reference."
        return Refusal("record_too_large", detail)
    return Ready(submission, record)


def _dry_run(
    context: Context, request: Request, provisioning: Provisioning, account_id: AccountId, judged: _Judged | Refusal
) -> Answer:
    if isinstance(judged, Refusal):
        return tried(context, judged, request)
    plan, key, ready, carrier_id = judged

    def by_plan(text: str, _: str | None) -> Measure:
        return size(text, plan, None if carrier_id is None else provisioning.carriers.get(carrier_id))

    if key is None:
        return tried(context, ready, request, by_plan)
    trial = tried_with_key(context, account_id, plan, key, ready, request, by_plan)
    return Later(trial, lambda response: response)


def read_request(context: Context, request: Request, now_ms: int) -> tuple[SendRequest, RequestKey | None] | Refusal:
    """The message that a request asks to send, and its key, before it is looked at who may send what."""
    wanted = read_send(request.body, now_ms, context.callback_policy)
    header = request.headers.get(b"idempotency-key")
    key = None if header is None else read_key(header, wanted)
    if isinstance(key, Refusal):
        return key
    return wanted if isinstance(wanted, Refusal) else (wanted, key)


def misasked(context: Context, request: Request, wrong_query: Refusal) -> Refusal:
    """The refusal of a request whose query string is wrong, with the faults of its body and its key beside."""
    read = read_request(context, request, context.now_ms())
    return joined(wrong_query, read) if isinstance(read, Refusal) else wrong_query


def unfit(request: Request) -> Refusal | None:
    """Why the body of a request is not read at all."""
    media_type = request.headers.get(b"content-type", b"")
    if media_type not in _MEDIA_TYPES and not _is_json(media_type):
        return Refusal("unsupported_media_type", "Send the body as `Content-Type: application/json`.")
    if b"content-encoding" in request.headers and request.headers[b"content-encoding"].lower() != b"identity":
        return Refusal("unsupported_media_type", "Send the body without a content encoding.")
    if request.oversized:
        return Refusal("payload_too_large", "The body must be at most 64 KiB.")
    return None


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


def _may_call_back(context: Context, plan: Plan, wanted: SendRequest) -> bool:
    """Whether the `callbackUrl` is of an origin that the plan allows, where there is one."""
    if plan.callback_origins is None or wanted.callback_url is UNSET:
        return True
    target = callback.check(wanted.callback_url, policy=context.callback_policy)
    return target is not None and target.origin in plan.callback_origins


def _forbidden(provisioning: Provisioning, plan: Plan, sender: str, country: str | None) -> Refusal | None:
    """Why the plan may not send from `sender` or to `country`."""
    state = provisioning.senders.get((plan.plan_id, sender))
    if state != "approved":
        if state is None or state == "denied":
            return Refusal("sender_not_authorized", "`from` is not an authorised sender of this service plan.")
        if state == "pending":
            return Refusal("sender_pending_approval", "The sender's subscription waits for approval.")
        return Refusal("sender_status_unrecognized", "The sender's subscription is in a state that is not known here.")
    if plan.countries is not None and country not in plan.countries:
        return Refusal("destination_not_allowed", "The country of `to` is not open for this service plan.")
    return None


def _submission(
    plan: Plan,
    wanted: SendRequest,
    key: RequestKey | None,
    bound: _Bound,
    carrier_id: CarrierId,
    sized: Measure,
    terms: Terms | None,
    now_ms: int,
) -> Submission:
    due_at = None if wanted.send_at is UNSET else parse(wanted.send_at)
    if due_at is not None and due_at.timestamp() * 1000 <= now_ms:
        due_at = None
    # By position: keywords would cost a third more, at each accept.
    return Submission(
        plan.plan_id,
        bound.msg_id,
        plan.account_id,
        wanted.sender,
        wanted.recipient,
        wanted.body,
        None if wanted.callback_url is UNSET else wanted.callback_url,
        None if wanted.client_reference is UNSET else wanted.client_reference,
        bound.country,
        sized.encoding,
        sized.parts,
        carrier_id,
        plan.priority,
        plan.validity_s if wanted.validity_period is UNSET else wanted.validity_period,
        due_at,
        bound.mccmnc,
        key,
        terms,
    )


def _answer(request_id: str, ready: Ready, plan: Plan, outcome: Accepted) -> Response:
    submission, record = ready
    if outcome is Accepted.STORED:
        return stored(submission.msg_id, plan, record)
    return refused(refusal_of(outcome, submission.msg_id), request_id)
