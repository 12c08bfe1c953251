"""Messages both ways on a link that stays up: answers, statuses, the window, batches, backpressure, rare requests."""

from __future__ import annotations

import asyncio

import pytest
from smpp_ends import MESSAGE, RECEIPT, Smsc, against_raw_esme, against_raw_smsc, linked

from trunkline.smpp import pdu as p
from trunkline.smpp import status as s
from trunkline.smpp.codec import SEQUENCE_MAX, encode
from trunkline.smpp.errors import DecodeError, EncodeError, Refused
from trunkline.smpp.tlv import MESSAGE_PAYLOAD
from trunkline.smpp.wire import End


def test_submits_and_receipts():
    async def test(link):
        for token in range(1000):
            link.session.submit(MESSAGE, token)
            link.smsc.session.deliver(RECEIPT, token)
        answered = await link.esme.until("answered", 1000)
        assert [row[0] for row in answered] == list(range(1000))
        assert len({row[2] for row in answered}) == 1000
        assert await link.smsc.until("delivered_answered", 1000) == [(token, 0) for token in range(1000)]
        assert link.smsc.of("submit")[0][0].short_message == b"hello"
        assert link.session.outstanding == link.smsc.session.outstanding == 0

    linked(test, window=2000)


def test_answers_in_another_order_find_their_tokens():
    async def test(peer, esme, session):
        for token in "abc":
            session.submit(MESSAGE, token)
        numbers = [(await peer.pdu()).sequence_number for _ in range(3)]
        peer.write(*(p.SubmitSmResp(number, 0, f"m{number}") for number in reversed(numbers)))
        answered = await esme.until("answered", 3)
        assert answered == [(token, 0, f"m{number}", False) for token, number in zip("cba", reversed(numbers))]  # noqa: B905

    against_raw_smsc(test)


STATUSES = [*range(0x500), 0x7777, 0xFFFFFFFF]


def test_every_status_reaches_the_handler_raw():
    async def test(peer, esme, session):
        for status in STATUSES:
            session.submit(MESSAGE, status)
        for status in STATUSES:
            number = (await peer.pdu()).sequence_number
            # Some SMSCs leave the body out with an error, some do not.
            whole = encode(p.SubmitSmResp(number, status, "m"))
            peer.write(
                whole
                if status % 2 == 0
                else encode(p.UnbindResp(number, status)).replace(bytes.fromhex("80000006"), bytes.fromhex("80000004"))
            )
        answered = await esme.until("answered", len(STATUSES))
        assert answered == [(status, status, "m" if status % 2 == 0 else "", False) for status in STATUSES]

    against_raw_smsc(test, window=len(STATUSES))


def test_generic_nack_with_and_without_a_known_sequence():
    nacked = []

    async def test(peer, esme, session):
        esme.submit_nacked = lambda *what: (nacked.append(what), type(esme).submit_nacked(esme, *what))
        session.submit(MESSAGE, "a")
        session.submit(MESSAGE, "b")
        numbers = [(await peer.pdu()).sequence_number for _ in range(2)]
        peer.write(
            p.GenericNack(999_999, s.ESME_RINVCMDLEN),
            p.GenericNack(0, s.ESME_RINVCMDLEN),
            p.GenericNack(numbers[0], s.ESME_RTHROTTLED),
            p.GenericNack(numbers[1], 0),
        )
        answered = await esme.until("answered", 2)
        assert answered == [("a", s.ESME_RTHROTTLED, "", False), ("b", s.ESME_RUNKNOWNERR, "", False)]
        assert nacked == [("a", s.ESME_RTHROTTLED, False), ("b", 0, False)]
        assert session.counts.unknown_response_count == 2
        assert session.free == session.window

    against_raw_smsc(test)


