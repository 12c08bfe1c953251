"""GET /v1/messages/sms and GET /v1/messages/sms/{msgId}: filters, window, limit, cursor, order."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from typing import Any

import pytest
from api_rig import ACCOUNT, OTHER, PLAN, RECIPIENT, SENDER, Rig

from trunkline.runtime.clock import wall_ms

DAY_S = 86_400


def at(seconds: float) -> str:
    moment = dt.datetime.fromtimestamp(wall_ms() / 1000 + seconds, dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def new_recipient() -> str:
    """A number that no other test of this file uses."""
    return f"+1555{uuid.uuid4().int % 10**7:07d}"


def ids(reply: Any) -> list[str]:
    assert reply.status == 200, reply
    return [record["msgId"] for record in reply.json["data"]]


def walk(rig: Rig, **filters: Any) -> list[str]:
    """All pages of a list, by cursors alone."""
    found, reply = [], rig.list(**filters)
    while True:
        found += ids(reply)
        pagination = reply.json["pagination"]
        assert pagination["hasMore"] is (pagination["nextCursor"] is not None)
        if not pagination["hasMore"]:
            return found
        reply = rig.list(cursor=pagination["nextCursor"], plan=filters.get("plan", PLAN))


def final(rig: Rig, msg_id: str, status: int, code: int = 0) -> None:
    rig.sql("UPDATE msg SET status = $2, error_code = $3, final_at = now() WHERE msg_id = $1",
            uuid.UUID(msg_id), status, code)  # fmt: skip


def sent(rig: Rig, msg_id: str) -> None:
    rig.sql(
        "INSERT INTO ref SELECT 1, $1::uuid::text, recipient, plan_id, msg_id, 1, 1, 1, 0, false, now(), now()"
        " FROM msg WHERE msg_id = $1",
        uuid.UUID(msg_id),
    )


def test_a_list_holds_records_newest_first(rig: Rig) -> None:
    to = new_recipient()
    replies = [rig.send(to=to) for _ in range(3)]
    reply = rig.list(to=to)
    assert reply.json == {
        "data": [one.json for one in reversed(replies)],
        "pagination": {"limit": 20, "nextCursor": None, "hasMore": False},
    }


def test_the_plan_is_required_and_one_filter_besides(rig: Rig) -> None:
    reply = rig.list(plan=None, status="SENT")
    assert (reply.status, reply.code, reply.fields) == (400, "validation_failed", {("servicePlanId", "required")})
    for extra in ({}, {"limit": 5}, {"direction": "MT"}):
        reply = rig.list(**extra)
        assert (reply.status, reply.code) == (400, "filter_required")


@pytest.mark.parametrize(
    ("filters", "field", "code"),
    [
        ({"from_": ""}, "from", "wrong_form"),
        ({"to": "15550002222"}, "to", "wrong_form"),
        ({"to": "+1\x00"}, "to", "wrong_form"),
        ({"status": "sent"}, "status", "wrong_form"),
        ({"status": "REJECTED"}, "status", "wrong_form"),
        ({"country": "USA"}, "country", "wrong_form"),
        ({"mccmnc": "3102"}, "mccmnc", "wrong_form"),
        ({"fromDate": "2026-01-01"}, "fromDate", "wrong_form"),
        ({"toDate": "x"}, "toDate", "wrong_form"),
        ({"status": "SENT", "limit": "0"}, "limit", "wrong_form"),
        ({"status": "SENT", "limit": "-1"}, "limit", "wrong_form"),
        ({"status": "SENT", "limit": "ten"}, "limit", "wrong_form"),
        ({"status": "SENT", "limit": "1e2"}, "limit", "wrong_form"),
        ({"status": "SENT", "limit": ""}, "limit", "wrong_form"),
        ({"status": "SENT", "limit": "٣"}, "limit", "wrong_form"),
        ({"status": "SENT", "direction": "mo"}, "direction", "wrong_form"),
        ({"direction": "MO", "status": "SENT"}, "status", "wrong_form"),
        ({"status": "SENT", "plan": "2" * 23}, "servicePlanId", "wrong_form"),
        ({"status": "SENT", "Limit": "5"}, "Limit", "unknown_field"),
        ({"cursor": "x y"}, "cursor", "bad_cursor"),
        ({"cursor": "AAAA"}, "cursor", "bad_cursor"),
        ({"fromDate": "2026-01-02T00:00:00Z", "toDate": "2026-01-01T00:00:00Z"}, "toDate", "out_of_range"),
    ],
)
def test_a_wrong_parameter_is_400_and_named(rig: Rig, filters: dict[str, Any], field: str, code: str) -> None:
    reply = rig.list(**filters)
    assert reply.status == 400
    assert reply.fields == {(field, code)}


def test_all_wrong_parameters_are_told_at_once(rig: Rig) -> None:
    reply = rig.list(plan="x", status="x", limit="x", y="z", to="x")
    assert reply.code == "validation_failed"
    assert reply.fields == {
        ("servicePlanId", "wrong_form"), ("status", "wrong_form"), ("limit", "wrong_form"), ("y", "unknown_field"),
        ("to", "wrong_form"),
    }  # fmt: skip


def test_a_wrong_window_is_told_with_the_other_faults(rig: Rig) -> None:
    start = "2026-03-01T00:00:00Z"
    reply = rig.list(fromDate=start, toDate="2026-04-01T00:00:00.001Z", limit="x")
    assert reply.fields == {("toDate", "window_too_large"), ("limit", "wrong_form")}
    reply = rig.list(fromDate=start, toDate="2026-02-01T00:00:00Z", status="x")
    assert reply.fields == {("toDate", "out_of_range"), ("status", "wrong_form")}


@pytest.mark.parametrize("query", ["status=SENT&status=SENT", "status=%ff", "status=SENT&" * 70])
def test_odd_query_strings_are_400(rig: Rig, query: str) -> None:
    assert rig.ask("GET", f"/v1/messages/sms?servicePlanId={PLAN}&{query}").status == 400


def test_a_plus_that_arrived_as_a_space_is_read_as_a_plus(rig: Rig) -> None:
    to = new_recipient()
    msg_id = rig.send(to=to).json["msgId"]
    for spelling in (f"+{to[1:]}", f"%20{to[1:]}", f"%2B{to[1:]}"):
        assert ids(rig.ask("GET", f"/v1/messages/sms?servicePlanId={PLAN}&to={spelling}&from=+{SENDER[1:]}")) == [
            msg_id
        ]


def test_each_filter_narrows(rig: Rig) -> None:
    to = new_recipient()
    first = rig.send(to=to, from_="12345").json["msgId"]
    second = rig.send(to=to, from_="Trunkline").json["msgId"]
    rig.sql("UPDATE msg SET mccmnc = '310260', country = 'PR' WHERE msg_id = $1", uuid.UUID(first))
    assert ids(rig.list(to=to, from_="12345")) == [first]
    assert ids(rig.list(to=to, from_="Trunkline")) == [second]
    assert ids(rig.list(to=to, mccmnc="310260")) == [first]
    assert ids(rig.list(to=to, country="PR")) == ids(rig.list(to=to, country="pr")) == [first]
    assert ids(rig.list(to=to, country="US")) == [second]
    assert ids(rig.list(to=to, plan=OTHER)) == []


def test_the_status_filter_knows_all_five(rig: Rig) -> None:
    to = new_recipient()
    queued, sent_one, delivered, failed, unknown = (rig.send(to=to).json["msgId"] for _ in range(5))
    for msg_id in (sent_one, delivered, failed, unknown):
        sent(rig, msg_id)
    final(rig, delivered, 2)
    final(rig, failed, 3, 103)
    final(rig, unknown, 4, 703)
    wanted = {"QUEUED": queued, "SENT": sent_one, "DELIVERED": delivered, "FAILED": failed, "UNKNOWN": unknown}
    assert {status: ids(rig.list(to=to, status=status)) for status in wanted} == {s: [i] for s, i in wanted.items()}
    records = {record["msgId"]: record for record in rig.list(to=to).json["data"]}
    assert {status: records[msg_id]["status"] for status, msg_id in wanted.items()} == {s: s for s in wanted}
    assert records[queued]["sentAt"] is None
    assert records[sent_one]["sentAt"].endswith("Z")
    assert records[failed]["errorCode"] == "103"
    assert records[failed]["errorMessage"] == "Unknown subscriber"
    assert records[failed]["finalAt"].endswith("Z")
    assert rig.get(sent_one).json == records[sent_one]


def test_both_ends_of_the_window_are_inclusive_to_the_millisecond(rig: Rig) -> None:
    to = new_recipient()
    created = rig.send(to=to).json["createdAt"]
    moment = dt.datetime.fromisoformat(created)

    def moved(ms: float) -> str:
        return (moment + dt.timedelta(milliseconds=ms)).isoformat()

    def found(start: float, end: float) -> int:
        return len(ids(rig.list(to=to, fromDate=moved(start), toDate=moved(end))))

    assert [found(0, 0), found(-1, 0), found(0, 1), found(0.001, 5), found(-5, -0.001), found(1, 2)] == [
        1,
        1,
        1,
        0,
        0,
        0,
    ]


def test_the_window_is_at_most_31_days(rig: Rig) -> None:
    start = "2026-03-01T00:00:00Z"
    assert rig.list(fromDate=start, toDate="2026-04-01T00:00:00Z").status == 200
    reply = rig.list(fromDate=start, toDate="2026-04-01T00:00:00.001Z")
    assert (reply.status, reply.code) == (400, "window_too_large")


def test_one_end_alone_and_none(rig: Rig) -> None:
    to = new_recipient()
    msg_id = rig.send(to=to).json["msgId"]
    for filters, found in (
        ({}, [msg_id]),
        ({"fromDate": at(-60)}, [msg_id]),
        ({"fromDate": at(-30 * DAY_S)}, [msg_id]),
        ({"fromDate": at(-32 * DAY_S)}, []),
        ({"fromDate": at(60)}, []),
        ({"toDate": at(60)}, [msg_id]),
        ({"toDate": at(-60)}, []),
        ({"toDate": at(30 * DAY_S)}, [msg_id]),
        ({"toDate": at(32 * DAY_S)}, []),
        ({"fromDate": "0001-01-01T00:00:00Z"}, []),
        ({"toDate": "9999-12-31T23:59:59Z"}, []),
    ):
        assert ids(rig.list(to=to, **filters)) == found, filters


def test_limit_defaults_to_20_and_is_capped_at_100(rig: Rig) -> None:
    to = new_recipient()
    for _ in range(25):
        rig.send(to=to)
    assert len(ids(rig.list(to=to))) == 20
    assert len(ids(rig.list(to=to, limit=3))) == 3
    for limit, shown in (("100", 100), ("101", 100), ("9" * 40, 100), ("007", 7)):
        reply = rig.list(to=to, limit=limit)
        assert (len(ids(reply)), reply.json["pagination"]["limit"]) == (min(25, shown), shown)


@pytest.mark.parametrize("limit", [1, 4, 10, 11])
def test_pages_neither_repeat_nor_skip(rig: Rig, limit: int) -> None:
    to = new_recipient()
    stored = [rig.send(to=to).json["msgId"] for _ in range(11)]
    reply = rig.list(to=to, limit=limit)
    found = ids(reply)
    while cursor := reply.json["pagination"]["nextCursor"]:
        rig.send(to=to)  # newer ones do not disturb
        reply = rig.list(cursor=cursor)
        assert reply.json["pagination"]["limit"] == limit
        found += ids(reply)
    assert found == stored[::-1]


def test_a_short_page_goes_on(rig: Rig) -> None:
    """The scan of this rig is bounded to 50 rows; what it looks for lies below more than that."""
    wanted = rig.send(from_="Trunkline", body="needle").json
    rig.sql("UPDATE msg SET mccmnc = '99999' WHERE msg_id = $1", uuid.UUID(wanted["msgId"]))
    for _ in range(60):
        rig.send(body="hay")
    reply = rig.list(mccmnc="99999")
    assert ids(reply) == []
    assert reply.json["pagination"]["hasMore"] is True
    assert walk(rig, mccmnc="99999") == [wanted["msgId"]]


def test_a_cursor_agrees_with_the_filters_beside_it(rig: Rig) -> None:
    to = new_recipient()
    for _ in range(3):
        rig.send(to=to)
    start = at(-3600)
    cursor = rig.list(to=to, country="US", fromDate=start, limit=1).json["pagination"]["nextCursor"]
    assert len(ids(rig.list(cursor=cursor, to=to, country="us", fromDate=start, direction="MT"))) == 1
    assert len(ids(rig.list(cursor=cursor, limit=2))) == 2
    for name, value in {"to": RECIPIENT, "country": "NL", "from_": SENDER, "status": "SENT", "direction": "MO",
                        "fromDate": at(-60), "toDate": at(0)}.items():  # fmt: skip
        reply = rig.list(cursor=cursor, **{name: value})
        assert (reply.status, reply.code, reply.fields) == (400, "bad_cursor", {(name.rstrip("_"), "bad_cursor")})


def test_a_cursor_of_another_plan_or_changed_is_refused(rig: Rig) -> None:
    to = new_recipient()
    for _ in range(2):
        rig.send(to=to)
    cursor = rig.list(to=to, limit=1).json["pagination"]["nextCursor"]
    assert rig.list(cursor=cursor, plan=OTHER).code == "bad_cursor"
    changed = cursor[:-2] + ("A" if cursor[-2] != "A" else "B") + cursor[-1]
    assert rig.list(cursor=changed).code == "bad_cursor"
    assert rig.list(cursor=cursor, token="theirs").code == "plan_not_allowed"


def test_inbound_messages(rig: Rig) -> None:
    ids_ = [uuid.UUID(int=wall_ms() << 80 | 7 << 76 | 2 << 62 | n) for n in range(3)]
    for n, msg_id in enumerate(ids_):
        rig.sql(
            "INSERT INTO mo VALUES (1, $1, 1, 1, 1, '+15550002222', '+15550001111', $2, $3, $4, $5, '', $6)",
            msg_id, "Need status" if n < 2 else "", "00ff" if n == 2 else None, "Need", n == 1,
            dt.datetime(2026, 6, 22, 5, 10, 3, 120_000, dt.UTC),
        )  # fmt: skip
    common = {
        "accountId": ACCOUNT, "servicePlanId": PLAN, "channel": "SMS", "direction": "MO", "from": "+15550002222",
        "to": "+15550001111", "receivedAt": "2026-06-22T05:10:03.120Z",
    }  # fmt: skip
    reply = rig.list(direction="MO", from_="+15550002222", limit=2)
    assert reply.json["data"] == [
        {**common, "msgId": str(ids_[2]), "keyword": "", "body": "", "binary": "00ff"},
        {**common, "msgId": str(ids_[1]), "keyword": "Need", "body": "Need status", "partial": True},
    ]
    following = rig.list(cursor=reply.json["pagination"]["nextCursor"])
    assert following.json["data"] == [{**common, "msgId": str(ids_[0]), "keyword": "Need", "body": "Need status"}]
    assert rig.list(direction="MO", to="+15550003333").json["data"] == []
    # A sender as only MO messages have it, and the direction left to the cursor.
    rig.sql("UPDATE mo SET sender = 'Bank 24/7'")
    cursor = rig.list(direction="MO", from_="Bank 24/7", limit=2).json["pagination"]["nextCursor"]
    assert ids(rig.list(cursor=cursor, from_="Bank 24/7")) == [str(ids_[0])]
    assert rig.list(cursor=cursor, from_="Bank 24/6").fields == {("from", "bad_cursor")}
    assert rig.list(direction="MO", to="+15550001111", plan=OTHER).json["data"] == []


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/v1/messages/sms/{id}", {("servicePlanId", "required")}),
        ("/v1/messages/sms/{id}?servicePlanId=x", {("servicePlanId", "wrong_form")}),
        ("/v1/messages/sms/?servicePlanId={plan}", {("msgId", "required")}),
        ("/v1/messages/sms/x?servicePlanId={plan}", {("msgId", "wrong_form")}),
        ("/v1/messages/sms/{{{id}}}?servicePlanId={plan}", {("msgId", "wrong_form")}),
        ("/v1/messages/sms/{hex}?servicePlanId={plan}", {("msgId", "wrong_form")}),
        ("/v1/messages/sms/{id}%0A?servicePlanId={plan}", {("msgId", "wrong_form")}),
        ("/v1/messages/sms/{id}?servicePlanId={plan}&x=1", {("x", "unknown_field")}),
        ("/v1/messages/sms/x?y=1", {("servicePlanId", "required"), ("msgId", "wrong_form"), ("y", "unknown_field")}),
    ],
)
def test_get_with_a_wrong_id_or_plan_is_400(rig: Rig, path: str, fields: set[tuple[str, str]]) -> None:
    msg_id = uuid.UUID("019ee2da-e515-7322-805f-1ac6ce82f20f")
    reply = rig.ask("GET", path.format(id=msg_id, hex=msg_id.hex, plan=PLAN))
    assert reply.status == 400
    assert reply.fields == fields


def test_get_takes_any_uuid_in_any_case(rig: Rig) -> None:
    sent_one = rig.send()
    assert rig.get(sent_one.json["msgId"].upper(), PLAN.upper()).body == sent_one.body
    for other in (uuid.UUID(int=0), uuid.UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8"), uuid.UUID(int=2**128 - 1)):
        assert rig.get(str(other)).code == "message_not_found"


def test_a_redacted_record_shows_null(rig: Rig) -> None:
    msg_id = rig.send().json["msgId"]
    rig.sql("UPDATE msg SET body = NULL, sender = NULL, recipient = NULL WHERE msg_id = $1", uuid.UUID(msg_id))
    record = rig.get(msg_id).json
    assert (record["body"], record["from"], record["to"]) == (None, None, None)


def test_texts_come_back_octet_for_octet(rig: Rig) -> None:
    for text in ("👩‍👩‍👧‍👦 zwj", "שלום‏", "e\u0301", "\u2028\u2029", "\x01\x1f\x7f", '"\\/', "＜script＞"):
        msg_id = rig.send(body=text).json["msgId"]
        reply = rig.get(msg_id)
        assert reply.json["body"] == text
        assert json.loads(reply.body.decode())["body"].encode() == text.encode()
