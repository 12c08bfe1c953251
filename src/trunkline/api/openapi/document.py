"""The document: operations, webhooks, schemas and the catalogue put together as OpenAPI 3.1 has them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from trunkline import __version__
from trunkline.api.openapi import examples
from trunkline.api.openapi.operations import OPERATIONS, Described, Parameter, Success
from trunkline.api.openapi.schemas import ref, schemas
from trunkline.contract.problem import MEDIA_TYPE, Refusal
from trunkline.domain.errors import DELIVERY_CODES, PROBLEMS, Advice, DeliveryCode
from trunkline.domain.status import Status

MOCK = "/mock"

_TEXT = """\
Send SMS, follow them, receive SMS.

Every request carries `Authorization: Bearer <token>`, and names the service plan that it is for. Bodies are JSON.
Each answer has an `X-Request-Id`.

**Try it** goes to the mock server: it validates like the real one, answers with the examples of this page, takes any
token, and neither stores nor sends anything. `Prefer: code=409` asks it for a documented error. Choose the other server
to send real messages with a real token.

# Problems

A refused request is answered with `application/problem+json` (RFC 9457). Decide by `code`; `detail` says what to
change, `errors` names all faults of a request that is not valid. Outside of the operations there are `not_found` for a
path that does not exist and `method_not_allowed` for a method that a path does not have.

{problems}

# Delivery codes

`errorCode` of a record says why a message failed, or why it cannot be told how it ended. Where sending it again is
unsafe, it may have been delivered: a second one may reach the recipient.

