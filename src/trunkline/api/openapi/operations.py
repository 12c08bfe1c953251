"""The operations as the description has them: parameters, answers, and every problem that each can answer with.

This is the one place where it is said which problems belong to which operation; the mock answers from it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from trunkline.api.openapi import examples
from trunkline.contract.describe import MCCMNC_PATTERN, PLAN_ID_PATTERN
from trunkline.contract.listing import LIMIT_DEFAULT
from trunkline.contract.problem import Refusal
from trunkline.domain.status import Status

Schema = Mapping[str, Any]


class Parameter(Struct, frozen=True):
    """A parameter of a path, a query or a header."""

    name: str
    where: str
    text: str
    schema: Schema
    required: bool = False
    example: Any = None


class Success(Struct, frozen=True):
    """An answer that is no problem. `schema` names a component; the first of `examples` is the mock's answer."""

    status: int
    text: str
    schema: str
    examples: Mapping[str, Any]
    headers: tuple[str, ...] = ()
    links: Mapping[str, Mapping[str, Any]] = {}


_OF_MESSAGE = {"msgId": "$response.body#/msgId", "servicePlanId": "$response.body#/servicePlanId"}


class Described(Struct, frozen=True, kw_only=True):
    """An operation. `request` names the component of its body; `problems` are codes of the catalogue."""

    operation_id: str
    method: str
    path: str
    tag: str
    summary: str
    text: str
    parameters: tuple[Parameter, ...]
    request: str | None = None
    request_examples: Mapping[str, Any] = {}
    successes: tuple[Success, ...]
    problems: Mapping[str, Refusal]


def _plan(text: str) -> Parameter:
    return Parameter(
        "servicePlanId", "query", text, {"type": "string", "pattern": PLAN_ID_PATTERN}, True, examples.PLAN
    )


_MSG_ID = Parameter(
    "msgId",
    "path",
    "The message's id.",
    {"type": "string", "format": "uuid", "pattern": "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"},
    True,
    examples.MSG_ID,
)
_TIME = {"type": "string", "format": "date-time"}
_ADDRESS = {"type": "string", "minLength": 1, "maxLength": 21}

# What any operation may answer: before it is reached, and when something is down.
_AT_THE_DOOR = (
    "unauthenticated", "token_revoked", "token_expired", "scope_missing", "network_not_allowed", "rate_limited",
    "request_timeout", "payload_too_large", "uri_too_long", "headers_too_large", "unavailable",
)  # fmt: skip
_VALIDATION = ("validation_failed", "unknown_field")
_SEND_PROBLEMS = (
    *_VALIDATION, *_AT_THE_DOOR, "malformed_json", "single_message_only", "callback_url_refused",
    "plan_incomplete_route", "plan_incomplete_price", "plan_inactive", "plan_not_allowed", "sender_not_authorized",
    "destination_not_allowed", "plan_not_provisioned", "sender_pending_approval", "idempotency_key_in_use",
    "record_too_large", "unsupported_media_type", "sender_status_unrecognized", "idempotency_key_reused",
    "outcome_unknown",
)  # fmt: skip

SEND = Described(
    operation_id="sendSms",
    method="post",
    path="/v1/sendsms",
    tag="Outbound SMS",
    summary="Send SMS message",
    text="Accepts one message to one recipient. 202 is answered once the message is durably stored; `Location` leads"
    " to its record, which can be read at once. Repeat a request whose answer was lost with the same"
    " `Idempotency-Key`, and it is sent once.",
    parameters=(
        Parameter(
            "dryRun",
            "query",
            "`true`: checks everything, sends and stores nothing, and answers 200 with what a send would come to.",
            {"type": "boolean", "default": False},
        ),
        Parameter(
            "Idempotency-Key",
            "header",
            "A text of your choice that names this message. Kept for 24 hours: the same key and body get the first"
            " answer again, the same key and another body are refused.",
            {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]{1,255}$"},
        ),
    ),
    request="SendRequest",
    request_examples={"Send now": examples.SEND, "Send later": examples.SEND_LATER},
    successes=(
        Success(
            202,
            "Accepted: the record of the message.",
            "DeliveryReceipt",
            {"accepted": examples.QUEUED},
            ("Location", "Idempotent-Replayed"),
            {
                "status": {"operationId": "getMessage", "parameters": _OF_MESSAGE},
                "cancel": {"operationId": "cancelMessage", "parameters": _OF_MESSAGE},
            },
        ),
        Success(
            200,
            "The dry run: what a send would come to, and the problem that it would be refused with.",
            "DryRun",
            {"would be accepted": examples.DRY_RUN, "would be refused": examples.DRY_RUN_REFUSED},
        ),
    ),
    problems=examples.refusals(
        _SEND_PROBLEMS,
        examples.OF_SEND,
    ),
)

