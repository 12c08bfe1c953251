"""The query parameters of the two GETs and of the cancel, read with all their faults."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NewType
from urllib.parse import unquote_to_bytes
from uuid import UUID

from msgspec import Struct

from trunkline.contract.problem import Fault, Refusal, refuse
from trunkline.contract.send import PLAN_ID, RECIPIENT, SENDER
from trunkline.contract.times import parse, to_micros
from trunkline.domain.filters import WINDOW_MS
from trunkline.domain.status import Status

LIMIT_DEFAULT = 20
LIMIT_MOST = 100
_PARAMETER_LIMIT = 64

# A parameter that may be a credential in the wrong place.
_CREDENTIALS = frozenset({"token", "access_token", "auth_token", "authorization", "bearer", "api_key", "apikey"})

Pairs = NewType("Pairs", list[tuple[str, str]])


class Get(Struct, frozen=True):
    """A request for one record; the plan's id is in lower case."""

    service_plan_id: str
    msg_id: UUID


class Listing(Struct, frozen=True, kw_only=True):
    """A request for a list, as given: None = not given. The plan's id is in lower case, times are ms since 1970."""

    service_plan_id: str
    inbound: bool | None = None
    sender: str | None = None
    recipient: str | None = None
    status: Status | None = None
    country: str | None = None
    mccmnc: str | None = None
    from_ms: int | None = None
    to_ms: int | None = None
    limit: int | None = None
    cursor: str | None = None


def read_pairs(query: bytes) -> Pairs | Refusal:
    """Names and values of a query string, decoded."""
    pieces = [piece for piece in query.split(b"&") if piece]
    if len(pieces) > _PARAMETER_LIMIT:
        return refuse([Fault("", "too_long", f"at most {_PARAMETER_LIMIT} query parameters")])
    pairs = []
    try:
        for piece in pieces:
            name, _, value = piece.replace(b"+", b" ").partition(b"=")
            pairs.append((unquote_to_bytes(name).decode(), unquote_to_bytes(value).decode()))
    except UnicodeDecodeError:
        return refuse([Fault("", "wrong_form", "the query string is not UTF-8")])
    return Pairs(pairs)


def names_credential(query: bytes, prefix: str) -> bool:
    """Whether a token seems to have been put into the query string; tokens of ours start with `prefix`."""
    pairs = read_pairs(query)
    if isinstance(pairs, Refusal):
        return False
    return any(name.lower() in _CREDENTIALS or value.startswith(prefix) for name, value in pairs)


# Any version, any case; `UUID()` alone would take braces and missing hyphens too.
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}").fullmatch


def read_get(msg_id: str, query: bytes) -> Get | Refusal:
    """The request for one record. `msg_id` is the last segment of the path."""
    found, faults = _take(query, frozenset({"servicePlanId"}))
    if isinstance(found, Refusal):
        return found
    if not msg_id:
        faults.append(Fault("msgId", "required", "is required"))
    elif not _UUID(msg_id):
        faults.append(Fault("msgId", "wrong_form", "must be a UUID: 8-4-4-4-12 hexadecimal digits"))
    if faults:
        return refuse(faults)
    return Get(found["servicePlanId"].lower(), UUID(msg_id))


def read_cancel(msg_id: str, query: bytes, body: bytes) -> Get | Refusal:
    """The request to cancel a message: that for its record, and a body that says nothing."""
    wanted = read_get(msg_id, query)
    if _NOTHING(body):
        return wanted
    fault = Fault("", "wrong_form", "the body must be empty or {}")
    return refuse([*wanted.faults, fault] if isinstance(wanted, Refusal) else [fault])


_NOTHING = re.compile(rb"[ \t\r\n]*(?:\{[ \t\r\n]*\}[ \t\r\n]*)?").fullmatch

_FILTERS = frozenset({"from", "to", "status", "country", "mccmnc", "fromDate", "toDate", "cursor"})
_LIST = _FILTERS | {"servicePlanId", "direction", "limit"}
_ADDRESS = re.compile(r"[^\x00-\x1f\x7f]{1,21}").fullmatch
_COUNTRY = re.compile(r"[A-Za-z]{2}").fullmatch
_MCCMNC = re.compile(r"[0-9]{5,6}").fullmatch
_LIMIT = re.compile(r"0*([1-9][0-9]*)").fullmatch
_CURSOR = re.compile(r"[0-9A-Za-z_-]{1,1024}").fullmatch