def test_response_of_another_kind_settles_nothing():
    async def test(peer, esme, session):
        session.submit(MESSAGE, "a")
        number = (await peer.pdu()).sequence_number
        peer.write(
            p.DeliverSmResp(number), p.DataSmResp(number, 0, "x"), p.QuerySmResp(number), p.BindTransceiverResp(number)
        )
        peer.write(p.SubmitSmResp(number, 0, "right"), p.SubmitSmResp(number, 0, "twice"))
        session.submit(p.DataSm(), "data")
        number = (await peer.pdu()).sequence_number
        peer.write(p.SubmitSmResp(number, 0, "wrong"), p.DataSmResp(number, 0, "right"))
        await esme.until("answered", 2)
        assert esme.of("answered") == [("a", 0, "right", False), ("data", 0, "right", False)]
        assert session.counts.unknown_response_count == 6

    against_raw_smsc(test)


def test_response_with_more_than_an_id():
    seen = []

    async def test(peer, esme, session):
        esme.submit_answered_in_full = lambda *what: (
            seen.append(what),
            type(esme).submit_answered_in_full(esme, *what),
        )
        session.submit(MESSAGE, "tlv")
        session.submit(p.DataSm(tlvs=((MESSAGE_PAYLOAD, b"hi"),)), "data")
        session.submit(p.SubmitMulti(dest_addresses=(p.SmeDest(1, 1, "1"), p.ListDest("l"))), "multi")
        one, two, three = [(await peer.pdu()).sequence_number for _ in range(3)]
        failed = p.SubmitMultiResp(three, 0, "m3", (p.UnsuccessSme(1, 1, "1", 0x0B),))
        peer.write(p.SubmitSmResp(one, 0, "m1", ((0x1401, b"\x02\x06"),)), p.DataSmResp(two, 0, "m2"), failed)
        answered = await esme.until("answered", 3)
        assert answered == [("tlv", 0, "m1", False), ("data", 0, "m2", False), ("multi", 0, "m3", False)]
        assert [what[1] for what in seen] == [p.SubmitSmResp(one, 0, "m1", ((0x1401, b"\x02\x06"),)), failed]

    against_raw_smsc(test)


def test_window_and_its_opening():
    async def test(link):
        assert link.session.free == 3
        for token in range(3):
            link.session.submit(MESSAGE, token)
        assert link.session.free == 0
        await link.smsc.until("submit", 3)
        assert link.esme.of("window") == []
        link.smsc.session.answer_submit(link.smsc.of("submit")[0][0].sequence_number, 0, "m")
        await link.esme.until("window")
        assert link.session.free == 1
        link.smsc.session.answer_submit(link.smsc.of("submit")[1][0].sequence_number, 0, "m")
        await link.esme.until("answered", 2)
        assert (link.session.free, len(link.esme.of("window"))) == (2, 1)

    linked(test, window=3, silent=True)


def test_window_opens_when_the_transport_takes_more():
    async def test(peer, esme, session):
        session.pause_writing()
        assert session.free == 0
        session.resume_writing()
        assert (session.free, esme.of("window")) == (10, [()])

    against_raw_smsc(test)


def test_one_write_per_turn():
    async def test(peer, esme, session):
        writes = []
        write = session._transport.write
        session._transport = type(
            "Counted",
            (),
            {
                "__getattr__": lambda _, name: getattr(transport, name),
                "write": lambda _, octets: (writes.append(octets), write(octets)),
            },
        )()
        for token in range(50):
            session.submit(MESSAGE, token)
        for number in range(50):
            peer.write(encode(RECEIPT, number))
        await esme.until("delivered", 50)
        for _ in range(100):
            await peer.pdu()
        assert len(writes) <= 3

    async def with_transport(peer, esme, session):
        nonlocal transport
        transport = session._transport
        await test(peer, esme, session)
        session._transport = transport

    transport = None
    against_raw_smsc(with_transport, window=100)


