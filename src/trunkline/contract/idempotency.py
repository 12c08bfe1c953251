"""The Idempotency-Key of a send request, and what makes two requests the same one."""

from __future__ import annotations

import re
from hashlib import sha256

import msgspec
from msgspec import structs

from trunkline.contract.problem import Fault, Refusal, joined, refuse
from trunkline.contract.send import SendRequest
from trunkline.domain.message import RequestKey

HEADER = "Idempotency-Key"
KEY_LIMIT = 255

_KEY = re.compile(rb"[\x21-\x7e]{1,%d}" % KEY_LIMIT).fullmatch
_FAULT = Fault(HEADER, "wrong_form", f"must be 1 to {KEY_LIMIT} visible ASCII characters, without spaces")
_encode = msgspec.json.Encoder().encode


def read_key(header: bytes, wanted: SendRequest | Refusal) -> RequestKey | Refusal:
    """The key of a request, or the refusal with all faults, those of the body among them."""
    if _KEY(header):
        return wanted if isinstance(wanted, Refusal) else RequestKey(header.decode(), hash_of(wanted))
    wrong = refuse([_FAULT])
    return joined(wrong, wanted) if isinstance(wanted, Refusal) else wrong


def hash_of(wanted: SendRequest) -> bytes:
    """A hash over the parsed fields: the same whatever their order, the white space and the escapes of the JSON text. A
    field left out is not one given with its default; the plan's id is the same in either case."""
    plan_id = wanted.service_plan_id.lower()
    if plan_id != wanted.service_plan_id:
        wanted = structs.replace(wanted, service_plan_id=plan_id)
    return sha256(_encode(wanted)).digest()
