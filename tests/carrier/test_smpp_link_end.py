"""How a link ends, and what of its window was written and what was not: RST, FIN, unbind, a full transport."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest
from smpp_ends import MESSAGE, RECEIPT, Smsc, against_raw_smsc, linked

from trunkline.smpp import pdu as p
from trunkline.smpp.codec import encode
from trunkline.smpp.errors import Lost, NotSent
from trunkline.smpp.wire import End


def reset(peer):
    linger = struct.pack("ii", 1, 0)
    peer.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    peer.writer.transport.abort()


def finish(peer):
    peer.writer.write_eof()


def unbind(peer):
    peer.write(encode(p.Unbind(), 4242))


def half_a_pdu_then_reset(peer):
    peer.write(encode(p.SubmitSmResp(1, 0, "m"))[:14])
    reset(peer)


ENDS = [
    (reset, End.CONNECTION_LOST),
    (half_a_pdu_then_reset, End.CONNECTION_LOST),
    (finish, End.PEER_CLOSED),
    (unbind, End.PEER_UNBOUND),
]


@pytest.mark.parametrize("stopped", [False, True], ids=["read all along", "stopped reading before"])
def test_from_when_on_what_we_wrote_may_be_unread(stopped):
    """What was given to a transport that is held back may never have left."""

    async def test(peer, esme, session):
        session.pause_writing()
        session.resume_writing()
        assert session.unread_since is None
        if stopped:
            session.pause_writing()
        before = session.unread_since
        reset(peer)
        await esme.until("closed")
        assert (before is not None) == stopped
        assert session.unread_since == before if stopped else session.unread_since is not None

    against_raw_smsc(test)


@pytest.mark.parametrize(("end", "reason"), ENDS, ids=["RST", "RST inside a PDU", "FIN", "unbind"])
def test_link_lost_mid_window(end, reason):
    """Answered, written, written to a transport that is held back, never written: each is told as what it is."""

    async def test(peer, esme, session):
        for token in ("answered", "written 1", "written 2"):
            session.submit(MESSAGE, token)
        numbers = [(await peer.pdu()).sequence_number for _ in range(3)]
        peer.write(p.SubmitSmResp(numbers[0], 0, "m"))
        await esme.until("answered")
        waiting = asyncio.create_task(session.request(p.QuerySm(message_id="m")))
        assert type(await peer.pdu()) is p.QuerySm
        session.pause_writing()  # as the transport does when its buffer is full
        for token in ("waiting 1", "waiting 2"):
            session.submit(MESSAGE, token)
        unwritten = asyncio.create_task(session.request(p.QuerySm(message_id="n")))
        await asyncio.wait([unwritten], timeout=0.01)
        end(peer)
        assert await esme.until("closed") == [(reason,)]
        assert esme.events == [
            ("answered", "answered", 0, "m", False),
            ("lost", ["written 1", "written 2"]),
            ("not_sent", ["waiting 1", "waiting 2"]),
            ("closed", reason),
        ]
        with pytest.raises(Lost):
            await waiting
        with pytest.raises(NotSent):
            await unwritten
        with pytest.raises(NotSent):
            session.submit(MESSAGE, "after")
        with pytest.raises(NotSent):
            await session.request(p.EnquireLink())
        session.answer(1, 0)  # nobody hears it, and it does no harm
        assert (session.free, session.outstanding) == (0, 0)

    against_raw_smsc(test)


def test_submits_of_the_turn_in_which_the_link_ends_are_not_sent():
    async def test(link):
        link.session.submit(MESSAGE, 1)
        link.session.abort()
        await link.session.wait_closed()
        assert link.esme.events == [("not_sent", [1]), ("closed", End.ABORTED)]
        assert link.smsc.of("submit") == []

    linked(test)


def test_submit_behind_the_peers_unbind_is_not_sent():
    """The unbind is read first; a submit made in answer to something of the same read must not follow it."""

    async def test(peer, esme, session):
        session.submit(MESSAGE, 1)
        number = (await peer.pdu()).sequence_number
        answered = esme.submit_answered
        esme.submit_answered = lambda *what: (answered(*what), session.submit(MESSAGE, 2))
        peer.write(p.SubmitSmResp(number, 0, "m"), encode(p.Unbind(), 5))
        assert await peer.pdu() == p.UnbindResp(5)
        assert await peer.at_end()
        await esme.until("closed")
        assert esme.of("not_sent") == [([2],)]

    against_raw_smsc(test)


def test_response_behind_the_peers_unbind_counts():
    async def test(peer, esme, session):
        for token in "ab":
            session.submit(MESSAGE, token)
        numbers = [(await peer.pdu()).sequence_number for _ in range(2)]
        peer.write(encode(p.Unbind(), 5), p.SubmitSmResp(numbers[0], 0, "m"), encode(RECEIPT, 6), encode(p.Unbind(), 7))
        assert await peer.pdu() == p.UnbindResp(5)
        assert await peer.at_end()
        await esme.until("closed")
        assert esme.events == [("answered", "a", 0, "m", False), ("lost", ["b"]), ("closed", End.PEER_UNBOUND)]

    against_raw_smsc(test)


def test_what_the_real_transport_holds_counts_as_written():
    big = p.SubmitSm(tlvs=((0x0424, b"x" * 60_000),))

    async def test(link):
        link.smsc.session.pause_reading()
        count = 0
        while link.session.free:
            link.session.submit(big, count)
            count += 1
            await asyncio.wait([asyncio.ensure_future(_turn())])
        link.session.submit(big, count)
        link.smsc.session.abort(reset=True)
        await link.esme.until("closed")
        assert link.esme.of("lost") == [(list(range(count)),)]
        assert link.esme.of("not_sent") == [([count],)]

    linked(test, window=1000)


async def _turn():
    """One turn of the loop."""


def test_receipts_in_flight_are_told_by_our_smsc():
    async def test(link):
        link.esme.answer = None
        link.smsc.session.deliver(RECEIPT, "written")
        await link.esme.until("delivered")
        link.smsc.session.hold()
        link.smsc.session.deliver(RECEIPT, "held")
        link.session.abort(reset=True)
        assert await link.smsc.until("closed") == [(End.CONNECTION_LOST,)]
        assert (link.smsc.of("lost"), link.smsc.of("not_sent")) == ([(["written"],)], [(["held"],)])

    linked(test)


def test_answers_of_the_turn_go_out_before_a_close():
    async def test(link):
        link.session.submit(MESSAGE, 1)
        ((pdu,),) = await link.smsc.until("submit")
        link.smsc.session.answer_submit(pdu.sequence_number, 0, "m")
        link.smsc.session.close()
        assert await link.esme.until("closed") == [(End.PEER_CLOSED,)]
        assert link.esme.of("answered") == [(1, 0, "m", False)]

    linked(test, silent=True)


def test_held_answers_come_when_released():
    async def test(link):
        link.smsc.session.hold()
        link.session.submit(MESSAGE, 1)
        await link.smsc.until("submit")
        link.smsc.session.write_raw(encode(RECEIPT, 99))
        await link.esme.until("delivered")
        assert link.esme.of("answered") == []
        link.smsc.session.release()
        assert len(await link.esme.until("answered")) == 1

    linked(test)


def test_unbind_by_our_smsc():
    async def test(link):
        await link.smsc.session.unbind()
        assert link.smsc.of("closed") == [(End.UNBOUND,)]
        assert await link.esme.until("closed") == [(End.PEER_UNBOUND,)]

    linked(test)


@pytest.mark.parametrize("politely", [True, False], ids=["unbind", "abort"])
def test_server_closes_its_sessions(politely):
    async def test(link):
        assert len(link.server.sessions) == 1
        await link.server.close(unbind=politely)
        assert link.server.sessions == set()
        assert link.smsc.of("closed") == [(End.UNBOUND if politely else End.ABORTED,)]
        await link.esme.until("closed")

    linked(test, smsc=Smsc)


def test_unbind_nacked_counts_as_answered():
    async def test(peer, esme, session):
        task = asyncio.create_task(session.unbind())
        peer.write(p.GenericNack((await peer.pdu()).sequence_number, 3))
        await task
        assert esme.of("closed") == [(End.UNBOUND,)]

    against_raw_smsc(test)


def test_stray_unbind_resp_ends_nothing():
    async def test(peer, esme, session):
        peer.write(p.UnbindResp(1), p.UnbindResp(0), encode(p.EnquireLink(), 7))
        assert await peer.pdu() == p.EnquireLinkResp(7)
        assert (session.counts.unknown_response_count, esme.events) == (2, [])

    against_raw_smsc(test)


def test_link_end_behind_the_end_of_file():
    """FIN while submits wait in a paused transport: the end is told though the other side still reads."""

    async def test(peer, esme, session):
        session.submit(MESSAGE, "written")
        await peer.pdu()
        peer.writer.write_eof()
        assert await esme.until("closed") == [(End.PEER_CLOSED,)]
        assert esme.of("lost") == [(["written"],)]

    against_raw_smsc(test)