{codes}"""

_TAGS = {
    "Outbound SMS": "Send messages (MT).",
    "Logs and status": "Read messages, one or many.",
    "Webhooks": "What is posted to your URLs. Any 2xx acknowledges; other answers and failures are tried again for"
    " three days. 410 ends an event at once. Each carries a signature (Standard Webhooks): verify it before you act.",
}

_HEADERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "X-Request-Id": ("The request's id; name it when you ask for help.", {"type": "string"}),
    "Location": ("The record's path, to be followed as it is.", {"type": "string", "format": "uri-reference"}),
    "Idempotent-Replayed": (
        "`true` where this is the first answer once more: nothing was sent again.",
        {"type": "string", "enum": ["true"]},
    ),
    "Retry-After": ("Seconds to wait.", {"type": "integer", "minimum": 1}),
    "WWW-Authenticate": ("The scheme that is expected: `Bearer`.", {"type": "string"}),
    "RateLimit-Policy": (
        'The limits of account and plan, `q` requests in `w` seconds each: `"account";q=200;w=1, "plan";q=100;w=1`.',
        {"type": "string"},
    ),
    "RateLimit": (
        'What is left of them, `r` requests for `t` seconds: `"account";r=180;t=1, "plan";r=90;t=1`.',
        {"type": "string"},
    ),
}
_ALWAYS = ("X-Request-Id",)
_LIMITED = ("RateLimit-Policy", "RateLimit")


def document() -> dict[str, Any]:
    """The whole document."""
    paths: dict[str, dict[str, Any]] = defaultdict(dict)
    for described in OPERATIONS:
        paths[described.path][described.method] = _operation(described)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "SMS API",
            "version": __version__,
            "description": _TEXT.format(problems=_problems(), codes=_codes()),
        },
        "servers": [
            {"url": MOCK, "description": "Mock server: answers with examples, sends nothing"},
            {"url": "/", "description": "This server: sends real messages"},
        ],
        "security": [{"bearer": []}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": dict(paths),
        "webhooks": _webhooks(),
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "A token of your account."}
            },
            "headers": {name: {"description": text, "schema": schema} for name, (text, schema) in _HEADERS.items()},
            "schemas": schemas(),
        },
    }


# -- operations ---------------------------------------------------------------------------------------------------


def _operation(described: Described) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": described.operation_id,
        "tags": [described.tag],
        "summary": described.summary,
        "description": described.text,
        "parameters": [_parameter(parameter) for parameter in described.parameters],
    }
    if described.request is not None:
        operation["requestBody"] = {
            "required": True,
            "content": _content("application/json", described.request, described.request_examples),
        }
    answers = {str(success.status): _success(success) for success in described.successes}
    by_status: dict[int, dict[str, Refusal]] = defaultdict(dict)
    for code, refusal in described.problems.items():
        by_status[refusal.status][code] = refusal
    for status in sorted(by_status):
        answers[str(status)] = _refused(status, by_status[status])
    operation["responses"] = answers
    return operation


def _parameter(parameter: Parameter) -> dict[str, Any]:
    spelled: dict[str, Any] = {"name": parameter.name, "in": parameter.where, "description": parameter.text}
    if parameter.required:
        spelled["required"] = True
    spelled["schema"] = parameter.schema
    if parameter.example is not None:
        spelled["example"] = parameter.example
    return spelled


def _success(success: Success) -> dict[str, Any]:
    answer = {
        "description": success.text,
        "headers": _headers((*success.headers, *_LIMITED)),
        "content": _content("application/json", success.schema, success.examples),
    }
    return {**answer, "links": success.links} if success.links else answer


def _refused(status: int, refusals: Mapping[str, Refusal]) -> dict[str, Any]:
    headers = ["WWW-Authenticate"] if status == 401 else []
    if any(refusal.retry_after_s for refusal in refusals.values()):
        headers.append("Retry-After")
    told = {code: examples.problem(refusal) for code, refusal in refusals.items()}
    return {
        "description": " · ".join(f"`{code}`: {PROBLEMS[code].title}" for code in refusals),
        "headers": _headers((*headers, *_LIMITED)),
        "content": _content(MEDIA_TYPE, "Problem", told),
    }


def _content(media_type: str, schema: str, bodies: Mapping[str, Any]) -> dict[str, Any]:
    return {media_type: {"schema": ref(schema), "examples": {name: {"value": body} for name, body in bodies.items()}}}


def _headers(names: Iterable[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in (*_ALWAYS, *names)}


# -- webhooks -----------------------------------------------------------------------------------------------------

_HOOK_HEADERS = (
    Parameter(
        "webhook-id",
        "header",
        "Names the event; equal in all its attempts. Dedupe by it.",
        {"type": "string"},
        True,
        f"{examples.MSG_ID}-2",
    ),
    Parameter(
        "webhook-timestamp",
        "header",
        "Seconds since 1970 of this attempt.",
        {"type": "string", "pattern": "^[0-9]+$"},
        True,
        "1781921645",
    ),
    Parameter(
        "webhook-signature",
        "header",
        "`v1,` and the HMAC-SHA256 (base64) of id, timestamp and body with a dot between, made with the plan's secret;"
        " several with spaces between while the secret is being changed.",
        {"type": "string"},
        True,
        "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
    ),
)


def _webhooks() -> dict[str, Any]:
    return {
        "deliveryReceipt": _webhook(
            "deliveryReceipt",
            "Delivery receipt (DLR)",
            "The record of a message, posted when it becomes final (and when the carrier takes it, if the plan asks for"
            " that) to the message's `callbackUrl`, else the plan's or the account's URL.",
            "DeliveryReceipt",
            {"delivered": examples.DELIVERED, "failed": examples.FAILED, "unknown": examples.UNKNOWN},
        ),
        "inboundMessage": _webhook(
            "inboundMessage",
            "Inbound message (MO)",
            "A message from a phone, posted to the plan's inbound URL, else the account's.",
            "InboundMessage",
            {"received": examples.INBOUND},
        ),
    }


def _webhook(name: str, summary: str, text: str, schema: str, bodies: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "post": {
            "operationId": name,
            "tags": ["Webhooks"],
            "summary": summary,
            "description": text,
            "security": [],
            "parameters": [_parameter(parameter) for parameter in _HOOK_HEADERS],
            "requestBody": {"required": True, "content": _content("application/json", schema, bodies)},
            "responses": {
                "2XX": {"description": "Acknowledged."},
                "410": {"description": "Not wanted any more: this event is not tried again."},
                "default": {"description": "Tried again later."},
            },
        }
    }


# -- the catalogue ------------------------------------------------------------------------------------------------


def _problems() -> str:
    return "\n".join(f"- `{one.code}` **{one.status}** {one.meaning}" for one in PROBLEMS.values())


def _codes() -> str:
    return "\n".join(f"- `{one.code}` **{one.title}.** {one.meaning}{_again(one)}" for one in DELIVERY_CODES.values())


def _again(entry: DeliveryCode) -> str:
    """Whether to send a message with this code again, in a word."""
    return "" if entry.advice is None else f" *Send again: {_ADVICE[entry.advice]}.*"


_ADVICE = {
    Advice.NONE: "no",
    Advice.LATER: "later",
    Advice.CHANGE: "once something has changed",
    Advice.UNSAFE: "unsafe",
}


def catalogue() -> dict[str, Any]:
    """The error catalogue as data: problems, and delivery codes with the statuses that they come with."""
    return {
        "problems": [
            {"type": f"/docs/api/error-codes#{one.code}", **msgspec.to_builtins(one)} for one in PROBLEMS.values()
        ],
        "deliveryCodes": [_code(one) for one in DELIVERY_CODES.values()],
    }


def _code(entry: DeliveryCode) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(entry)
    del told["status"]
    statuses = (Status.QUEUED, Status.SENT, Status.DELIVERED) if entry.code == "000" else (entry.status,)
    return {**told, "statuses": [status.name for status in statuses]}
