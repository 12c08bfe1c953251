"""Problem documents (RFC 9457): what a refused request is answered with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import UNSET, Struct, UnsetType

from trunkline.contract.describe import said
from trunkline.domain.errors import PROBLEMS

MEDIA_TYPE = "application/problem+json"


class Fault(Struct, frozen=True, gc=False):
    """One thing wrong with a request: the field (or query parameter) as the customer spells it, and what to change."""

    field: Annotated[
        str, said("The field or query parameter as the request spells it; empty for the request as a whole.")
    ]
    code: Annotated[str, said("The rule that is broken.")]
    message: Annotated[str, said("What to change.")]


class Refusal(Struct, frozen=True):
    """Why a request is not done. `code` is one of the catalogue's; `faults` are those of validation, all of them."""

    code: str
    detail: str
    faults: Sequence[Fault] = ()
    retry_after_s: int | None = None
    msg_id: str | None = None
    allow: str | None = None

    @property
    def status(self) -> int:
        return PROBLEMS[self.code].status


class Problem(Struct, frozen=True, rename="camel"):
    """Why a request is refused (RFC 9457)."""

    type: Annotated[str, said("The entry of the error catalogue.", format="uri-reference")]
    title: Annotated[str, said("The entry's title.")]
    status: Annotated[int, said("The HTTP status.", minimum=400, maximum=599)]
    detail: Annotated[str, said("What to change.")]
    instance: Annotated[str, said("The request's id, as in `X-Request-Id`.")]
    code: Annotated[str, said("The problem, stable: decide by this.", pattern="^[a-z][a-z0-9_]*$")]
    errors: Annotated[Sequence[Fault] | UnsetType, said("All faults of a request that is not valid.")] = UNSET
    msg_id: Annotated[
        str | UnsetType, said("With `outcome_unknown`: the id that the message has if it was stored.", format="uuid")
    ] = UNSET


_encode = msgspec.json.Encoder().encode


def refuse(faults: Sequence[Fault]) -> Refusal:
    """The refusal that shows all `faults` (at least one); a single one lends it its code, if the catalogue has that."""
    if len(faults) == 1:
        only = faults[0]
        code = only.code if only.code in PROBLEMS else "validation_failed"
        return Refusal(code, f"{only.field}: {only.message}" if only.field else only.message, faults)
    return Refusal("validation_failed", f"{len(faults)} faults: see errors", faults)


def joined(first: Refusal, second: Refusal) -> Refusal:
    """One refusal with the faults of both. `second` without faults is of what could not be read: it stands alone."""
    return refuse([*first.faults, *second.faults]) if second.faults else second


def problem_of(refusal: Refusal, request_id: str) -> Problem:
    """The document of a refusal of the request `request_id`."""
    entry = PROBLEMS[refusal.code]
    return Problem(
        type=f"/docs/api/error-codes#{refusal.code}",
        title=entry.title,
        status=entry.status,
        detail=refusal.detail,
        instance=request_id,
        code=refusal.code,
        errors=refusal.faults or UNSET,
        msg_id=refusal.msg_id or UNSET,
    )


def problem_json(refusal: Refusal, request_id: str) -> bytes:
    """The document's bytes."""
    return _encode(problem_of(refusal, request_id))