def read_list(query: bytes) -> Listing | Refusal:
    """The request for a list. What a cursor holds, and the width of the window, are looked at later."""
    found, faults = _take(query, _LIST)
    if isinstance(found, Refusal):
        return found
    inbound = {"MT": False, "MO": True}.get(found.get("direction", "MT"))
    for name in ("from", "to"):
        if found.get(name, "").startswith(" "):
            found[name] = "+" + found[name][1:]  # "+" not escaped in a query string arrives as a space
    # A cursor knows the direction, and what it carries was in the form that this takes.
    either = inbound or ("cursor" in found and "direction" not in found)
    for name, (matches, message) in _FORMS[bool(either)].items():
        if name in found and not matches(found[name]):
            faults.append(Fault(name, "bad_cursor" if name == "cursor" else "wrong_form", message))
    if inbound is None:
        faults.append(Fault("direction", "wrong_form", "must be MT or MO"))
    if inbound:
        only = (name for name in ("status", "country", "mccmnc") if name in found)
        faults += [Fault(name, "wrong_form", "is a filter of MT messages only") for name in only]
    from_ms, to_ms = (_edge(found, name, faults) for name in ("fromDate", "toDate"))
    if from_ms is not None and to_ms is not None:
        if from_ms > to_ms:
            faults.append(Fault("toDate", "out_of_range", "must not be before fromDate"))
        elif to_ms - from_ms > WINDOW_MS:
            faults.append(Fault("toDate", "window_too_large", "must be at most 31 days after fromDate"))
    if not _FILTERS & found.keys():
        faults.append(Fault("", "filter_required", f"give at least one of {', '.join(sorted(_FILTERS))}"))
    if faults:
        return refuse(faults)
    status, country, limit = found.get("status"), found.get("country"), found.get("limit")
    return Listing(
        service_plan_id=found["servicePlanId"].lower(),
        inbound=inbound if "direction" in found else None,
        sender=found.get("from"),
        recipient=found.get("to"),
        status=Status[status] if status else None,
        country=country.upper() if country else None,
        mccmnc=found.get("mccmnc"),
        from_ms=from_ms,
        to_ms=to_ms,
        limit=_limit(limit) if limit else None,
        cursor=found.get("cursor"),
    )


_Forms = dict[str, tuple[Callable[[str], object], str]]
_BOTH: _Forms = {
    "status": (Status.__members__.__contains__, f"must be one of {', '.join(Status.__members__)}"),
    "country": (_COUNTRY, "must be two letters (ISO 3166-1)"),
    "mccmnc": (_MCCMNC, "must be 5 or 6 digits"),
    "limit": (_LIMIT, "must be a whole number from 1"),
    "cursor": (_CURSOR, "was not issued here"),
}
_FORMS: dict[bool, _Forms] = {
    False: {
        "from": (SENDER, "must be a short code, an E.164 number or up to 11 letters and digits"),
        "to": (RECIPIENT, "must be an E.164 number: + and 7 to 15 digits, the first not 0"),
        **_BOTH,
    },
    True: {"from": (_ADDRESS, "must be 1 to 21 characters"), "to": (_ADDRESS, "must be 1 to 21 characters"), **_BOTH},
}


def _limit(text: str) -> int:
    digits = text.lstrip("0")
    return min(int(digits), LIMIT_MOST) if len(digits) < 9 else LIMIT_MOST


def _edge(found: dict[str, str], name: str, faults: list[Fault]) -> int | None:
    """One end of the window, in ms: the first whole one not before `fromDate`, the last one not after `toDate`."""
    if name not in found:
        return None
    # A "+" of the offset that was not escaped has become a space.
    at = parse(found[name].replace(" ", "+"))
    if at is None:
        faults.append(Fault(name, "wrong_form", "must be an RFC 3339 time, for instance 2026-06-22T05:10:03Z"))
        return None
    micros = to_micros(at)
    return -(-micros // 1000) if name == "fromDate" else micros // 1000


def unknown_parameter(name: str) -> Fault:
    """The fault of a parameter that the operation does not have."""
    return Fault(name[:64], "unknown_field", "there is no such query parameter")


def _take(query: bytes, known: frozenset[str]) -> tuple[dict[str, str] | Refusal, list[Fault]]:
    """Parameters by name, and the faults that need no look at a value: unknown, twice, no or no right plan."""
    pairs = read_pairs(query)
    if isinstance(pairs, Refusal):
        return pairs, []
    found: dict[str, str] = {}
    faults = []
    for name, value in pairs:
        if name not in known:
            faults.append(unknown_parameter(name))
        elif name in found:
            faults.append(Fault(name, "wrong_form", "is there twice"))
        found[name] = value
    plan_id = found.get("servicePlanId")
    if not plan_id:
        faults.append(Fault("servicePlanId", "required", "is required"))
    elif not PLAN_ID(plan_id):
        faults.append(Fault("servicePlanId", "wrong_form", "must be 24 hexadecimal digits"))
    return found, faults
