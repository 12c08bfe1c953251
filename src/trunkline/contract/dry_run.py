"""What a dry run of a send request answers: what the message would come to, or why it would be refused."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from trunkline.contract.listing import read_pairs, unknown_parameter
from trunkline.contract.problem import Fault, Problem, Refusal, refuse

PARAMETER = "dryRun"
ENCODINGS = ("GSM-7", "UCS-2")  # by the number of text/segment.Encoding

# Of these a dry run is refused like a request that means it; every other refusal is told in its answer.
_REFUSED = frozenset({"network_not_allowed", "scope_missing", "payload_too_large", "malformed_json"})
_REFUSED_STATUSES = frozenset({401, 415, 429, 503})


class DryRun(Struct, frozen=True, rename="camel"):
    """The answer to `POST /v1/sendsms?dryRun=true`: nothing was stored, nothing will be sent.

    What cannot be known of a request that is not right is null. Prices are for all parts, as in the record.
    """

    segments: int | None  # SMS parts
    encoding: str | None  # GSM-7 or UCS-2
    outside_gsm7: Sequence[str] | None  # the characters that make it UCS-2, each once, by code point
    country: str | None  # ISO 3166-1 alpha-2 of `to`
    mccmnc: str | None
    price: float | None
    ptf: float | None
    currency: str | None  # ISO 4217
    problem: Problem | None  # what a real send would be refused with; null: it would be accepted


dry_run_json = msgspec.json.Encoder().encode


def is_refused(refusal: Refusal) -> bool:
    """Whether a dry run itself is refused for this reason."""
    return refusal.code in _REFUSED or refusal.status in _REFUSED_STATUSES


def read_dry_run(query: bytes) -> bool | Refusal:
    """Whether a send request's query string asks for a dry run, the one thing that it may ask for."""
    pairs = read_pairs(query)
    if isinstance(pairs, Refusal):
        return pairs
    faults = [unknown_parameter(name) for name, _ in pairs if name != PARAMETER]
    values = [value for name, value in pairs if name == PARAMETER]
    if len(values) > 1:
        faults.append(Fault(PARAMETER, "wrong_form", "is there twice"))
    elif values and values[0] not in ("true", "false"):
        faults.append(Fault(PARAMETER, "wrong_form", "must be true or false"))
    return refuse(faults) if faults else values == ["true"]
