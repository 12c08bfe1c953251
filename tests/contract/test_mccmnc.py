"""CONTRACT §4, `mccmnc`: 5 or 6 digits from the numbering data, null when unknown, in every place the same."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import pytest
from api_rig import PLAN, RECIPIENT, SENDER, Reply, Rig

WHOLE = {"servicePlanId": PLAN, "channel": "SMS", "from": SENDER, "to": RECIPIENT, "body": "Hello"}


def ranges(rig: Rig, *values: tuple[str, str]) -> None:
    """Makes these prefixes all the ranges there are."""
    rig.sql("DELETE FROM number_range")
    for prefix, mccmnc in values:
        rig.sql("INSERT INTO number_range (first, last, mccmnc) VALUES ($1, $1, $2)", prefix, mccmnc)
    rig.run(rig.numbers.refresh())


@pytest.fixture(autouse=True)
def none_left(rig: Rig) -> Iterator[None]:
    yield
    ranges(rig)


def keyed(rig: Rig, key: str, query: str = "") -> Reply:
    return rig.ask("POST", f"/v1/sendsms{query}", json.dumps(WHOLE), headers={"Idempotency-Key": key})


def test_unknown_is_null(rig: Rig) -> None:
    ranges(rig, ("1555001", "310260"))
    first = rig.send()
    assert first.json["mccmnc"] is None
    assert rig.get(first.json["msgId"]).body == first.body


@pytest.mark.parametrize("mccmnc", ["31026", "310260", "00101"])
def test_the_record_has_the_network_from_the_first_answer_on(rig: Rig, mccmnc: str) -> None:
    ranges(rig, ("1555", "99999"), ("1555000", mccmnc))
    first = rig.send()
    assert first.json["mccmnc"] == mccmnc
    ranges(rig, ("1", "310410"))  # what is stored stays
    assert rig.get(first.json["msgId"]).body == first.body
    listed = rig.list(mccmnc=mccmnc).json["data"]
    assert first.json in listed
    assert all(record["mccmnc"] == mccmnc for record in listed)


def test_a_message_for_later_has_it_too(rig: Rig) -> None:
    ranges(rig, ("1555", "310260"))
    rows = rig.sql("SELECT to_char(trunkline_now() + interval '1 day', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')")
    first = rig.send(sendAt=rows[0][0])
    assert first.json["mccmnc"] == rig.get(first.json["msgId"]).json["mccmnc"] == "310260"


def test_a_dry_run_tells_it_also_where_the_send_is_refused(rig: Rig) -> None:
    ranges(rig, ("1555", "310260"))
    assert rig.send(path="/v1/sendsms?dryRun=true").json["mccmnc"] == "310260"
    refused = rig.send(path="/v1/sendsms?dryRun=true", from_="DENIED").json
    assert (refused["mccmnc"], refused["problem"]["code"]) == ("310260", "sender_not_authorized")
    assert rig.send(path="/v1/sendsms?dryRun=true", to="+31612345678").json["mccmnc"] is None
    assert rig.send(path="/v1/sendsms?dryRun=true", to="no number").json["mccmnc"] is None


@pytest.mark.parametrize(("then", "later"), [("310260", "310410"), ("310260", None), (None, "310410")])
def test_a_replay_has_what_the_first_answer_had(rig: Rig, then: str | None, later: str | None) -> None:
    """Although the ranges are others by now, and the carrier's receipt told a third network."""
    ranges(rig, *([("1555", then)] if then else []))
    key = str(uuid.uuid4())
    first = keyed(rig, key)
    assert first.json["mccmnc"] == then
    ranges(rig, *([("1555", later)] if later else []))
    assert keyed(rig, key).body == first.body
    assert keyed(rig, str(uuid.uuid4())).json["mccmnc"] == later
    msg_id = first.json["msgId"]
    rig.sql("UPDATE msg SET mccmnc = '23410' WHERE msg_id = $1", uuid.UUID(msg_id))
    replayed = keyed(rig, key)
    assert (replayed.status, replayed.body) == (202, first.body)
    assert replayed.headers["idempotent-replayed"] == "true"
    assert rig.get(msg_id).json["mccmnc"] == "23410"


def test_a_key_taken_anew_after_a_day_has_the_new_network(rig: Rig) -> None:
    ranges(rig, ("1555", "310260"))
    key = str(uuid.uuid4())
    keyed(rig, key)
    rig.sql("UPDATE idempotency SET at = at - interval '25 hours' WHERE key = $1", key)
    ranges(rig, ("1555", "310410"))
    second = keyed(rig, key)
    assert second.json["mccmnc"] == "310410"
    assert keyed(rig, key).body == second.body
