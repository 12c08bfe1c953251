"""STOP, START and HELP: what they change, in the commit of their message, and that each is answered once."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from consent_ground import RECIPIENT, SECOND, ConsentGround, on_consent_ground
from inbound_ground import DESTINATION, PLAN, part

from trunkline.domain.consent import Consent, Does, Scope
from trunkline.domain.ids import MsgIds
from trunkline.domain.provisioning import Keyword, Provisioning
from trunkline.domain.routes import Routes
from trunkline.mo.keywords import default_text
from trunkline.mt.reply import reply
from trunkline.smpp.pdu import DeliverSm
from trunkline.store import optouts, queue
from trunkline.store.optouts import Change

STOPPED, STARTED, HELPED = (default_text(does, "en") for does in (Does.STOP, Does.START, Does.HELP))
BOTH = [(1, RECIPIENT, DESTINATION), (2, RECIPIENT, DESTINATION)]


def test_stop_is_stored_with_its_message_and_answered_once(database: str) -> None:
    async def test(there: ConsentGround) -> None:
        await there.begin()
        await there.ground.dispatcher()
        await there.says("STOP")
        assert await there.opted_out() == BOTH  # all that send from the short code
        await there.says("stop please")
        assert await there.replies() == [(1, DESTINATION, RECIPIENT, STOPPED, "stop")]
        changes = await there.rows(
            "SELECT actor, action, subject, detail->>'why' AS why, detail->>'message' = mo.msg_id::text AS is_this"
            " FROM audit, (SELECT msg_id FROM mo ORDER BY msg_id LIMIT 1) AS mo ORDER BY audit_id"
        )
        assert changes == [("recipient", "opt_out.added", f"recipient {RECIPIENT}", "stop", True)] * 2
        assert await there.ground.messages() == [("STOP", False), ("stop please", False)]  # customers are told as well

    on_consent_ground(database, test)


def test_later_messages_end_605_and_the_answer_goes_out(database: str) -> None:
    async def test(there: ConsentGround) -> None:
        await there.begin()
        await there.ground.dispatcher()
        await there.says("STOP")
        ended = [
            await there.ended(await there.sends(**given))
            for given in ({}, {"plan": 2}, {"sender": SECOND}, {"plan": 3}, {"recipient": "+15550009999"}, {"parts": 3})
        ]
        assert ended == [(3, 605), (3, 605), (None, 0), (None, 0), (None, 0), (3, 605)]
        (answer,) = await there.rows("SELECT msg_id FROM keyword_reply")
        assert await there.ended(answer[0]) == (None, 0)
        texts = [pdu.short_message for pdu in there.ground.submitted if pdu.destination_addr == RECIPIENT[1:]]
        assert texts.count(STOPPED.encode()) == 1

    on_consent_ground(database, test)


def test_what_waits_when_stop_comes_does_not_go_out(database: str) -> None:
    """T48: in the queue, or put off after a refusal."""

    async def test(there: ConsentGround) -> None:
        await there.begin()
        waiting = [await there.sends() for _ in range(20)]
        later = await there.sends()
        await there.conn.execute(
            "INSERT INTO mt_later (plan_id, msg_id, due_at, carrier_id, priority, missing, parts, tries, expires_at)"
            " SELECT plan_id, msg_id, trunkline_now(), carrier_id, priority, missing, parts, 1, expires_at"
            " FROM mt_queue WHERE msg_id = $1",
            later,
        )
        await there.conn.execute("DELETE FROM mt_queue WHERE msg_id = $1", later)
        await optouts.add(there.conn, [Change(1, RECIPIENT, DESTINATION, None, "x")], actor="a", source="operator")
        await there.ground.dispatcher()
        assert await queue.move_due(there.conn) == 1
        for msg_id in (*waiting, later):
            assert await there.ended(msg_id) == (3, 605)
        assert await there.rows("SELECT count(*) FROM inflight") == [(0,)]
        assert there.ground.submitted == []

    on_consent_ground(database, test)


def test_start_takes_it_back_and_is_answered_if_there_was_something(database: str) -> None:
    async def test(there: ConsentGround) -> None:
        await there.begin()
        await there.ground.dispatcher()
        await there.says("START")
        await there.says("STOP")
        await optouts.add(there.conn, [Change(1, RECIPIENT, "", None, "list")], actor="a", source="import")
        await there.says("unstop")
        assert await there.opted_out() == []
        assert [(text, does) for *_, text, does in await there.replies()] == [(STOPPED, "stop"), (STARTED, "start")]
        assert await there.ended(await there.sends()) == (None, 0)
        await there.says("STOP")
        assert [does for *_, does in await there.replies()] == ["stop", "start", "stop"]
        assert (
            await there.rows("SELECT action FROM audit ORDER BY audit_id OFFSET 3 LIMIT 3")
            == [("opt_out.removed",)] * 3
        )

    on_consent_ground(database, test)


def test_a_stop_that_the_carrier_repeats_does_not_undo_a_start(database: str) -> None:
    """T33: of a repeat nothing counts."""

    async def test(there: ConsentGround) -> None:
        await there.begin()
        await there.ground.dispatcher(binds=2)
        await there.says("STOP", bind=0)
        await there.says("START", bind=0)
        await there.says("STOP", bind=1)  # within ten seconds on another bind
        assert await there.opted_out() == []
        assert [does for *_, does in await there.replies()] == ["stop", "start"]

    on_consent_ground(database, test)


def test_what_comes_at_once_counts_in_its_order(database: str) -> None:
    async def test(there: ConsentGround) -> None:
        await there.begin()
        await there.ground.dispatcher()
        said = ["STOP", "stop it", "START", "HELP", "quit", "hello"]
        await asyncio.gather(*(there.says(text) for text in said))
        assert await there.opted_out() == BOTH
        assert [does for *_, does in await there.replies()] == ["stop", "start", "help", "stop"]

    on_consent_ground(database, test)


def test_a_stop_in_parts(database: str) -> None:
    async def test(there: ConsentGround) -> None:
        await there.begin()
        await there.ground.dispatcher()
        await there.ground.comes(0, part(2, 2, b"P please"))
        await there.ground.comes(0, part(1, 2, b"STO"))
        assert await there.ground.messages() == [("STOP please", False)]
        assert await there.opted_out() == BOTH
        assert len(await there.replies()) == 1

    on_consent_ground(database, test)


def test_by_plan_it_is_about_all_of_its_senders(database: str) -> None:
    async def test(there: ConsentGround) -> None:
        await there.begin(p1=Consent(opt_out=Scope.PLAN))
        await there.ground.dispatcher()
        await there.says("STOP")
        assert await there.opted_out() == [(1, RECIPIENT, ""), (2, RECIPIENT, DESTINATION)]
        assert await there.ended(await there.sends(sender=SECOND)) == (3, 605)
        await optouts.add(there.conn, [Change(1, RECIPIENT, SECOND, None, "x")], actor="a", source="operator")
        await there.says("START")
        assert await there.opted_out() == []

    on_consent_ground(database, test)


def test_transactional_traffic_may_be_exempt(database: str) -> None:
    async def test(there: ConsentGround) -> None:
        await there.begin(p1=Consent(opt_out=Scope.OFF))
        await there.ground.dispatcher()
        await there.says("STOP")
        assert await there.opted_out() == [BOTH[1]]
        assert [row[0] for row in await there.replies()] == [2]  # who is stopped says so
        await optouts.add(there.conn, [Change(1, RECIPIENT, "", None, "x")], actor="a", source="import")
        assert await there.ended(await there.sends()) == (None, 0)
        assert await there.ended(await there.sends(plan=2)) == (3, 605)

    on_consent_ground(database, test)


def test_where_all_are_exempt_stop_is_a_message_as_any_other(database: str) -> None:
    async def test(there: ConsentGround) -> None:
        own = {(1, "fini"): Keyword(1, Does.STOP, "never said"), (1, "what"): Keyword(1, Does.HELP, "Call us")}
        await there.begin(p1=Consent(opt_out=Scope.OFF), p2=Consent(opt_out=Scope.OFF), keywords=own)
        await there.ground.dispatcher()
        for text in ("STOP", "HELP", "START", "fini", "what"):
            await there.says(text)
        assert await there.opted_out() == []
        assert [text for *_, text, _ in await there.replies()] == ["Call us"]

    on_consent_ground(database, test)


def test_own_words_share_a_short_code(database: str) -> None:
    keywords = {
        (DESTINATION, "pizza"): Keyword(2, Does.REPLY, "One pizza is on its way"),
        (DESTINATION, "fini"): Keyword(2, Does.STOP, None),
        (1, "pizza"): Keyword(1, Does.REPLY, "never reached"),
        (1, "hours"): Keyword(1, Does.REPLY, "9 to 5"),
        (1, "info"): Keyword(1, Does.REPLY, "own info"),
        (2, "info"): Keyword(2, Does.REPLY, ""),
    }

    async def test(there: ConsentGround) -> None:
        await there.begin(keywords=keywords)
        await there.ground.dispatcher()
        for text in (
            "Pizza! with olives and two beers please",
            "hours",
            "info",
            "fini with pizza I said",
            "fini",
            "hi",
        ):
            await there.says(text)
        plans = await there.rows("SELECT plan_id, body FROM mo ORDER BY msg_id")
        assert [plan for plan, _ in plans] == [2, 1, 1, 2, 2, 1]
        assert [(row[0], row[3]) for row in await there.replies()] == [
            (2, "One pizza is on its way"), (1, "9 to 5"), (1, "own info"), (2, STOPPED),
        ]  # fmt: skip
        assert await there.opted_out() == BOTH
        await there.says("START")
        await there.says("STOP PIZZA")  # of those that share the code, that one
        assert await there.opted_out() == [BOTH[1]]
        assert (await there.replies())[-1][0] == 2

    on_consent_ground(database, test)


def test_own_texts(database: str) -> None:
    async def test(there: ConsentGround) -> None:
        await there.begin(p1=Consent(replies={Does.STOP: "Bye from acme", Does.HELP: ""}))
        await there.ground.dispatcher()
        for text in ("HELP", "STOP", "ALTA"):
            await there.says(text)
        assert [text for *_, text, _ in await there.replies()] == ["Bye from acme", default_text(Does.START, "es")]

    on_consent_ground(database, test)


def test_what_is_no_handset_s_number_is_not_answered(database: str) -> None:
    async def test(there: ConsentGround) -> None:
        await there.begin()
        await there.ground.dispatcher()
        for source in ("24680", "INFO", "0701234567"):
            stop = DeliverSm(source_addr=source, destination_addr=DESTINATION, short_message=b"STOP")
            await there.ground.comes(0, stop)
        assert len(await there.opted_out()) == 6
        assert await there.replies() == []

    on_consent_ground(database, test)


def test_a_sender_that_was_withdrawn_can_still_be_stopped(database: str) -> None:
    """Nobody gets the message; but what was accepted before is still on its way."""

    async def test(there: ConsentGround) -> None:
        await there.begin()
        there.ground.picture = replace(there.ground.picture, plan_of_destination={})
        await there.ground.dispatcher()
        await there.says("STOP")
        assert await there.rows("SELECT plan_id FROM mo") == [(0,)]
        assert await there.opted_out() == BOTH
        assert await there.replies() == []

    on_consent_ground(database, test)


def test_an_inactive_plan_stops_and_does_not_answer(database: str) -> None:
    async def test(there: ConsentGround) -> None:
        await there.begin()
        plans = {n: replace(plan, active=False) for n, plan in there.ground.picture.plans.items()}
        there.ground.picture = replace(there.ground.picture, plans=plans)
        await there.ground.dispatcher()
        await there.says("STOP")
        assert await there.opted_out() == BOTH
        assert await there.replies() == []

    on_consent_ground(database, test)


def test_a_message_that_cannot_be_stored_opts_nobody_out(database: str) -> None:
    """Neither is answered OK: the carrier sends it again, and then both are there."""

    async def test(there: ConsentGround) -> None:
        await there.begin()
        await there.ground.dispatcher()
        await there.conn.execute("ALTER TABLE keyword_reply RENAME TO elsewhere")
        with pytest.raises(Exception, match="RX_T_APPN"):
            await there.says("STOP")
        assert await there.opted_out() == []
        assert await there.rows("SELECT count(*) FROM mo") == [(0,)]
        await there.conn.execute("ALTER TABLE elsewhere RENAME TO keyword_reply")
        await there.says("STOP")
        assert len(await there.replies()) == 1

    on_consent_ground(database, test)


def test_no_route_no_answer() -> None:
    nowhere = Provisioning(1, {}, {1: PLAN}, {}, {}, {}, {DESTINATION: 1}, {}, Routes([]))
    for known in (None, nowhere):
        assert reply(lambda known=known: known, PLAN, DESTINATION, RECIPIENT, "x", MsgIds().new(1)) is None


def test_replies_are_forgotten_with_their_messages(database: str) -> None:
    async def test(there: ConsentGround) -> None:
        await there.begin()
        await there.ground.dispatcher()
        await there.says("STOP")
        await there.ground.shift(74 * 86_400)
        await optouts.forget_replies(there.conn)
        assert len(await there.rows("SELECT FROM keyword_reply")) == 1
        await there.ground.shift(2 * 86_400)
        await optouts.forget_replies(there.conn)
        assert await there.rows("SELECT FROM keyword_reply") == []
        assert len(await there.opted_out()) == 2  # for ever

    on_consent_ground(database, test)


def test_opt_outs_are_not_read_by_customers(database: str) -> None:
    async def test(there: ConsentGround) -> None:
        await there.conn.execute("SET ROLE trunkline_reader")
        for table in ("opt_out", "keyword_reply", "opt_out_incoming", "keyword"):
            with pytest.raises(Exception, match="permission denied"):
                await there.conn.fetch(f"SELECT FROM {table}")
        await there.conn.execute("RESET ROLE")

    on_consent_ground(database, test)
