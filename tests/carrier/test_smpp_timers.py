"""Every timer of a session at its full length, on a loop with driven time: late, lost, idle, half dead, unbinding."""

from __future__ import annotations

import asyncio

import pytest
from smpp_ends import MESSAGE, RECEIPT, against_raw_esme, against_raw_smsc, linked

from trunkline.smpp import pdu as p
from trunkline.smpp.codec import encode
from trunkline.smpp.errors import NoResponse
from trunkline.smpp.timers import Timers, reconnect_delay_s
from trunkline.smpp.wire import End

NO_ENQUIRY = Timers(enquire_link_s=0)


def now() -> float:
    return asyncio.get_running_loop().time()


def after(seconds: float) -> asyncio.Future[None]:
    """Done that much later on the driven loop."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()
    loop.call_later(seconds, future.set_result, None)
    return future


def test_late_response_is_told_and_the_slot_is_free_before():
    async def test(link):
        started = now()
        link.session.submit(MESSAGE, "late")
        link.session.submit(MESSAGE, "prompt")
        (late,), (prompt,) = await link.smsc.until("submit", 2)
        link.smsc.session.answer_submit(prompt.sequence_number, 0, "m2")
        assert await link.esme.until("unanswered") == [("late",)]
        assert 60 <= now() - started < 60.5
        assert link.session.free == link.session.window
        await after(60)
        link.smsc.session.answer_submit(late.sequence_number, 0, "m1")
        answered = await link.esme.until("answered", 2)
        assert answered == [("prompt", 0, "m2", False), ("late", 0, "m1", True)]
        assert (link.session.counts.late_count, link.session.counts.unanswered_count) == (1, 1)
        # Once told, it is forgotten.
        link.smsc.session.answer_submit(late.sequence_number, 0, "m1")
        assert type(await link.session.request(p.EnquireLink())) is p.EnquireLinkResp
        assert link.session.counts.unknown_response_count == 1

    linked(test, driven=True, timers=Timers(), silent=True)


def test_late_nack_and_late_response_with_tlvs():
    async def test(peer, esme, session):
        for token in "ab":
            session.submit(MESSAGE, token)
        numbers = [(await peer.pdu()).sequence_number for _ in range(2)]
        await esme.until("unanswered", 2)
        peer.write(p.GenericNack(numbers[0], 8), p.SubmitSmResp(numbers[1], 0, "m", ((0x1401, b""),)))
        assert await esme.until("answered", 2) == [("a", 8, "", True), ("b", 0, "m", True)]

    against_raw_smsc(test, driven=True, timers=NO_ENQUIRY)


def test_every_fifth_response_lost_and_the_link_stays():
    async def test(peer, esme, session):
        for token in range(20):
            session.submit(MESSAGE, token)
        for token in range(20):
            number = (await peer.pdu()).sequence_number
            if token % 5:
                peer.write(p.SubmitSmResp(number, 0, f"m{token}"))
        assert await esme.until("unanswered", 4) == [(0,), (5,), (10,), (15,)]
        assert len(esme.of("answered")) == 16
        assert (session.free, esme.of("closed")) == (20, [])
        assert esme.of("window") == [()]  # when the sixteen were answered

    against_raw_smsc(test, driven=True, timers=Timers(response_s=5, enquire_link_s=0), window=20)


def test_window_opens_at_the_response_timer():
    async def test(peer, esme, session):
        session.submit(MESSAGE, 1)
        assert session.free == 0
        await esme.until("window")
        assert session.free == 1

    against_raw_smsc(test, driven=True, timers=NO_ENQUIRY, window=1)


def test_later_than_late_is_unknown():
    async def test(peer, esme, session):
        session.submit(MESSAGE, 1)
        number = (await peer.pdu()).sequence_number
        await esme.until("unanswered")
        await after(61)
        peer.write(p.SubmitSmResp(number, 0, "m"), encode(p.EnquireLink(), 1))
        assert await peer.pdu() == p.EnquireLinkResp(1)
        assert (esme.of("answered"), session.counts.unknown_response_count) == ([], 1)

    against_raw_smsc(test, driven=True, timers=Timers(enquire_link_s=0, overdue_s=60))


def test_only_so_many_late_ones_are_remembered():
    async def test(peer, esme, session):
        for token in range(10_050):
            session.submit(MESSAGE, token)
        numbers = [(await peer.pdu()).sequence_number for _ in range(10_050)]
        await esme.until("unanswered", 10_050)
        peer.write(p.SubmitSmResp(numbers[49], 0, "m"), p.SubmitSmResp(numbers[50], 0, "m"))
        assert await esme.until("answered") == [(50, 0, "m", True)]

    against_raw_smsc(test, driven=True, timers=NO_ENQUIRY, window=20_000)


def test_no_response_to_a_request():
    async def test(peer, esme, session):
        started = now()
        with pytest.raises(NoResponse):
            await session.request(p.QuerySm(message_id="m"))
        assert 60 <= now() - started < 60.5

    against_raw_smsc(test, driven=True, timers=NO_ENQUIRY)


def test_late_receipt_answer_is_told_too():
    async def test(peer, smsc):
        smsc.session.deliver(RECEIPT, 1)
        number = (await peer.pdu()).sequence_number
        await smsc.until("delivered_unanswered")
        peer.write(p.DeliverSmResp(number))
        assert await smsc.until("delivered_answered") == [(1, 0)]

    against_raw_esme(test, driven=True, timers=NO_ENQUIRY)


def test_enquire_link_both_ways_keeps_an_idle_link():
    async def test(link):
        before = link.session.counts.received_count
        await after(600)
        assert link.esme.of("closed") == link.smsc.of("closed") == []
        assert link.session.counts.received_count - before >= 15
        assert link.session.free == link.session.window

    linked(test, driven=True, timers=Timers())


def test_half_dead_peer():
    async def test(peer, esme, session):
        started = now()
        session.submit(MESSAGE, "written")
        assert type(await peer.pdu()) is p.SubmitSm
        assert type(await peer.pdu()) is p.EnquireLink
        assert 30 <= now() - started < 30.5
        assert await esme.until("closed") == [(End.NO_ENQUIRE_LINK_RESP,)]
        assert 40 <= now() - started < 41
        assert [event for event in esme.events if event[0] != "window"] == [
            ("lost", ["written"]),
            ("closed", End.NO_ENQUIRE_LINK_RESP),
        ]

    against_raw_smsc(test, driven=True, timers=Timers())


def test_half_dead_peer_is_found_while_we_keep_sending():
    """What we write says nothing about the other side."""

    async def test(peer, esme, session):
        started = now()
        while not esme.of("closed"):
            if session.free:
                session.submit(MESSAGE, "x")
            await asyncio.wait([after(1), asyncio.ensure_future(esme.until("closed"))], return_when="FIRST_COMPLETED")
        assert 40 <= now() - started < 42
        await esme.until("closed")

    against_raw_smsc(test, driven=True, timers=Timers(), window=1000)


def test_half_dead_esme():
    async def test(peer, smsc):
        assert type(await peer.pdu()) is p.EnquireLink
        assert await smsc.until("closed") == [(End.NO_ENQUIRE_LINK_RESP,)]

    against_raw_esme(test, driven=True, timers=Timers())


@pytest.mark.parametrize(
    "sign",
    [
        lambda number: p.EnquireLinkResp(number),
        lambda number: p.EnquireLinkResp(number, 0x45),
        lambda number: p.GenericNack(number, 3),
        lambda number: p.SubmitSmResp(12345),
        lambda number: encode(p.EnquireLink(), 9),
    ],
    ids=["answer", "error", "nack", "stray response", "request"],
)
def test_any_pdu_after_enquire_link_proves_life(sign):
    async def test(peer, esme, session):
        enquiry = await peer.pdu()
        await after(9)
        peer.write(sign(enquiry.sequence_number))
        await after(25)
        assert esme.of("closed") == []

    against_raw_smsc(test, driven=True, timers=Timers())


def test_octets_that_make_no_pdu_prove_nothing():
    async def test(peer, esme, session):
        peer.write(b"\0\0\x10\0\x80\0\0\x04")
        for _ in range(50):
            await asyncio.wait([after(1)])
            peer.write(b"\0")
        assert esme.of("closed") == [(End.NO_ENQUIRE_LINK_RESP,)]

    against_raw_smsc(test, driven=True, timers=Timers())


def test_inactive_link_is_unbound():
    async def test(link):
        started = now()
        await after(100)
        link.session.submit(MESSAGE, 1)
        await link.esme.until("answered")
        assert await link.esme.until("closed") == [(End.INACTIVE,)]
        assert 400 <= now() - started < 401  # enquire_link is no activity
        assert await link.smsc.until("closed") == [(End.PEER_UNBOUND,)]

    linked(test, driven=True, timers=Timers(inactivity_s=300), smsc_timers=Timers())


def test_unbind_awaits_open_answers():
    async def test(link):
        link.session.submit(MESSAGE, 1)
        ((pdu,),) = await link.smsc.until("submit")
        asyncio.get_running_loop().call_later(3, lambda: link.smsc.session.answer_submit(pdu.sequence_number, 0, "m"))
        asyncio.get_running_loop().call_later(2, lambda: link.smsc.session.deliver(RECEIPT, 2))
        started = now()
        task = asyncio.create_task(link.session.unbind(25))
        await after(1)
        assert link.session.free == 0
        await task
        assert 3 <= now() - started < 4
        assert [event[0] for event in link.esme.events] == ["delivered", "answered", "closed"]
        assert link.esme.of("closed") == [(End.UNBOUND,)]
        assert link.smsc.of("delivered_answered") == [(2, 0)]
        await link.session.unbind(25)  # again, and harmless

    linked(test, driven=True, timers=Timers(), silent=True)


def test_unbind_after_the_drain_time_loses_what_is_open():
    async def test(link):
        link.session.submit(MESSAGE, 1)
        started = now()
        await link.session.unbind(25)
        assert 25 <= now() - started < 26
        assert link.esme.of("lost") == [([1],)]

    linked(test, driven=True, timers=Timers(enquire_link_s=0), silent=True)


def test_unbind_writes_first_what_was_taken():
    async def last_words(session):
        session.submit(MESSAGE, 1)
        await session.unbind()

    async def test(peer, esme, session):
        task = asyncio.create_task(last_words(session))
        assert [type(await peer.pdu()) for _ in range(2)] == [p.SubmitSm, p.Unbind]
        await task  # nobody answers
        assert esme.events == [("lost", [1]), ("closed", End.NO_UNBIND_RESP)]

    against_raw_smsc(test, driven=True, timers=Timers())


def test_nothing_is_written_behind_our_unbind():
    async def test(peer, esme, session):
        session.pause_writing()
        session.submit(MESSAGE, 1)
        task = asyncio.create_task(session.unbind())
        await asyncio.wait([after(1)])
        session.resume_writing()
        unbind = await peer.pdu()
        assert type(unbind) is p.Unbind
        peer.write(p.UnbindResp(unbind.sequence_number))
        assert await peer.at_end()
        await task
        assert esme.events == [("not_sent", [1]), ("closed", End.UNBOUND)]

    against_raw_smsc(test, driven=True, timers=Timers())


def test_crossed_unbinds():
    async def test(link):
        await asyncio.gather(link.session.unbind(1), link.smsc.session.unbind(1))
        assert link.esme.of("closed")[0][0] in (End.UNBOUND, End.PEER_UNBOUND)
        assert link.smsc.of("closed")[0][0] in (End.UNBOUND, End.PEER_UNBOUND)

    linked(test, driven=True, timers=Timers())


def test_close_does_not_wait_for_ever_for_a_peer_that_does_not_read():
    big = p.SubmitSm(tlvs=((0x0424, b"x" * 60_000),))

    async def test(link):
        link.smsc.session.pause_reading()
        while link.session.free:
            link.session.submit(big, 1)
            await asyncio.wait([after(0)])
        started = now()
        link.session.close()
        await link.session.wait_closed()
        assert 5 <= now() - started < 6
        assert link.esme.of("closed") == [(End.CLOSED,)]

    linked(test, driven=True, timers=Timers(enquire_link_s=0), window=10_000)


@pytest.mark.parametrize(("attempt", "seconds"), [(0, 1), (1, 2), (2, 4), (5, 32), (6, 60), (7, 60), (10_000, 60)])
def test_reconnect_delay(attempt, seconds):
    assert reconnect_delay_s(attempt, lambda: 0.0) == pytest.approx(seconds * 0.8)
    assert reconnect_delay_s(attempt, lambda: 0.5) == pytest.approx(seconds)
    assert reconnect_delay_s(attempt, lambda: 1.0) == pytest.approx(seconds * 1.2)
