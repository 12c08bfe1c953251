"""CONTRACT §3, §4: `price`, `ptf` and `currency` of records and dry runs; a plan without a price for a destination."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from api_rig import OTHER, PLAN, Reply, Rig

from trunkline.store import queue
from trunkline.store.queue import AcceptedPart, ChargedPart

SWEDE, BRIT = "+46700000001", "+447912123456"


@pytest.fixture(autouse=True)
def prices(rig: Rig) -> Iterator[None]:
    """The plan has a list: 0.0075 + 0.1 everywhere but in Great Britain, where only short codes have a price."""
    picture = rig.picture
    rig.sql("INSERT INTO price_list (name, currency) VALUES ('standard', 'EUR')")
    rig.sql("INSERT INTO term (plan_id, price_list_id) SELECT plan_id, 1 FROM plan WHERE public_id = $1", PLAN)
    rig.sql("INSERT INTO price (price_list_id, country, price_micro, ptf_micro) VALUES (1, 'SE', 7500, 100000)")
    rig.sql("INSERT INTO price (price_list_id, country, sender_kind, price_micro) VALUES (1, 'GB', 2, 1)")
    rig.look()
    yield
    rig.sql("DELETE FROM term")
    rig.sql("DELETE FROM price")
    rig.sql("TRUNCATE price_list RESTART IDENTITY CASCADE")
    rig.picture = picture


def money(reply: Reply) -> tuple[Any, Any, Any]:
    return reply.json["price"], reply.json["ptf"], reply.json["currency"]


def accept_parts(rig: Rig, msg_id: str, parts: int) -> None:
    """The carrier takes them."""
    row = rig.sql("SELECT * FROM msg WHERE msg_id = $1", msg_id)[0]

    async def work() -> None:
        async with rig.pool.acquire() as conn:
            at = await queue.database_now(conn)
            plan_id, key = row["plan_id"], row["msg_id"]
            rows = [AcceptedPart(f"{n}", "x", plan_id, key, n, parts, 1, 0, False, at) for n in range(1, parts + 1)]
            price = (row["price_micro"], row["ptf_micro"], row["currency"], row["country"])
            await queue.parts_accepted(
                conn, 1, rows, [], [ChargedPart(plan_id, key, n, *price) for n in range(1, parts + 1)]
            )

    rig.run(work())


def test_a_dry_run_tells_what_all_parts_would_cost(rig: Rig) -> None:
    assert money(rig.send(path="/v1/sendsms?dryRun=true", to=SWEDE)) == (0.0075, 0.1, "EUR")
    three = rig.send(path="/v1/sendsms?dryRun=true", to=SWEDE, body="x" * 400)
    assert three.json["segments"] == 3
    assert b'"price":0.0225,"ptf":0.3,"currency":"EUR"' in three.body  # no float noise: 0.1 * 3 is not 0.3


def test_the_price_is_null_until_the_carrier_accepted_and_then_that_of_all_parts(rig: Rig) -> None:
    first = rig.send(to=SWEDE, body="x" * 400)
    assert money(first) == (None, None, None)
    msg_id = first.json["msgId"]
    assert rig.get(msg_id).body == first.body
    accept_parts(rig, msg_id, 3)
    sent = rig.get(msg_id)
    assert sent.json["status"] == "SENT"
    assert b'"price":0.0225,"ptf":0.3,"currency":"EUR"' in sent.body
    listed = next(one for one in rig.list(to=SWEDE).json["data"] if one["msgId"] == msg_id)
    assert listed == sent.json


def test_what_no_carrier_accepted_costs_nothing(rig: Rig) -> None:
    msg_id = rig.send(to=SWEDE).json["msgId"]
    cancelled = rig.ask("POST", f"/v1/messages/sms/{msg_id}/cancel?servicePlanId={PLAN}")
    assert cancelled.json["errorCode"] == "610"
    assert money(cancelled) == (0, 0, "EUR")


def test_a_price_that_changes_changes_no_message_that_is_accepted(rig: Rig) -> None:
    msg_id = rig.send(to=SWEDE).json["msgId"]
    rig.sql("UPDATE price SET price_micro = 1000000")
    rig.look()
    accept_parts(rig, msg_id, 1)
    assert money(rig.get(msg_id)) == (0.0075, 0.1, "EUR")
    assert money(rig.send(path="/v1/sendsms?dryRun=true", to=SWEDE)) == (1, 0.1, "EUR")


def test_no_price_for_a_destination_is_an_incomplete_plan(rig: Rig) -> None:
    assert (rig.send(to=BRIT).status, rig.send(to=BRIT).code) == (400, "plan_incomplete_price")
    assert rig.send(to=BRIT, from_="12345").status == 202  # by the kind of sender
    dry = rig.send(path="/v1/sendsms?dryRun=true", to=BRIT).json
    assert (dry["problem"]["code"], dry["price"]) == ("plan_incomplete_price", None)
    # Step 9 comes before step 10.
    assert rig.send(to=BRIT, from_="+15559990000").code == "plan_incomplete_price"
    # A list that is gone, or not loaded yet, has none.
    rig.sql("DELETE FROM price")
    rig.run(rig.prices.refresh())
    assert rig.send(to=SWEDE).code == "plan_incomplete_price"


def test_other_plans_have_no_prices(rig: Rig) -> None:
    first = rig.send(servicePlanId=OTHER, to=SWEDE)
    rows = rig.sql("SELECT currency FROM msg WHERE msg_id = $1", first.json["msgId"])
    assert rows[0]["currency"] is None
