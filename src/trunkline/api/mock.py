"""The mock under /mock: requests are validated as by the real operations and answered with the description's examples.

It takes any token, knows no plans, stores and sends nothing, and so it works while the database is down.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from trunkline.api.cancel import cancel
from trunkline.api.context import Context, Operation
from trunkline.api.dry_run import tried
from trunkline.api.exchange import JSON, Answer, Request, Response, refused
from trunkline.api.messages import get, list_
from trunkline.api.openapi import examples
from trunkline.api.openapi.operations import CANCEL, GET, LIST, SEND, Described
from trunkline.api.sendsms import misasked, read_request, send, unfit
from trunkline.api.token import bearer_of
from trunkline.contract.dry_run import read_dry_run
from trunkline.contract.listing import read_cancel, read_get, read_list
from trunkline.contract.problem import Fault, Refusal, refuse

PREFIX = b"/mock"

_LOCATION = f"location: /mock/v1/messages/sms/{examples.MSG_ID}?servicePlanId={examples.PLAN}\r\n".encode()
# RFC 7240 §2: `name=value`, the value a token or in quotes; what follows a semicolon belongs to that preference.
_PREFER_CODE = re.compile(r'\s*code\s*=\s*(?:"([^"]*)"|([^\s;"]+))', re.IGNORECASE).match

# What a request is answered with: an example, why it is refused, or an answer of its own.
_Found = Mapping[str, Any] | Refusal | Response


def _mock(described: Described, find: Callable[[Context, Request], _Found]) -> Operation:
    def answer(context: Context, request: Request) -> Answer:
        bearer = bearer_of(request)
        if isinstance(bearer, Refusal):
            return refused(bearer, request.request_id)
        code = _preferred(request)
        if code is not None:
            return _asked_for(described, code, request.request_id)
        found = find(context, request)
        if request.oversized and not isinstance(found, Refusal):
            found = Refusal("payload_too_large", "The body must be at most 64 KiB.")
        if isinstance(found, Refusal):
            return refused(found, request.request_id)
        return found if isinstance(found, Response) else _success(described, found)

    return answer


def _success(described: Described, example: Mapping[str, Any]) -> Response:
    status = next(one.status for one in described.successes if example in one.examples.values())
    return Response(status, msgspec.json.encode(example), JSON + _LOCATION if status == 202 else JSON)


# -- Prefer: code=409 ---------------------------------------------------------------------------------------------


def _preferred(request: Request) -> str | None:
    """The answer that is asked for: a status, or a problem's code."""
    for preference in request.headers.get(b"prefer", b"").decode("latin-1").split(","):
        if match := _PREFER_CODE(preference):
            return match[1] if match[1] is not None else match[2]
    return None


def _asked_for(described: Described, asked: str, request_id: str) -> Response:
    for success in described.successes:
        if asked == str(success.status):
            return _applied(_success(described, next(iter(success.examples.values()))), asked)
    for code, refusal in described.problems.items():
        if asked in (code, str(refusal.status)):
            return _applied(refused(refusal, request_id), asked)
    statuses = {one.status for one in described.successes} | {one.status for one in described.problems.values()}
    known = ", ".join([*map(str, sorted(statuses)), *sorted(described.problems)])
    return refused(refuse([Fault("Prefer", "wrong_form", f"code must be one of {known}")]), request_id)


def _applied(response: Response, asked: str) -> Response:
    response.headers += f"preference-applied: code={asked}\r\n".encode()
    return response


# -- the operations -----------------------------------------------------------------------------------------------


def _send(context: Context, request: Request) -> _Found:
    if (unreadable := unfit(request)) is not None:
        return unreadable
    dry = read_dry_run(request.query)
    if isinstance(dry, Refusal):
        return misasked(context, request, dry)
    read = read_request(context, request, context.now_ms())
    if not isinstance(read, Refusal):
        return examples.DRY_RUN if dry else examples.QUEUED
    return tried(context, read, request) if dry else read


def _list(context: Context, request: Request) -> _Found:
    wanted = read_list(request.query)
    if isinstance(wanted, Refusal):
        return wanted
    if wanted.cursor is not None:
        return examples.LAST_PAGE
    return examples.INBOUND_PAGE if wanted.inbound else examples.PAGE


def _get(context: Context, request: Request) -> _Found:
    wanted = read_get(request.path.rpartition(b"/")[2].decode("latin-1"), request.query)
    return wanted if isinstance(wanted, Refusal) else examples.DELIVERED


def _cancel(context: Context, request: Request) -> _Found:
    wanted = read_cancel(request.path.split(b"/")[-2].decode("latin-1"), request.query, request.body)
    return wanted if isinstance(wanted, Refusal) else examples.CANCELLED


# What stands for each operation.
_STANDS_FOR: Mapping[Operation, Operation] = {
    send: _mock(SEND, _send),
    list_: _mock(LIST, _list),
    get: _mock(GET, _get),
    cancel: _mock(CANCEL, _cancel),
}


def mocked(table: Mapping[bytes, Mapping[bytes, Operation]]) -> Mapping[bytes, Mapping[bytes, Operation]]:
    """The same paths below /mock, each operation with its mock. Raises KeyError for an operation without one."""
    return {
        PREFIX + path: {method: _STANDS_FOR[operation] for method, operation in operations.items()}
        for path, operations in table.items()
    }
