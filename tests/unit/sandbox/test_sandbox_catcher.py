"""Caught webhooks: what is kept of them, how their signatures are judged, which answer a URL asks for."""

import asyncio
import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from standardwebhooks import Webhook

from trunkline.runtime.clock import wall_s
from trunkline.sandbox.catcher import KEPT_MOST, Catcher, Wish, wish_of

PLAN = "222222222222222222222222"
KEY = bytes(range(32))
URL = "https://client.example.com/sms/status"
ID = "019ee2da-e515-7322-805f-1ac6ce82f20f-2"
BODY = json.dumps({"servicePlanId": PLAN, "msgId": ID[:-2], "body": "Grüße"}).encode()


def catcher(*keys):
    plan = SimpleNamespace(hook_secrets=keys or (KEY,))
    return Catcher(lambda: SimpleNamespace(plans_by_public_id={PLAN: plan}))


def headers(body=BODY, key=KEY, at=None):
    at = int(wall_s()) if at is None else at
    mark = Webhook(key).sign(ID, datetime.fromtimestamp(at, UTC), body.decode())
    return {"webhook-id": ID, "webhook-timestamp": str(at), "webhook-signature": mark}


def verdict(catch, given, body=BODY):
    catch.take(URL, given, body)
    return catch.find(limit=1)[0].signature


def test_what_the_reference_signs_is_valid():
    assert verdict(catcher(), headers()) == "valid"
    assert verdict(catcher(b"\1" * 32, KEY), headers()) == "valid"


@pytest.mark.parametrize(
    ("given", "body", "word"),
    [
        # Signed when the test runs: a signature of the collection would be too old by then.
        (lambda: headers(key=b"\1" * 32), BODY, "another secret"),
        (headers, BODY.replace(b"body", b"bode"), "another body"),
        (lambda: headers(at=1_000_000_000), BODY, "not now"),
        (lambda: {**headers(), "webhook-timestamp": "soon"}, BODY, "not now"),
        (headers, b"{}", "no such plan"),
    ],
)
def test_what_a_careful_receiver_refuses_is_invalid(given, body, word):
    found = verdict(catcher(), given(), body)
    assert found.startswith("invalid")
    assert word in found


def test_without_a_signature_it_is_absent():
    assert verdict(catcher(), {}) == "absent"


def test_a_body_is_kept_as_it_came():
    catch = catcher()
    for body in (b' {"a": 1.10}', b"[1]", b"\xff{", b""):
        catch.take(URL, {}, body)
    empty, broken, array, spaced = catch.find()
    assert (empty.body, broken.body) == ("", "\ufffd{")
    assert (bytes(array.body), bytes(spaced.body)) == (b"[1]", b' {"a": 1.10}')


def test_webhooks_are_found_by_message():
    catch = catcher()
    catch.take(URL, headers(), BODY)
    catch.take(URL, {}, b"{}")
    assert [one.msg_id for one in catch.find()] == [None, ID[:-2]]
    assert [one.webhook_id for one in catch.find(msg_id=ID[:-2])] == [ID]
    assert catch.find(msg_id="other") == []
    assert [one.number for one in catch.find(after=1)] == [2]


def test_who_waits_is_told_of_the_next_one():
    async def main():
        catch = catcher()
        catch.take(URL, {}, b"{}")
        waiting = [asyncio.create_task(catch.news()) for _ in range(2)]
        done, _ = await asyncio.wait(waiting, timeout=0.01)
        assert not done
        catch.take(URL, {}, b"{}")
        async with asyncio.timeout(10):
            await asyncio.gather(*waiting)

    asyncio.run(main())


def test_only_the_first_attempts_get_the_answer_that_is_asked_for():
    catch = catcher()
    url = URL + "?answer=503&times=2"
    assert [catch.take(url, headers(), BODY)[0] for _ in range(4)] == [503, 503, 200, 200]
    assert [one.attempt for one in catch.find()] == [4, 3, 2, 1]
    assert catch.take(url, {**headers(), "webhook-id": "other-0"}, BODY)[0] == 503


@pytest.mark.parametrize(
    ("query", "wish"),
    [
        ("", Wish()),
        ("?answer=410", Wish(answer=410)),
        ("?answer=503&times=1&delay=2.5", Wish(503, 1, 2.5)),
        ("?answer=100", Wish()),
        ("?answer=600", Wish()),
        ("?answer=no&delay=nan", Wish()),
        ("?delay=-1", Wish()),
        ("?delay=1e9", Wish(delay=60.0)),
        ("?idx=7", Wish()),
    ],
)
def test_a_url_says_how_it_wants_to_be_answered(query, wish):
    assert wish_of(URL + query) == wish


def test_the_oldest_go_first():
    catch = catcher()
    for number in range(KEPT_MOST + 5):
        catch.take(f"{URL}/{number}", {}, b"{}")
    kept = catch.find(limit=2 * KEPT_MOST)
    assert len(kept) == KEPT_MOST
    assert kept[-1].url == f"{URL}/5"