def test_peer_that_stops_reading_gets_no_more_than_the_buffers_hold():
    big = p.SubmitSm(tlvs=((MESSAGE_PAYLOAD, b"x" * 40_000),))

    async def test(link):
        link.smsc.session.pause_reading()
        sent = 0
        while link.session.free:
            link.session.submit(big, sent)
            sent += 1
            await asyncio.wait([asyncio.ensure_future(_turn())])
        assert sent < 1000, "the transport never pushed back"
        link.session.submit(big, sent)  # allowed: it waits, unwritten
        assert link.session.outstanding == sent + 1
        link.smsc.session.resume_reading()
        await link.esme.until("window")
        await link.esme.until("answered", sent + 1)
        assert link.session.free == 1000

    linked(test, window=1000)


async def _turn():
    """One turn of the loop."""


def test_peer_that_never_reads_its_answers_is_dropped():
    async def test(peer, smsc):
        peer.writer.transport.pause_reading()
        try:
            for _ in range(400):
                peer.write(encode(p.EnquireLink(), 1) * 4_000)
                await peer.writer.drain()
        except ConnectionError:
            pass
        assert await smsc.until("closed") == [(End.NOT_READING,)]

    against_raw_esme(test)


def test_submit_that_cannot_be_written_is_told_at_once():
    async def test(link):
        with pytest.raises(EncodeError, match="source_addr"):
            link.session.submit(p.SubmitSm(source_addr="x" * 21), 1)
        link.session.submit(MESSAGE, 2)
        await link.esme.until("answered")
        assert [row[0] for row in link.esme.of("answered")] == [2]

    linked(test)


def test_answer_to_deliver_sm_and_data_sm():
    async def test(peer, esme, session):
        esme.answer = s.ESME_RX_T_APPN
        peer.write(encode(RECEIPT, 0x7FFFFFFF), encode(p.DataSm(esm_class=4), 0))
        assert (await peer.octets()).hex() == "0000001180000005000000647fffffff00"
        assert (await peer.octets()).hex() == "0000001180000103000000640000000000"
        esme.answer = None
        peer.write(encode(RECEIPT, 0xFFFFFFFF))
        await esme.until("delivered", 3)
        session.answer(0xFFFFFFFF, 0)
        assert (await peer.octets()).hex() == "000000118000000500000000ffffffff00"

    against_raw_smsc(test)


def test_undecodable_message_reaches_the_handler_whole():
    async def test(peer, esme, session):
        bad = [
            bytes.fromhex("0000001c 00000005 00000000 00000008") + b"no end at al",
            bytes.fromhex("00000014 00000103 00000000 00000009") + b"junk",
            bytes.fromhex("00000010 00000005 00000000 0000000a"),
        ]
        peer.write(*bad, encode(RECEIPT, 11))
        assert [(await peer.pdu()).sequence_number for _ in range(4)] == [8, 9, 10, 11]
        rows = esme.of("undecodable")
        assert [row[:3] for row in rows] == [(5, 8, bad[0]), (0x103, 9, bad[1]), (5, 10, bad[2])]
        assert "service_type" in rows[0][3]
        assert len(esme.of("delivered")) == 1
        assert session.counts.undecodable_count == 3

    against_raw_smsc(test)


def test_alert_and_outbind_are_told_and_not_answered():
    async def test(link):
        alert = p.AlertNotification(source_addr="1555", esme_addr="me")
        link.smsc.session.alert(alert)
        link.smsc.session.write_raw(encode(p.Outbind(system_id="SMSC"), 77))
        seen = await link.esme.until("other", 2)
        assert [type(row[0]) for row in seen] == [p.AlertNotification, p.Outbind]
        assert link.smsc.session.counts.received_count == 1  # the bind

    linked(test)


