"""A message's whole trip through real processes, both ways: API, database, carrier, receipt, webhook."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Queue

import pytest
from standardwebhooks import Webhook

from trunkline.sandbox.recipients import TABLE

LATER = {"system_error"}  # half a minute


def test_a_message_is_delivered_and_its_webhook_is_the_record(sandbox):
    sent = sandbox.send(body="Grüße 😀", clientReference="order 7")
    assert (sent["status"], sent["direction"]) == ("QUEUED", "MT")
    (caught,) = sandbox.caught(msgId=sent["msgId"], wait=15)
    record = sandbox.record(sent["msgId"])
    assert record["status"] == "DELIVERED"
    assert caught["body"] == record
    assert record["sentAt"] <= record["finalAt"]
    assert (caught["signature"], caught["attempt"], caught["webhookId"]) == ("valid", 1, f"{sent['msgId']}-2")
    assert {name: record[name] for name in ("msgId", "body", "to", "clientReference")} == {
        name: sent[name] for name in ("msgId", "body", "to", "clientReference")
    }


def test_a_handsets_message_reaches_the_plans_inbound_url(sandbox):
    before = max((one["number"] for one in sandbox.caught(limit=1)), default=0)
    mo = {"from": "+15550004444", "to": "+15550001111", "body": "Need status update for order 12345"}
    assert sandbox.ask("POST", "/sandbox/mo", mo) == (200, {"status": "taken"})
    caught = next_about(sandbox, before, "+15550004444")
    assert caught["url"] == "https://client.example.com/sms/inbound"
    assert (caught["signature"], caught["webhookId"]) == ("valid", f"{caught['msgId']}-0")
    body = caught["body"]
    assert {**mo, "keyword": "Need", "direction": "MO", "servicePlanId": sandbox.plan}.items() <= body.items()


def test_a_person_may_say_the_same_twice(sandbox):
    before = max((one["number"] for one in sandbox.caught(limit=1)), default=0)
    mo = {"from": "+15550007777", "to": "+15550001111", "body": "YES"}
    for _ in range(2):
        assert sandbox.ask("POST", "/sandbox/mo", mo)[0] == 200
        before = next_about(sandbox, before, "+15550007777")["number"]


def test_a_short_code_gets_messages_too(sandbox):
    before = max((one["number"] for one in sandbox.caught(limit=1)), default=0)
    mo = {"from": "+15550005555", "to": "12345", "body": "hi"}
    assert sandbox.ask("POST", "/sandbox/mo", mo)[0] == 200
    assert next_about(sandbox, before, "+15550005555")["body"]["to"] == "12345"


def test_a_long_text_comes_once_and_whole(sandbox):
    before = max((one["number"] for one in sandbox.caught(limit=1)), default=0)
    mo = {"from": "+15550006666", "to": "+15550001111", "body": "Grüße 😀 " * 30 + "end"}
    assert sandbox.ask("POST", "/sandbox/mo", mo)[0] == 200
    assert mo.items() <= next_about(sandbox, before, "+15550006666")["body"].items()


def next_about(sandbox, after, sender):
    """The first webhook with a number above `after` about a message from `sender`."""
    for _ in range(50):
        found = sandbox.caught(after=after, wait=15)
        assert found, "no webhook came"
        for one in found:
            if one["body"]["from"] == sender:
                return one
        after = found[0]["number"]
    raise AssertionError("too many others")


@pytest.fixture(scope="module")
def sent(sandbox):
    """One message to each magic recipient, nearly all on their way at once."""
    texts = {"last_part_fails": "long " * 80}
    found = {}
    # First the one that takes along whatever is unanswered on its link, last the one that slows the carrier down.
    for row in sorted(TABLE, key=lambda row: (row.name != "link_cut", row.name == "throttled")):
        found[row.name] = sandbox.send(row.number, texts.get(row.name, row.name))["msgId"]
        if row.name == "link_cut":
            sandbox.caught(msgId=sandbox.send(body="behind it")["msgId"], wait=15)
    return found


@pytest.mark.parametrize("row", [row for row in TABLE if row.name not in LATER | {"no_receipt"}], ids=lambda r: r.name)
def test_magic_recipient(sandbox, sent, row):
    (caught,) = sandbox.caught(msgId=sent[row.name], wait=30)
    record = sandbox.record(sent[row.name])
    assert (record["status"], record["errorCode"]) == (row.status.name, row.error_code)
    assert caught["body"] == record


def test_without_a_receipt_a_message_stays_sent(sandbox, sent):
    # Once a later message is final, the receipt of this one would have been here as well.
    sandbox.caught(msgId=sandbox.send()["msgId"], wait=15)
    record = sandbox.record(sent["no_receipt"])
    assert (record["status"], record["errorCode"], record["finalAt"]) == ("SENT", "000", None)
    assert sandbox.caught(msgId=sent["no_receipt"]) == []


@pytest.mark.parametrize("name", ["receipt_twice", "contradicted", "receipt_first"])
def test_a_message_is_reported_once(sandbox, sent, name):
    sandbox.caught(msgId=sent[name], wait=15)
    sandbox.caught(msgId=sandbox.send(body="later")["msgId"], wait=15)
    assert len(sandbox.caught(msgId=sent[name])) == 1
    assert sandbox.record(sent[name])["status"] == "DELIVERED"


def test_a_handset_replies_by_itself(sandbox):
    before = max((one["number"] for one in sandbox.caught(limit=1)), default=0)
    number = next(row.number for row in TABLE if row.name == "replies")
    sandbox.send(number, "Shall we?")
    reply = next_about(sandbox, before, number)["body"]
    assert (reply["direction"], reply["keyword"], reply["body"]) == ("MO", "YES", "YES thank you")


def test_a_refused_webhook_is_tried_again(sandbox):
    url = "https://client.example.com/sms/status?answer=503&times=1"
    msg_id = sandbox.send(callbackUrl=url)["msgId"]
    (first,) = sandbox.caught(msgId=msg_id, wait=15)
    (second,) = sandbox.caught(msgId=msg_id, after=first["number"], wait=15)
    assert (first["answered"], second["answered"], second["attempt"]) == (503, 200, 2)
    assert (second["webhookId"], second["body"]) == (first["webhookId"], first["body"])
    assert {first["signature"], second["signature"]} == {"valid"}


def test_a_receiver_of_ones_own_is_really_called(sandbox):
    calls = Queue()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            calls.put((self.path, dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    try:
        url = f"http://localhost:{server.server_port}/hook?id=7"
        msg_id = sandbox.send(callbackUrl=url)["msgId"]
        path, headers, body = calls.get(timeout=15)
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
    assert path == "/hook?id=7"
    assert Webhook(sandbox.env["WEBHOOK_SECRET"]).verify(body, headers)["msgId"] == msg_id
    assert json.loads(body) == sandbox.record(msg_id)
    assert sandbox.caught(msgId=msg_id) == []
