"""GET /v1/messages/sms/{msgId} and GET /v1/messages/sms: the record of one message, and lists of them."""

from __future__ import annotations

from msgspec import structs

from trunkline.api.context import Context, may_use
from trunkline.api.cursor import Cursor
from trunkline.api.exchange import Answer, Later, Request, Response, refused, unavailable
from trunkline.contract.listing import LIMIT_DEFAULT, Get, Listing, read_get, read_list
from trunkline.contract.problem import Fault, Refusal, refuse
from trunkline.contract.record import inbound_json, page_json, record_json
from trunkline.domain.filters import WINDOW_MS, Filters
from trunkline.domain.message import Record
from trunkline.domain.provisioning import Plan, Provisioning, Token
from trunkline.store import records
from trunkline.store.db import ConnectionLost

SCOPE = "messages:read"
# Ids made by another process may be ahead of this one's clock: a list that ends now ends a little later.
_AHEAD_MS = 60_000
# Trouble with the connection or the time it takes; anything else is a fault of ours.
_UNREADABLE = (*ConnectionLost, TimeoutError)
_UNREADABLE_DETAIL = "Messages cannot be read at the moment."


def get(context: Context, request: Request) -> Answer:
    """The record; 404 for any other plan's message as for none."""
    admitted = context.admit(request, SCOPE)
    if isinstance(admitted, Refusal):
        return refused(admitted, request.request_id)
    wanted: Get | Refusal = read_get(request.path.rpartition(b"/")[2].decode("latin-1"), request.query)
    if request.oversized:
        wanted = Refusal("payload_too_large", "The body must be at most 64 KiB.")
    if isinstance(wanted, Refusal):
        return refused(wanted, request.request_id)
    plan = readable_plan(*admitted, wanted.service_plan_id)
    if isinstance(plan, Refusal):
        return refused(plan, request.request_id)
    if (over := context.limits.charge_plan(request, plan)) is not None:
        return refused(over, request.request_id)
    return Later(_get(context, admitted[1], plan, wanted), lambda found: _answer(found, request.request_id))


def list_(context: Context, request: Request) -> Answer:
    """A page of records, newest first."""
    admitted = context.admit(request, SCOPE)
    if isinstance(admitted, Refusal):
        return refused(admitted, request.request_id)
    wanted: Listing | Refusal = read_list(request.query)
    if request.oversized:
        wanted = Refusal("payload_too_large", "The body must be at most 64 KiB.")
    begun = wanted if isinstance(wanted, Refusal) else _begin(context, wanted)
    if isinstance(begun, Refusal):
        return refused(begun, request.request_id)
    plan = readable_plan(*admitted, begun.plan)
    if isinstance(plan, Refusal):
        return refused(plan, request.request_id)
    if (over := context.limits.charge_plan(request, plan)) is not None:
        return refused(over, request.request_id)
    return Later(_list(context, admitted[1], plan, begun), lambda found: _answer(found, request.request_id))


def readable_plan(provisioning: Provisioning, token: Token, public_id: str) -> Plan | Refusal:
    """The plan that a token asks about; an inactive one too."""
    plan = provisioning.plans_by_public_id.get(public_id)
    # Unknown, foreign and not allowed: one answer.
    if plan is None or plan.account_id != token.account_id or not may_use(token, plan):
        return Refusal("plan_not_allowed", "The token may not use this service plan.")
    return plan


def _begin(context: Context, wanted: Listing) -> Cursor | Refusal:
    """Where the page starts: at what the cursor says, or at the newest message that the filters allow."""
    if wanted.cursor is not None:
        return _resume(context, wanted, wanted.cursor)
    from_ms, to_ms = _window(wanted, context.now_ms())
    filters = Filters(
        inbound=bool(wanted.inbound),
        sender=wanted.sender,
        recipient=wanted.recipient,
        status=wanted.status,
        country=wanted.country,
        mccmnc=wanted.mccmnc,
        from_ms=from_ms,
        to_ms=to_ms,
    )
    return Cursor(wanted.service_plan_id, filters, None, wanted.limit or LIMIT_DEFAULT)


def _window(wanted: Listing, now_ms: int) -> tuple[int, int]:
    """The window asked for, completed where an end is not given; both ends inclusive."""
    from_ms, to_ms = wanted.from_ms, wanted.to_ms
    if from_ms is None and to_ms is None:
        return now_ms - WINDOW_MS, now_ms + _AHEAD_MS
    if to_ms is None:
        assert from_ms is not None
        return from_ms, max(from_ms, min(from_ms + WINDOW_MS, now_ms + _AHEAD_MS))
    if from_ms is None:
        return to_ms - WINDOW_MS, to_ms
    return from_ms, to_ms


# A query parameter and the filter that a cursor carries for it.
_CARRIED = {
    "direction": "inbound",
    "from": "sender",
    "to": "recipient",
    "status": "status",
    "country": "country",
    "mccmnc": "mccmnc",
    "fromDate": "from_ms",
    "toDate": "to_ms",
}


def _resume(context: Context, wanted: Listing, text: str) -> Cursor | Refusal:
    cursor = context.cursors.read(text)
    if cursor is None or cursor.plan != wanted.service_plan_id:
        return refuse([Fault("cursor", "bad_cursor", "was not issued for this list: start again without it")])
    faults = [
        Fault(parameter, "bad_cursor", "differs from what the cursor carries: leave it out, or start again")
        for parameter, name in _CARRIED.items()
        if (given := getattr(wanted, name)) is not None and given != getattr(cursor.filters, name)
    ]
    if faults:
        return refuse(faults)
    return cursor if wanted.limit is None else structs.replace(cursor, limit=wanted.limit)


async def _get(context: Context, token: Token, plan: Plan, wanted: Get) -> Response | Refusal:
    try:
        async with context.readers.of(token.account_id) as conn:
            record = await records.get(conn, plan.plan_id, wanted.msg_id)
    except _UNREADABLE:
        return unavailable(_UNREADABLE_DETAIL)
    if record is None:
        return Refusal("message_not_found", "This service plan has no message with this id.")
    return Response(200, record_json(record, plan.account_public_id, plan.public_id))


async def _list(context: Context, token: Token, plan: Plan, cursor: Cursor) -> Response | Refusal:
    try:
        async with context.readers.of(token.account_id) as conn:
            page = await records.page(
                conn, plan.plan_id, cursor.filters, cursor.after, cursor.limit, context.scan_bound
            )
    except _UNREADABLE:
        return unavailable(_UNREADABLE_DETAIL)
    account, public_id = plan.account_public_id, plan.public_id
    bodies = [
        record_json(one, account, public_id) if isinstance(one, Record) else inbound_json(one, account, public_id)
        for one in page.records
    ]
    following = None if page.after is None else context.cursors.write(structs.replace(cursor, after=page.after))
    return Response(200, page_json(bodies, cursor.limit, following, page.has_more))


def _answer(found: Response | Refusal, request_id: str) -> Response:
    return found if isinstance(found, Response) else refused(found, request_id)
