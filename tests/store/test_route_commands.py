"""`trunkline route explain`: every route that fits, what it was weighed by, and what is not tried."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from operator_rig import FILE, Operator

CARRIER = """
[[carrier]]
name = "{name}"
[[carrier.link]]
name = "a"
host = "127.0.0.1"
system_id = "acme"
password_env = "PW"
"""
ROUTES = """
[[route]]
name = "gb"
carrier = "north"
countries = ["GB"]
cost = 0.028
[[route]]
name = "o2"
carrier = "south"
networks = ["23410"]
cost = 0.019
min_delivery_percent = 90
[[route]]
name = "otp"
carrier = "east"
plan = "otp"
sender_kinds = ["short_code"]
prefixes = ["4479"]
[[route]]
name = "half"
carrier = "east"
priority = -1
weight = 3
[[route]]
name = "other half"
carrier = "west"
priority = -1
fallback = false
[[route]]
name = "last"
carrier = "spare"
priority = -2
[[route]]
name = "south anywhere"
carrier = "south"
[[route]]
name = "se"
carrier = "south"
countries = ["SE"]
"""


@pytest.fixture
def operator(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Operator:
    monkeypatch.chdir(tmp_path)
    it = Operator(database, tmp_path)
    carriers = "".join(CARRIER.format(name=name) for name in ("south", "east", "west", "spare"))
    it.file.write_text(FILE + carriers + ROUTES)
    assert it.call("apply", str(it.file))[0] == 0
    it.execute(
        "INSERT INTO number_range (first, last, mccmnc) VALUES ('4479', '4479', '23410')",
        "INSERT INTO carrier_lease (carrier_id, epoch, ready_at)"
        " SELECT carrier_id, 1, CASE name WHEN 'north' THEN '2026-11-30 10:00:00+00' ELSE now() END FROM carrier",
        "INSERT INTO carrier_quality SELECT carrier_id, 'GB', 200, 170, 4.2, now() FROM carrier WHERE name = 'south'",
    )
    return it


def test_routes_in_their_order_and_why(operator: Operator) -> None:
    arguments = ["route", "explain", "+447912123456", "--plan", "otp", "--sender", "12345"]
    code, out, err = operator.call(*arguments)
    assert (code, err) == (0, "")
    head, who, _, titles, *rows, _, ending = out.splitlines()
    assert head == "+447912123456  GB, network 23410 O2 (UK)"
    assert who == "plan acme/otp, sender 12345 (short code)"
    assert titles.split() == ["route", "carrier", "priority", "for", "leads", "to", "cost"]
    assert ending == "goes to east by route otp"
    assert [" ".join(row.split()) for row in rows] == [
        "1 otp east 0 plan acme/otp, short code prefix of 4 digits - taken",
        "2 gb north 0 everybody country 0.028 down since 2026-11-30 10:00:00; after the one before by customer",
        "3 other half west -1 everybody anywhere - drawn, 25% of messages; after the one before by priority",
        "4 o2 south 0 everybody network 0.019 set back; 85.0 % of 200 delivered, 95 % of receipts within 4.2 s;"
        " after the one before by quality",
        "- south anywhere south 0 everybody anywhere - not tried: o2 counts for this carrier",
        "- half east -1 everybody anywhere - not tried: otp counts for this carrier",
        "- last spare -2 everybody anywhere - not tried: other half has fallback off",
    ]


def test_as_json_and_without_a_plan(operator: Operator) -> None:
    code, out, _ = operator.call("route", "explain", "+447912123456", "--json")
    found = json.loads(out)
    assert code == 0
    assert (found["plan"], found["sender"], found["country"], found["mccmnc"]) == (None, None, "GB", "23410")
    assert next(one["route"] for one in found["routes"] if one["place"]) == "gb"
    assert "otp" not in [one["route"] for one in found["routes"]]
    (taken,) = [one for one in found["routes"] if one["taken"]]
    assert taken["route"] in ("half", "other half")
    assert found["carrier"] == {"half": "east", "other half": "west"}[taken["route"]]
    (o2,) = [one for one in found["routes"] if one["route"] == "o2"]
    assert (o2["cost"], o2["set_back"], o2["quality"]) == (
        "0.019",
        True,
        {"messages": 200, "delivered": 170, "p95_s": 4.2},
    )


def test_nothing_is_up_or_nothing_fits(operator: Operator) -> None:
    operator.execute("UPDATE carrier_lease SET ready_at = now() - interval '1 minute'")
    assert operator.call("route", "explain", "+447912123456", "--plan", "otp")[1].splitlines()[-1] == (
        "waits in the queue of east: no carrier takes messages"
    )
    operator.execute("UPDATE route SET active = false")
    _, out, _ = operator.call("route", "explain", "+447912123456")
    assert out.splitlines()[-1].startswith("no route: ")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["0791112345"], 2, "write the number as +447912123456"),
        (["+447912123456", "--plan", "otpp"], 65, "there is no plan otpp"),
    ],
)
def test_what_cannot_be_asked(operator: Operator, arguments: list[str], code: int, says: str) -> None:
    found, _, err = operator.call("route", "explain", *arguments)
    assert found == code
    assert says in err
