"""The send request: read in microseconds when it is right, and with all its faults when it is not.

Two readers. `_decode` is fast and sure of one thing only: a request that it lets pass is right. Whatever it does not
let pass goes to `_examine`, which names every fault, and which alone decides.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

from trunkline.contract.describe import PLAN_ID_PATTERN, RECIPIENT_PATTERN, SENDER_PATTERN, said
from trunkline.contract.problem import Fault, Refusal, refuse
from trunkline.contract.times import parse
from trunkline.domain import callback

BODY_LIMIT = 1600  # code points
REFERENCE_LIMIT = 255
AHEAD_LIMIT_MS = 35 * 86_400_000
VALIDITY_S = (60, 259_200)

# `fullmatch`, and [0-9] for \d: `$` would let a newline pass, and \d the digits of every script.
PLAN_ID = re.compile(r"[0-9a-fA-F]{24}").fullmatch
RECIPIENT = re.compile(r"\+[1-9][0-9]{6,14}").fullmatch
SENDER = re.compile(r"\+[1-9][0-9]{6,14}|[0-9]{3,8}|(?=[0-9]*[A-Za-z])[0-9A-Za-z]{1,11}").fullmatch


class SendRequest(Struct, forbid_unknown_fields=True, rename="camel", gc=False):
    """The body of a send request, as written."""

    service_plan_id: Annotated[
        str, said("The service plan that sends: 24 hexadecimal digits, in any case.", pattern=PLAN_ID_PATTERN)
    ]
    channel: Annotated[str, said("The channel.", enum=["SMS"])]
    sender: Annotated[
        str,
        said(
            "The sender: a short code of 3 to 8 digits, an E.164 number, or up to 11 letters and digits with at least"
            " one letter. It has to be approved for the service plan.",
            pattern=SENDER_PATTERN,
        ),
    ] = field(name="from")
    recipient: Annotated[
        str, said("The recipient's number in E.164 form. One recipient a request.", pattern=RECIPIENT_PATTERN)
    ] = field(name="to")
    body: Annotated[
        str,
        said(
            "The text, 1 to 1600 characters (Unicode code points). Long texts are sent in several parts.",
            minLength=1,
            maxLength=BODY_LIMIT,
        ),
    ]
    callback_url: Annotated[
        str | UnsetType,
        said(
            "Where this message's delivery receipts are posted, instead of the plan's URL: https, with a public host"
            " name without underscores.",
            format="uri",
        ),
    ] = UNSET
    send_at: Annotated[
        str | UnsetType,
        said(
            "Not before this time (RFC 3339), at most 35 days ahead. A time that is past means now.", format="date-time"
        ),
    ] = UNSET
    validity_period: Annotated[
        int | UnsetType,
        said(
            "Seconds within which the message is worth delivering, counted from acceptance or `sendAt`, whichever is"
            " later. The plan's own period where it is not given.",
            minimum=VALIDITY_S[0],
            maximum=VALIDITY_S[1],
        ),
    ] = UNSET
    client_reference: Annotated[
        str | UnsetType,
        said("A text of yours that comes back in the record and in webhooks.", maxLength=REFERENCE_LIMIT),
    ] = UNSET


def read_send(body: bytes, now_ms: int, policy: callback.Policy) -> SendRequest | Refusal:
    """The request in `body`, or its refusal with all faults. `now_ms` is what `sendAt` is measured from."""
    return _decode(body, now_ms, policy) or _examine(body, now_ms, policy)


_decoder = msgspec.json.Decoder(SendRequest)


def _decode(body: bytes, now_ms: int, policy: callback.Policy) -> SendRequest | None:
    try:
        request = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    # Of a key given twice the decoder keeps the last and says nothing. Every key and every text is two quotes.
    quotes = 20
    right: object = (
        PLAN_ID(request.service_plan_id)
        and request.channel == "SMS"
        and SENDER(request.sender)
        and RECIPIENT(request.recipient)
        and 0 < len(request.body) <= BODY_LIMIT
        and "\0" not in request.body
    )
    if request.callback_url is not UNSET:
        quotes += 4
        right = right and callback.check(request.callback_url, policy=policy)
    if request.client_reference is not UNSET:
        quotes += 4
        right = right and _reference(request.client_reference) is None and "\0" not in request.client_reference
    if request.validity_period is not UNSET:
        quotes += 2
        right = right and VALIDITY_S[0] <= request.validity_period <= VALIDITY_S[1]
    if request.send_at is not UNSET:
        quotes += 4
        right = right and _send_at(request.send_at, now_ms) is None
    return request if right and _quotes(body) == quotes else None


def _quotes(body: bytes) -> int:
    """Quotes in a JSON text that are not escaped. A run of backslashes escapes in pairs, from its start."""
    count = body.count(b'"')
    if b"\\" in body:
        count -= body.replace(b"\\\\", b"").count(b'\\"')
    return count


# -- all faults ---------------------------------------------------------------------------------------------------

_Finding = tuple[str, str] | None  # code, message


def _text(check: Callable[[str], _Finding]) -> Callable[[Any], _Finding]:
    def checked(value: Any) -> _Finding:
        return check(value) if isinstance(value, str) else ("wrong_type", "must be a string")

    return checked


def _form(matches: Callable[[str], object], message: str) -> Callable[[Any], _Finding]:
    return _text(lambda value: None if matches(value) else ("wrong_form", message))


def _recipient(value: Any) -> _Finding:
    if isinstance(value, list):
        return "single_message_only", "one recipient per request: send one request for each"
    return _form(RECIPIENT, "must be an E.164 number: + and 7 to 15 digits, the first not 0")(value)


def _body(value: str) -> _Finding:
    if not value:
        return "too_short", "must have at least 1 character"
    if len(value) > BODY_LIMIT:
        return "too_long", f"must have at most {BODY_LIMIT} characters, has {len(value)}"
    return None


def _reference(value: str) -> _Finding:
    if len(value) > REFERENCE_LIMIT:
        return "too_long", f"must have at most {REFERENCE_LIMIT} characters, has {len(value)}"
    return None


def _send_at(value: str, now_ms: int) -> _Finding:
    at = parse(value)
    if at is None:
        return "wrong_form", "must be an RFC 3339 time, for instance 2026-06-22T05:10:03Z"
    if at.timestamp() * 1000 > now_ms + AHEAD_LIMIT_MS:
        return "out_of_range", "must be at most 35 days ahead"
    return None


def _validity(value: Any) -> _Finding:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        return "wrong_type", "must be a whole number of seconds"
    if not VALIDITY_S[0] <= value <= VALIDITY_S[1]:
        return "out_of_range", f"must be {VALIDITY_S[0]} to {VALIDITY_S[1]} seconds"
    return None


_REQUIRED = ("servicePlanId", "channel", "from", "to", "body")
_CHECKS: dict[str, Callable[[Any], _Finding]] = {
    "servicePlanId": _form(PLAN_ID, "must be 24 hexadecimal digits"),
    "channel": _form(lambda value: value == "SMS", "must be SMS"),
    "from": _form(
        SENDER, "must be a short code of 3 to 8 digits, an E.164 number, or up to 11 letters and digits with a letter"
    ),
    "to": _recipient,
    "body": _text(_body),
    "clientReference": _text(_reference),
    "validityPeriod": _validity,
}
_BY_CONTEXT = ("callbackUrl", "sendAt")  # checks that need the policy or the time
_FIELDS = (*_CHECKS, *_BY_CONTEXT)
_BY_CASE = {name.casefold(): name for name in _FIELDS}


def _examine(body: bytes, now_ms: int, policy: callback.Policy) -> SendRequest | Refusal:
    value = _parse(body)
    if isinstance(value, Refusal):
        return value
    if isinstance(value, list):
        return refuse([Fault("", "single_message_only", "one message per request: the body must be an object")])
    if not isinstance(value, dict):
        return refuse([Fault("", "wrong_type", "the body must be a JSON object")])
    checks = {
        **_CHECKS,
        "callbackUrl": _text(
            lambda url: None if callback.check(url, policy=policy) else ("callback_url_refused", callback.REFUSAL)
        ),
        "sendAt": _text(lambda text: _send_at(text, now_ms)),
    }
    faults = [Fault(name, "required", "is required") for name in _REQUIRED if name not in value]
    for name, given in value.items():
        check = checks.get(name)
        finding = check(given) if check else ("unknown_field", _unknown(name))
        if finding:
            faults.append(Fault(name[:64], *finding))
    if faults:
        return refuse(faults)
    if "validityPeriod" in value:
        value["validityPeriod"] = int(value["validityPeriod"])
    return msgspec.convert(value, SendRequest)


def read_measurable(body: bytes) -> tuple[str | None, str | None]:
    """Of a request that is not right, its text and its recipient, each where it is right by itself."""
    value = _parse(body)
    if not isinstance(value, dict):
        return None, None
    text, recipient = (
        value[name] if name in value and _CHECKS[name](value[name]) is None else None for name in ("body", "to")
    )
    return text, recipient


def _unknown(name: str) -> str:
    meant = _BY_CASE.get(name.casefold())
    return f"there is no such field; {meant} is spelled so" if meant else "there is no such field"


class _Unreadable(ValueError):
    """What JSON allows, or json reads, and this contract does not take."""


def _parse(body: bytes) -> Any:
    """The JSON value of `body`, or the refusal of what is not one."""
    try:
        # Two parsers: msgspec is strict about the form (surrogates, numbers, BOM), json shows every pair of an object.
        msgspec.json.decode(body)
        value = json.loads(body.decode(), object_pairs_hook=_object, parse_constant=_constant)
    except _Unreadable as fault:
        return Refusal("malformed_json", str(fault))
    except UnicodeDecodeError as fault:
        return Refusal("malformed_json", f"not UTF-8: {fault.reason}")
    except RecursionError:
        return Refusal("malformed_json", "nested too deeply")
    except msgspec.DecodeError as fault:
        return Refusal("malformed_json", str(fault))
    except ValueError:
        return Refusal("malformed_json", "not JSON, or a number that is too long")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _Unreadable(f"the key {name[:64]} is there twice")
        if "\0" in name or (isinstance(value, str) and "\0" in value):
            raise _Unreadable("U+0000 is not allowed" + (f" in {name}" if name in _FIELDS else ""))
        found[name] = value
    return found


def _constant(name: str) -> Any:
    raise _Unreadable(f"{name} is not JSON")
