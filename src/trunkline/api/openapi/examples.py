"""The examples of the description, which are the answers of the mock too: requests, records, and one refusal a problem.

Refusals of validation are made by the code that validates, from a request that has the fault.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from trunkline.contract.listing import read_get, read_list
from trunkline.contract.problem import Fault, Refusal, problem_json, refuse
from trunkline.contract.send import read_send
from trunkline.domain.callback import Policy
from trunkline.domain.errors import PROBLEMS, error_message

ACCOUNT = "111111111111111111111111"
PLAN = "222222222222222222222222"
MSG_ID = "019ee2da-e515-7322-805f-1ac6ce82f20f"
INBOUND_ID = "019f0000-aaaa-bbbb-cccc-000000000001"
REQUEST_ID = "1f40-9c5a7be21d03-2a"
CURSOR = "eyJwIjoiMjIyIiwiYSI6IjAxOWVlMmRhIn0"

_CREATED_AT = "2026-06-20T02:14:03.669Z"

SEND = {
    "servicePlanId": PLAN,
    "channel": "SMS",
    "from": "+15550001111",
    "to": "+15550002222",
    "body": "Your verification code is 123456",
    "callbackUrl": "https://client.example.com/sms/status",
}
SEND_LATER = {
    **SEND,
    "from": "Trunkline",
    "body": "Your table is booked for tonight, 19:30.",
    "sendAt": "2026-06-20T16:30:00Z",
    "validityPeriod": 7200,
    "clientReference": "booking 4711",
}

QUEUED = {
    "accountId": ACCOUNT,
    "servicePlanId": PLAN,
    "msgId": MSG_ID,
    "channel": "SMS",
    "direction": "MT",
    "from": SEND["from"],
    "to": SEND["to"],
    "body": SEND["body"],
    "status": "QUEUED",
    "errorCode": "000",
    "errorMessage": "No error",
    "segments": 1,
    "price": None,
    "ptf": None,
    "currency": None,
    "country": "US",
    "mccmnc": None,
    "createdAt": _CREATED_AT,
    "sentAt": None,
    "finalAt": None,
}
DELIVERED = {
    **QUEUED,
    "status": "DELIVERED",
    "price": 0.0075,
    "ptf": 0.003,
    "currency": "USD",
    "mccmnc": "310260",
    "sentAt": "2026-06-20T02:14:03.752Z",
    "finalAt": "2026-06-20T02:14:05.120Z",
}


def _failed(code: str) -> dict[str, Any]:
    return {**DELIVERED, "status": "FAILED", "errorCode": code, "errorMessage": error_message(code)}


FAILED = _failed("103")
CANCELLED = {**_failed("610"), "price": None, "ptf": None, "currency": None, "mccmnc": None, "sentAt": None}
UNKNOWN = {**_failed("703"), "status": "UNKNOWN"}

DRY_RUN = {
    "segments": 1,
    "encoding": "GSM-7",
    "outsideGsm7": [],
    "transliterated": None,
    "country": "US",
    "mccmnc": None,
    "price": None,
    "ptf": None,
    "currency": None,
    "problem": None,
}

INBOUND = {
    "accountId": ACCOUNT,
    "servicePlanId": PLAN,
    "msgId": INBOUND_ID,
    "channel": "SMS",
    "direction": "MO",
    "from": "+15550002222",
    "to": "+15550001111",
    "keyword": "Need",
    "body": "Need status update for order 12345",
    "receivedAt": "2026-06-22T05:10:03.120Z",
}

PAGE = {"data": [DELIVERED], "pagination": {"limit": 20, "nextCursor": CURSOR, "hasMore": True}}
LAST_PAGE = {"data": [], "pagination": {"limit": 20, "nextCursor": None, "hasMore": False}}
INBOUND_PAGE = {"data": [INBOUND], "pagination": {"limit": 20, "nextCursor": None, "hasMore": False}}


# -- refusals -----------------------------------------------------------------------------------------------------


def _send(body: bytes) -> object:
    return read_send(body, 0, Policy())


_BODY = b'"servicePlanId":"222222222222222222222222","channel":"SMS","from":"+15550001111","body":"Hello"'
_ONE = f"servicePlanId={PLAN}&".encode()

# What validation says about requests of each kind.
OF_SEND = (
    _send(b'{"servicePlanId": "2222'),
    _send(b'{"channel":"SMS","from":"+15550001111","to":"0015550002222","body":""}'),
    _send(b'{%b,"to":"+15550002222","callbackURL":"https://client.example.com/"}' % _BODY),
    _send(b'{%b,"to":["+15550002222","+15550003333"]}' % _BODY),
    _send(b'{%b,"to":"+15550002222","callbackUrl":"https://10.0.0.1/sms"}' % _BODY),
)
OF_LIST = (
    read_list(b"status=LOST&limit=0"),
    read_list(_ONE + b"status=SENT&recipient=%2B15550002222"),
    read_list(_ONE),
    read_list(_ONE + b"cursor=%20"),
    refuse([Fault("toDate", "window_too_large", "must be at most 31 days after fromDate")]),
)
OF_ONE = (
    read_get("019ee2da", b""),
    read_get(MSG_ID, _ONE + b"msgId=1"),
)

_WAIT_S = {"idempotency_key_in_use": 1, "rate_limited": 1, "unavailable": 1}


def refusals(codes: Iterable[str], validation: Iterable[object]) -> Mapping[str, Refusal]:
    """A refusal for each of `codes`: those of `validation` where it has them, else what the catalogue says."""
    by_code = {refusal.code: refusal for refusal in validation if isinstance(refusal, Refusal)}
    return {code: by_code.get(code) or _plain(code) for code in codes}


def _plain(code: str) -> Refusal:
    return Refusal(
        code,
        PROBLEMS[code].meaning,
        retry_after_s=_WAIT_S.get(code),
        msg_id=MSG_ID if code == "outcome_unknown" else None,
    )


def problem(refusal: Refusal) -> Any:
    """The document of a refusal of the example's request."""
    return json.loads(problem_json(refusal, REQUEST_ID))


DRY_RUN_REFUSED = {
    **DRY_RUN,
    "segments": 2,
    "encoding": "UCS-2",
    "outsideGsm7": ["ő", "😀"],
    "problem": problem(_plain("sender_pending_approval")),
}
