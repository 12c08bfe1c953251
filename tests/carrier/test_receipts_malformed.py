"""Receipts that are none, or half of one: what can be read is read, the text part never is, and nothing raises."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trunkline.carriers import receipt

ROWS = json.loads((Path(__file__).parents[1] / "corpus/receipts_malformed.json").read_text("utf-8"))["rows"]


def octets_of(row: dict) -> bytes:
    return bytes.fromhex(row["hex"]) if "hex" in row else row["text"].encode("latin-1")


@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_row(row: dict) -> None:
    tlvs = [(int(tlv["tag"], 16), bytes.fromhex(tlv["value_hex"])) for tlv in row.get("tlvs", ())]
    found = receipt.parse(row["esm_class"], octets_of(row), tlvs)
    told = {name: getattr(found, name) for name in row["expect"]}
    told["status"] = found.status.name
    assert told == row["expect"], row["why"]
    assert "\0" not in (found.message_id or "") + (found.stat or "") + (found.err or "")


def test_there_are_sixty() -> None:
    assert len({row["id"] for row in ROWS}) == len(ROWS) >= 60
