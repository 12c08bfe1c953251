"""What a dry run of a send request answers: what the message would come to, or why it would be refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Struct, field

from trunkline.contract.describe import COUNTRY_PATTERN, MCCMNC_PATTERN, said
from trunkline.contract.listing import read_pairs, unknown_parameter
from trunkline.contract.problem import Fault, Problem, Refusal, refuse

PARAMETER = "dryRun"
ENCODINGS = ("GSM-7", "UCS-2", "GSM-7")  # by the number of text/segment.Encoding

# Of these a dry run is refused like a request that means it; every other refusal is told in its answer.
_REFUSED = frozenset({"network_not_allowed", "scope_missing", "payload_too_large", "malformed_json"})
_REFUSED_STATUSES = frozenset({401, 415, 429, 503})


class Replaced(Struct, frozen=True):
    """A character of the text and what is sent for it."""

    written: Annotated[str, said("The character.")] = field(name="from")
    sent: Annotated[str, said("What is sent for it; empty where it is left out.")] = field(name="to")


class DryRun(Struct, frozen=True, rename="camel"):
    """What a send would come to: nothing was stored, nothing will be sent. What cannot be told is null."""

    segments: Annotated[int | None, said("SMS parts that the text takes.", minimum=1)]
    encoding: Annotated[
        str | None,
        said("The alphabet that the text goes out in: GSM-7 or UCS-2.", pattern=f"^({'|'.join(ENCODINGS[:2])})$"),
    ]
    outside_gsm7: Annotated[
        Sequence[str] | None, said("The characters that GSM-7 lacks, each once: they make the text UCS-2.")
    ]
    transliterated: Annotated[
        Sequence[Replaced] | None,
        said("What is replaced in the text that goes out, where the plan transliterates and that makes it GSM-7."),
    ]
    country: Annotated[str | None, said("The country of `to`, ISO 3166-1.", pattern=COUNTRY_PATTERN)]
    mccmnc: Annotated[str | None, said("The recipient's network where it is known.", pattern=MCCMNC_PATTERN)]
    price: Annotated[float | None, said("What all parts would cost.")]
    ptf: Annotated[float | None, said("The carrier's pass-through fee for all parts, on top of `price`.")]
    currency: Annotated[str | None, said("The currency of both, ISO 4217.", pattern="^[A-Z]{3}$")]
    problem: Annotated[Problem | None, said("What a send would be refused with; null where it would be accepted.")]


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