def test_request_and_its_answers():
    async def test(link):
        answer = await link.session.request(p.QuerySm(message_id="m1"))
        assert (type(answer), answer.message_id, answer.message_state) == (p.QuerySmResp, "m1", 2)
        assert type(await link.session.request(p.EnquireLink())) is p.EnquireLinkResp
        for pdu, status in [
            (p.CancelSm(message_id="m1"), s.ESME_RCANCELFAIL),
            (p.ReplaceSm(message_id="m1"), s.ESME_RREPLACEFAIL),
            (p.DataSm(), s.ESME_RSUBMITFAIL),
            (p.SubmitMulti(dest_addresses=(p.ListDest("x"),)), s.ESME_RSUBMITFAIL),
        ]:
            with pytest.raises(Refused) as caught:
                await link.session.request(pdu)
            assert caught.value.command_status == status
        assert (await link.session.request(MESSAGE)).message_id.startswith("id-")
        assert (await link.smsc.session.request(RECEIPT)).command_status == 0
        assert link.esme.of("answered") == []

    linked(test)


def test_request_whose_answer_is_nonsense_or_a_nack():
    async def test(peer, esme, session):
        task = asyncio.create_task(session.request(p.QuerySm(message_id="m1")))
        number = (await peer.pdu()).sequence_number
        peer.write(bytes.fromhex("00000012 80000003 00000000") + number.to_bytes(4, "big") + b"m1")
        with pytest.raises(DecodeError):
            await task
        task = asyncio.create_task(session.request(p.QuerySm(message_id="m1")))
        peer.write(p.GenericNack((await peer.pdu()).sequence_number, 0))
        with pytest.raises(Refused):
            await task
        task = asyncio.create_task(session.request(p.QuerySm(message_id="m1")))
        number = (await peer.pdu()).sequence_number
        task.cancel()
        peer.write(p.QuerySmResp(number), encode(p.EnquireLink(), 1))
        assert await peer.pdu() == p.EnquireLinkResp(1)
        assert session.outstanding == 0

    against_raw_smsc(test)


def test_sequence_numbers_wrap():
    async def test(peer, esme, session):
        session._next_sequence = SEQUENCE_MAX
        assert [session.submit(MESSAGE, token) for token in "ab"] == [SEQUENCE_MAX, 1]
        assert [(await peer.pdu()).sequence_number for _ in range(2)] == [SEQUENCE_MAX, 1]
        peer.write(p.SubmitSmResp(1, 0, "second"), p.SubmitSmResp(SEQUENCE_MAX, 0, "first"))
        assert await esme.until("answered", 2) == [("b", 0, "second", False), ("a", 0, "first", False)]

    against_raw_smsc(test)


def test_answer_from_inside_the_callback_that_frees_the_window():
    """A sender that submits from submit_answered keeps the window full and is never forgotten."""

    async def test(link):
        left = list(range(500))

        def answered(token, status, message_id, late):
            link.esme.note("answered", token)
            if left:
                link.session.submit(MESSAGE, left.pop())

        link.esme.submit_answered = answered
        while link.session.free:
            link.session.submit(MESSAGE, left.pop())
        await link.esme.until("answered", 500)
        assert sorted(row[0] for row in link.esme.of("answered")) == list(range(500))

    linked(test, window=7)


def test_default_handlers_put_off_and_refuse():
    from trunkline.smpp.esme import EsmeHandler
    from trunkline.smpp.smsc import SmscHandler

    async def test(link):
        link.session._handler = EsmeHandler()
        link.smsc.session.deliver(RECEIPT, 1)
        assert await link.smsc.until("delivered_answered") == [(1, s.ESME_RX_T_APPN)]
        link.smsc.submit = lambda session, pdu: SmscHandler.submit(link.smsc, session, pdu)
        with pytest.raises(Refused) as caught:
            await link.session.request(MESSAGE)
        assert caught.value.command_status == s.ESME_RSUBMITFAIL
        link.session._handler = link.esme

    linked(test)


def test_message_id_with_a_nul_is_not_written():
    async def test(link):
        with pytest.raises(EncodeError):
            link.smsc.session.answer_submit(1, 0, "a\0b")

    linked(test, smsc=Smsc)