LIST = Described(
    operation_id="listMessages",
    method="get",
    path="/v1/messages/sms",
    tag="Logs and status",
    summary="Messages list",
    text="Records of a service plan, newest first. At least one filter besides `servicePlanId` is needed. Go on with"
    " `nextCursor` while `hasMore` is true; the cursor carries the filters.",
    parameters=(
        _plan("The service plan whose messages are listed."),
        Parameter("from", "query", "The sender.", _ADDRESS, example="+15550001111"),
        Parameter("to", "query", "The recipient.", _ADDRESS, example="+15550002222"),
        Parameter(
            "status", "query", "MT only: the status.", {"type": "string", "enum": [status.name for status in Status]}
        ),
        Parameter(
            "country", "query", "MT only: the country (ISO 3166-1).", {"type": "string", "pattern": "^[A-Za-z]{2}$"}
        ),
        Parameter("mccmnc", "query", "MT only: the network.", {"type": "string", "pattern": MCCMNC_PATTERN}),
        Parameter(
            "fromDate",
            "query",
            "The earliest `createdAt`, inclusive. The window is at most 31 days; an end that is not given is 31 days"
            " away from the other, or now.",
            _TIME,
        ),
        Parameter("toDate", "query", "The latest `createdAt`, inclusive.", _TIME),
        Parameter(
            "direction",
            "query",
            "`MT`: messages sent. `MO`: messages received.",
            {"type": "string", "enum": ["MT", "MO"], "default": "MT"},
        ),
        Parameter(
            "limit",
            "query",
            "The most records of a page. More than 100 is taken as 100.",
            {"type": "integer", "minimum": 1, "default": LIMIT_DEFAULT},
        ),
        Parameter(
            "cursor",
            "query",
            "`nextCursor` of the page before. Filters beside it have to be the ones that it carries.",
            {"type": "string", "pattern": "^[0-9A-Za-z_-]{1,1024}$"},
        ),
    ),
    successes=(
        Success(
            200,
            "A page of records.",
            "MessagePage",
            {
                "page": examples.PAGE,
                "nothing found": examples.LAST_PAGE,
                "inbound messages": examples.INBOUND_PAGE,
            },
            links={
                "next page": {
                    "operationId": "listMessages",
                    "parameters": {
                        "servicePlanId": "$request.query.servicePlanId",
                        "cursor": "$response.body#/pagination/nextCursor",
                    },
                }
            },
        ),
    ),
    problems=examples.refusals(
        (*_VALIDATION, *_AT_THE_DOOR, "filter_required", "window_too_large", "bad_cursor", "plan_not_allowed"),
        examples.OF_LIST,
    ),
)

GET = Described(
    operation_id="getMessage",
    method="get",
    path="/v1/messages/sms/{msgId}",
    tag="Logs and status",
    summary="Message status",
    text="The record of one message as it is now.",
    parameters=(_MSG_ID, _plan("The service plan of the message.")),
    successes=(
        Success(
            200,
            "The record.",
            "DeliveryReceipt",
            {
                "delivered": examples.DELIVERED,
                "queued": examples.QUEUED,
                "failed": examples.FAILED,
                "unknown": examples.UNKNOWN,
            },
        ),
    ),
    problems=examples.refusals((*_VALIDATION, *_AT_THE_DOOR, "plan_not_allowed", "message_not_found"), examples.OF_ONE),
)

CANCEL = Described(
    operation_id="cancelMessage",
    method="post",
    path="/v1/messages/sms/{msgId}/cancel",
    tag="Outbound SMS",
    summary="Cancel a message",
    text="Stops a message that is still queued: it becomes FAILED with `610` and costs nothing. Once it is on its way"
    " to the carrier, or final, the answer is 409.",
    parameters=(_MSG_ID, _plan("The service plan of the message.")),
    successes=(Success(200, "Cancelled: the record.", "DeliveryReceipt", {"cancelled": examples.CANCELLED}),),
    problems=examples.refusals(
        (*_VALIDATION, *_AT_THE_DOOR, "plan_not_allowed", "message_not_found", "not_cancellable", "outcome_unknown"),
        examples.OF_ONE,
    ),
)

OPERATIONS = (SEND, LIST, GET, CANCEL)
