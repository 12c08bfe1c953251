"""How the fields of the contract's structs are documented: beside their types, where decoding does not look."""

from __future__ import annotations

from typing import Any

from msgspec import Meta

# The forms as JSON Schema writes them (ECMA 262: `$` is the end of the text there, not also before a last newline).
PLAN_ID_PATTERN = "^[a-fA-F0-9]{24}$"
ID_PATTERN = "^[a-f0-9]{24}$"
RECIPIENT_PATTERN = r"^\+[1-9][0-9]{6,14}$"
SENDER_PATTERN = r"^(\+[1-9][0-9]{6,14}|[0-9]{3,8}|(?=[0-9]*[A-Za-z])[0-9A-Za-z]{1,11})$"
MCCMNC_PATTERN = "^[0-9]{5,6}$"
COUNTRY_PATTERN = "^[A-Z]{2}$"


def said(description: str, **schema: Any) -> Meta:
    """A field's sentence, and what its JSON schema says beside the type."""
    return Meta(description=description, extra_json_schema=schema or None)
