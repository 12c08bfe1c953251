"""The schemas of the description: those of the contract's structs, and of what is put together without a struct."""

from __future__ import annotations

from typing import Any

import msgspec

from trunkline.contract.dry_run import DryRun
from trunkline.contract.problem import Problem
from trunkline.contract.record import DeliveryReceipt, InboundMessage, Pagination
from trunkline.contract.send import SendRequest

_STRUCTS = (SendRequest, DryRun, DeliveryReceipt, InboundMessage, Pagination, Problem)
_REF = "#/components/schemas/{name}"


def ref(name: str) -> dict[str, str]:
    """A reference to a component schema."""
    return {"$ref": _REF.format(name=name)}


def schemas() -> dict[str, Any]:
    """The component schemas by name."""
    _, components = msgspec.json.schema_components(_STRUCTS, ref_template=_REF)
    components["MessagePage"] = {
        "title": "MessagePage",
        "description": "A page of a list. One list holds records of one direction.",
        "type": "object",
        "properties": {
            "data": {
                "type": "array",
                "description": "The records, newest first; MO messages where `direction=MO` was asked for.",
                "items": {"anyOf": [ref("DeliveryReceipt"), ref("InboundMessage")]},
            },
            "pagination": ref("Pagination"),
        },
        "required": ["data", "pagination"],
    }
    return {name: _flat(schema) for name, schema in components.items()}


def _flat(schema: Any) -> Any:
    """`anyOf` of a simple type and null as one type that is either: shorter, and what generators read best."""
    if isinstance(schema, list):
        return [_flat(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    flat = {name: _flat(held) for name, held in schema.items()}
    kinds = flat.get("anyOf", [])
    if kinds and all(isinstance(kind, dict) and kind.keys() == {"type"} for kind in kinds):
        del flat["anyOf"]
        flat["type"] = [kind["type"] for kind in kinds]
    return flat
