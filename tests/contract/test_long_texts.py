"""§4 `segments` and a plan's own ways with texts: parts as the first carrier takes them, transliteration, a limit."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from api_rig import DUTCH, PLAN, RECIPIENT, ROUTELESS, SENDER, Rig

DRY = "/v1/sendsms?dryRun=true"
CURLY = "“It’s” – a…" + "a" * 120


@contextmanager
def set_up(rig: Rig, dialect: dict[str, Any] | None = None, **plan: Any) -> Iterator[None]:
    """The picture with every plan and every carrier so."""
    picture = rig.picture
    assert picture is not None
    plans = {plan_id: replace(one, **plan) for plan_id, one in picture.plans.items()}
    rig.picture = replace(
        picture,
        plans=plans,
        plans_by_public_id={one.public_id: one for one in plans.values()},
        carriers={key: replace(one, dialect=dialect or {}) for key, one in picture.carriers.items()},
    )
    try:
        yield
    finally:
        rig.picture = picture


def accepted(rig: Rig, body: str) -> tuple[int, int, int]:
    """(segments of the answer, parts and encoding in the database)."""
    reply = rig.send(body=body)
    assert reply.status == 202
    assert reply.json["body"] == body
    assert rig.get(reply.json["msgId"]).body == reply.body
    ((parts, encoding),) = rig.sql("SELECT parts, encoding FROM msg WHERE msg_id = $1", uuid.UUID(reply.json["msgId"]))
    return reply.json["segments"], parts, encoding


@pytest.mark.parametrize(
    ("dialect", "body", "segments", "encoding"),
    [
        ({}, "a" * 306, 2, 0),
        ({"reference_bits": 16}, "a" * 306, 3, 0),
        ({"reference_bits": 16}, "ж" * 134, 3, 1),
        ({}, "ş" * 71, 2, 1),
        ({"national_languages": ["tr"]}, "ş" * 71, 1, 0),
        ({"national_languages": ["es", "pt"]}, "ş" * 71, 2, 1),
        ({"default_alphabet": "latin1"}, "Ω" * 80, 2, 1),  # that alphabet has no Ω: UCS-2
        ({"default_alphabet": "latin1"}, "é" * 80, 1, 0),
        ({"default_alphabet": "ascii"}, "é" * 80, 2, 1),
    ],
)
def test_segments_are_those_of_the_first_carrier(
    rig: Rig, dialect: dict[str, Any], body: str, segments: int, encoding: int
) -> None:
    with set_up(rig, dialect):
        assert accepted(rig, body) == (segments, segments, encoding)
        told = rig.send(path=DRY, body=body).json
        assert (told["segments"], told["encoding"]) == (segments, ["GSM-7", "UCS-2"][encoding])


def test_without_the_option_nothing_is_transliterated(rig: Rig) -> None:
    assert accepted(rig, CURLY) == (2, 2, 1)
    assert rig.send(path=DRY, body=CURLY).json["transliterated"] is None


def test_transliterated_it_is_gsm7_and_the_record_keeps_what_was_sent(rig: Rig) -> None:
    with set_up(rig, transliterate=True):
        assert accepted(rig, CURLY) == (1, 1, 2)
        told = rig.send(path=DRY, body=CURLY).json
        assert (told["segments"], told["encoding"]) == (1, "GSM-7")
        assert told["outsideGsm7"] == ["–", "’", "“", "”", "…"]
        assert told["transliterated"] == [
            {"from": "“", "to": '"'}, {"from": "’", "to": "'"}, {"from": "”", "to": '"'}, {"from": "–", "to": "-"},
            {"from": "…", "to": "..."},
        ]  # fmt: skip
        assert rig.send(path=DRY, body=CURLY, from_="+15550009999").json["transliterated"] == told["transliterated"]


@pytest.mark.parametrize("body", ["“да”", "plain", "5 €"])
def test_what_does_not_become_gsm7_by_it_stays_as_it_is(rig: Rig, body: str) -> None:
    with set_up(rig, transliterate=True):
        assert accepted(rig, body)[2] == (1 if "да" in body else 0)
        assert rig.send(path=DRY, body=body).json["transliterated"] is None


def test_more_segments_than_the_plan_sends_are_refused(rig: Rig) -> None:
    with set_up(rig, max_segments=2):
        assert accepted(rig, "a" * 306) == (2, 2, 0)
        reply = rig.send(body="a" * 307)
        assert (reply.status, reply.code) == (400, "validation_failed")
        assert reply.fields == {("body", "too_many_segments")}
        assert "3 SMS parts" in reply.json["detail"]
        told = rig.send(path=DRY, body="a" * 307).json
        assert told["problem"] == reply.json | {"instance": told["problem"]["instance"]}
        assert told["segments"] == 3


def test_the_limit_is_of_what_is_submitted(rig: Rig) -> None:
    with set_up(rig, max_segments=1):
        assert rig.send(body=CURLY).status == 400
    with set_up(rig, max_segments=1, transliterate=True):
        assert rig.send(body=CURLY).status == 202
    with set_up(rig, {"reference_bits": 16}, max_segments=2):
        assert rig.send(body="a" * 306).status == 400


def test_its_place_in_the_order_of_refusals(rig: Rig) -> None:
    long = "a" * 161
    with set_up(rig, max_segments=1):
        assert rig.send(body=long, to="x").fields == {("to", "wrong_form")}
        assert rig.send(body=long, token="other_only").code == "plan_not_allowed"
        assert rig.send(body=long, servicePlanId=ROUTELESS).code == "plan_incomplete_route"
        assert rig.send(body=long, from_="+15550009999").code == "validation_failed"
        assert rig.send(body=long, servicePlanId=DUTCH).code == "validation_failed"


def test_a_replay_comes_before_it(rig: Rig) -> None:
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    body = json.dumps({"servicePlanId": PLAN, "channel": "SMS", "from": SENDER, "to": RECIPIENT, "body": "a" * 161})
    first = rig.ask("POST", "/v1/sendsms", body, headers=headers)
    assert first.status == 202
    with set_up(rig, max_segments=1):
        assert rig.ask("POST", "/v1/sendsms", body, headers=headers).body == first.body
        other = rig.ask("POST", "/v1/sendsms", body, headers={"Idempotency-Key": uuid.uuid4().hex})
        assert other.fields == {("body", "too_many_segments")}
