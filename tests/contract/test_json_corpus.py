"""JSON of every kind as the whole body of a send request, and as the value of its `body`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from api_rig import PLAN, RECIPIENT, SENDER, Rig

from trunkline.text.segment import measure

ROWS = json.loads((Path(__file__).parents[1] / "corpus" / "json.json").read_text())["rows"]


def octets(row: dict[str, Any]) -> bytes:
    if "hex" in row:
        return bytes.fromhex(row["hex"])
    if "repeat" in row:
        head, piece, count, tail = row["repeat"]
        return (head + piece * count + tail).encode()
    return row["text"].encode()


def string(row: dict[str, Any]) -> str | None:
    if "string_repeat" in row:
        piece, count = row["string_repeat"]
        return piece * count
    return row.get("string")


@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_as_the_whole_body(rig: Rig, row: dict[str, Any]) -> None:
    reply = rig.ask("POST", "/v1/sendsms", octets(row))
    assert reply.status == 400
    if row["verdict"] != "either":
        assert (reply.code == "malformed_json") is (row["verdict"] == "refuse"), reply.json


@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_as_the_value_of_body(rig: Rig, row: dict[str, Any]) -> None:
    head = json.dumps({"servicePlanId": PLAN, "channel": "SMS", "from": SENDER, "to": RECIPIENT})
    reply = rig.ask("POST", "/v1/sendsms", head[:-1].encode() + b',"body":' + octets(row) + b"}")
    text = string(row)
    if text is not None and 1 <= len(text) <= 1600:
        assert reply.status == 202, reply.json
        assert reply.json["body"] == text
        assert reply.json["segments"] == measure(text).parts
        again = rig.get(reply.json["msgId"])
        assert again.body == reply.body
        assert json.loads(again.body)["body"].encode() == text.encode()
    else:
        assert reply.status == 400
        if row["verdict"] == "refuse" and row["id"] not in ("n-two-values", "n-comma-after"):
            assert reply.code == "malformed_json"


def test_five_megabytes_are_413(rig: Rig) -> None:
    assert rig.ask("POST", "/v1/sendsms", b'{"body":"' + b"x" * 5_000_000 + b'"}').status == 413
