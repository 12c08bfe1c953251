"""601, 607, 608, 609: what is not to be sent is accepted and ends FAILED at once; countries are refused before that."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import pytest
from api_rig import DUTCH, PLAN, RECIPIENT, SENDER, Rig


@pytest.fixture(autouse=True)
def set_up(rig: Rig) -> Iterator[None]:
    """The plan is prepaid for two messages; one to a number, two numbers of a range; nobody writes to +88213."""
    picture = rig.picture
    rig.sql("INSERT INTO price_list (name, currency) VALUES ('standard', 'EUR')")
    rig.sql("INSERT INTO price (price_list_id, price_micro) VALUES (1, 100)")
    rig.sql("INSERT INTO blocked_range (prefix) VALUES ('+88213')")
    rig.look()
    yield
    for table in ("term", "guard", "blocked_range", "price", "balance", "guard_window", "reserve"):
        rig.sql(f"DELETE FROM {table}")
    rig.sql("TRUNCATE price_list RESTART IDENTITY CASCADE")
    rig.picture = picture


def ends(rig: Rig, *numbers: str) -> list[str]:
    """The error code of the record of a message to each, as it can be read right after its 202."""
    found = []
    for to in numbers:
        accepted = rig.send(to=to)
        assert (accepted.status, accepted.json["status"], accepted.json["errorCode"]) == (202, "QUEUED", "000")
        record = rig.get(accepted.json["msgId"]).json
        assert record["status"] == ("QUEUED" if record["errorCode"] == "000" else "FAILED")
        assert record["price"] in (None, 0)
        found.append(record["errorCode"])
    return found


def prepaid(rig: Rig, micro: int) -> None:
    rig.sql(
        "INSERT INTO term (plan_id, price_list_id, prepaid) SELECT plan_id, 1, 1 FROM plan WHERE public_id = $1", PLAN
    )
    rig.sql("INSERT INTO balance SELECT 1, plan_id, 'EUR', $2 FROM plan WHERE public_id = $1", PLAN, micro)
    rig.look()


def guarded(rig: Rig, settings: str) -> None:
    rig.sql(f"INSERT INTO guard (plan_id) SELECT plan_id FROM plan WHERE public_id = '{PLAN}'")
    rig.sql(f"UPDATE guard SET {settings}")
    rig.look()


def test_the_balance(rig: Rig) -> None:
    prepaid(rig, 250)
    assert ends(rig, *[RECIPIENT] * 4) == ["000", "000", "601", "601"]
    assert rig.sql("SELECT left_micro FROM balance")[0][0] == 50


def test_a_key_that_is_used_again_is_not_paid_again(rig: Rig) -> None:
    prepaid(rig, 100)
    whole = {"servicePlanId": PLAN, "channel": "SMS", "from": SENDER, "to": RECIPIENT, "body": "Hello"}
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    first, again = (rig.ask("POST", "/v1/sendsms", json.dumps(whole), headers=headers) for _ in range(2))
    assert (first.status, again.body) == (202, first.body)
    assert rig.get(first.json["msgId"]).json["errorCode"] == "000"
    # One that was stopped is answered like any other: the same 202 again.
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    stopped, again = (rig.ask("POST", "/v1/sendsms", json.dumps(whole), headers=headers) for _ in range(2))
    assert (stopped.status, again.body) == (202, stopped.body)
    assert rig.get(stopped.json["msgId"]).json["errorCode"] == "601"


def test_velocity_of_a_recipient_and_a_prefix(rig: Rig) -> None:
    guarded(rig, "recipient_most = 2, velocity = '[[\"+4679\", 3, 60]]'")
    assert ends(rig, *["+46700000001"] * 3, "+46700000002") == ["000", "000", "608", "000"]
    assert ends(rig, *[f"+4679000000{n}" for n in range(5)]) == ["000", "000", "000", "608", "608"]


def test_a_burst_to_one_range_and_a_sequence(rig: Rig) -> None:
    guarded(rig, "range_most = 3")
    assert ends(rig, *[f"+4670000{n * 777:04d}" for n in range(5)], "+46700000000") == [
        *["000"] * 3,
        "607",
        "607",
        "000",
    ]
    rig.sql("DELETE FROM guard")
    guarded(rig, "sequence_most = 2")
    assert ends(rig, *[f"+467100000{n:02d}" for n in range(4)]) == ["000", "000", "607", "607"]


def test_blocked_ranges(rig: Rig) -> None:
    assert ends(rig, "+88213123456", "+88214123456") == ["609", "000"]
    guarded(rig, "blocked = '{+88214}'")
    assert ends(rig, "+88213123456", "+88214123456", "+88215123456") == ["609", "609", "000"]


def test_a_guard_that_is_switched_off_stops_nothing(rig: Rig) -> None:
    guarded(rig, "recipient_most = 1, active = false")
    assert ends(rig, *["+46700000001"] * 3) == ["000"] * 3


@pytest.mark.parametrize("to", ["+46700000001", "+88213123456", "+97916123456"])
def test_a_country_beyond_the_list_is_refused_first(rig: Rig, to: str) -> None:
    """Default deny: numbers of no country as well."""
    refused = rig.send(servicePlanId=DUTCH, to=to)
    assert (refused.status, refused.code) == (403, "destination_not_allowed")
    assert rig.send(servicePlanId=DUTCH, to="+31612345678").status == 202
