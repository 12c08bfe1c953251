"""A bad peer at either end: broken framing, bodies that lie, unknown commands, stray responses, slices, floods."""

from __future__ import annotations

import tracemalloc

import pytest
from smpp_ends import BIND, MESSAGE, RECEIPT, Esme, Smsc, against_raw_esme, against_raw_smsc, linked

from trunkline.smpp import pdu as p
from trunkline.smpp import status as s
from trunkline.smpp.codec import LAYOUTS, encode
from trunkline.smpp.wire import End


def head(length, command_id, sequence=7, status=0):
    return b"".join(number.to_bytes(4, "big") for number in (length, command_id, status, sequence))


def frame(command_id, body=b"", sequence=7, status=0):
    return head(16 + len(body), command_id, sequence, status) + body


NO_FRAME = [
    (b"\0\0\0\0", 0),
    (head(0, 4), 0),
    (b"\0\0\0\x0f", 0),
    (head(15, 0x15), 0),
    (b"\xff\xff\xff\xff", 0),
    (head(0xFFFFFFFF, 4), 7),
    (head(64 * 1024 + 1, 4), 7),
    (head(64 * 1024 + 1, 5) + b"x" * (64 * 1024 - 15), 7),
    (b"GET / HTTP/1.1\r\n\r\n", 0x2E310D0A),
    (bytes.fromhex("160301020001000001fc03037a1b"), 0),
]
NO_FRAME_IDS = [
    "0", "0 in a header", "15", "15 in a header", "4 GB", "4 GB in a header", "cap and one", "cap and one, all there",
    "HTTP", "TLS",
]  # fmt: skip


@pytest.mark.parametrize(("octets", "sequence"), NO_FRAME, ids=NO_FRAME_IDS)
def test_lost_framing_ends_the_link_at_our_esme(octets, sequence):
    async def test(peer, esme, session):
        session.submit(MESSAGE, "open")
        await peer.pdu()
        peer.write(encode(RECEIPT, 1), octets)
        assert (await peer.pdu()).sequence_number == 1  # what came before it counts
        assert await peer.pdu() == p.GenericNack(sequence, s.ESME_RINVCMDLEN)
        assert await peer.at_end()
        assert await esme.until("closed") == [(End.FRAMING,)]
        assert esme.of("lost") == [(["open"],)]

    against_raw_smsc(test)


@pytest.mark.parametrize("bound", [True, False])
@pytest.mark.parametrize(("octets", "sequence"), NO_FRAME, ids=NO_FRAME_IDS)
def test_lost_framing_ends_the_link_at_our_smsc(octets, sequence, bound):
    async def test(peer, smsc):
        peer.write(octets)
        assert await peer.pdu() == p.GenericNack(sequence, s.ESME_RINVCMDLEN)
        assert await peer.at_end()
        assert await smsc.until("closed") == [(End.FRAMING,)]

    against_raw_esme(test, bind=bound)


def test_lost_framing_in_slices_of_one_octet():
    async def test(peer, smsc):
        for octet in head(0xFFFFFFFF, 4)[:4]:
            peer.write(bytes((octet,)))
            await peer.writer.drain()
        assert await peer.pdu() == p.GenericNack(0, s.ESME_RINVCMDLEN)

    against_raw_esme(test)


def test_length_of_16_is_a_pdu():
    async def test(peer, smsc):
        peer.write(head(16, 4))
        assert await peer.pdu() == p.SubmitSmResp(7, s.ESME_RINVCMDLEN)

    against_raw_esme(test)


SM = b"\0\1\0011555\0\1\0011556\0"
# To our SMSC, bound as transceiver: each has the answer of its own command, and the link stays.
ANSWERED = [
    (frame(4, SM + b"\0" * 9 + b"\5hell"), p.SubmitSmResp(7, s.ESME_RINVMSGLEN)),
    (frame(4, b"\0\1\1" + b"5" * 40), p.SubmitSmResp(7, s.ESME_RINVSRCADR)),
    (frame(4, SM + b"\0" * 9 + b"\0\2\4\0\2\0"), p.SubmitSmResp(7, s.ESME_RINVOPTPARSTREAM)),
    (frame(0x103, b"\xff" * 6), p.DataSmResp(7, s.ESME_RINVSERTYP)),
    (frame(0x21, b"\0\0\0s\0\xff"), p.SubmitMultiResp(7, s.ESME_RINVCMDLEN)),
    (frame(3, b"x"), p.QuerySmResp(7, s.ESME_RINVCMDLEN)),
    (frame(7, b"m\0"), p.ReplaceSmResp(7, s.ESME_RINVCMDLEN)),
    (frame(8), p.CancelSmResp(7, s.ESME_RINVCMDLEN)),
    (frame(8, b"\0m\0\0\x001\0\0\x002\0more"), p.CancelSmResp(7, s.ESME_RINVCMDLEN)),
    (frame(5, SM + b"\0" * 10), p.DeliverSmResp(7, s.ESME_RINVBNDSTS)),  # not for an SMSC
    (frame(0x15, b"x"), p.EnquireLinkResp(7, s.ESME_RINVCMDLEN)),
    (frame(6, b"x"), p.UnbindResp(7, s.ESME_RINVCMDLEN)),
    (frame(1, b"x"), p.BindReceiverResp(7, s.ESME_RALYBND)),
    (frame(0x0A), p.GenericNack(7, s.ESME_RINVCMDID)),
    (frame(0x7FFFFFFF, b"??"), p.GenericNack(7, s.ESME_RINVCMDID)),
    (frame(0x111, b"broadcast"), p.GenericNack(7, s.ESME_RINVCMDID)),
    (frame(0), p.GenericNack(7, s.ESME_RINVCMDID)),
    (frame(0x15, sequence=0), p.EnquireLinkResp(0)),
    (frame(0x15, sequence=0x7FFFFFFF), p.EnquireLinkResp(0x7FFFFFFF)),
    (frame(0x15, sequence=0xFFFFFFFF), p.EnquireLinkResp(0xFFFFFFFF)),
    (frame(0x15, status=0x55), p.EnquireLinkResp(7)),
    (frame(4, SM + b"\0" * 10, sequence=0xFFFFFFFF), p.SubmitSmResp(0xFFFFFFFF, 0, "id-4294967295")),
]


@pytest.mark.parametrize(
    ("octets", "answer"), ANSWERED, ids=[f"{row[0][4:8].hex()}-{row[1].command_status}" for row in ANSWERED]
)
def test_bad_request_has_the_answer_of_its_command(octets, answer):
    async def test(peer, smsc):
        peer.write(octets, encode(p.EnquireLink(), 8))
        assert await peer.pdu() == answer
        assert await peer.pdu() == p.EnquireLinkResp(8)
        assert smsc.of("closed") == []

    against_raw_esme(test)


@pytest.mark.parametrize(
    "request_pdu",
    [p.SubmitSm(), p.SubmitMulti(dest_addresses=(p.ListDest("x"),)), p.QuerySm(), p.CancelSm(), p.ReplaceSm(), BIND],
    ids=lambda pdu: type(pdu).__name__,
)
def test_request_that_no_esme_takes(request_pdu):
    async def test(peer, esme, session):
        peer.write(encode(request_pdu, 9))
        assert await peer.pdu() == LAYOUTS[request_pdu.command_id | p.RESPONSE].pdu(9, s.ESME_RINVBNDSTS)
        assert session.counts.refused_count == 1

    against_raw_smsc(test)


def test_responses_without_requests_are_counted_and_not_answered():
    commands = [*(command for command in LAYOUTS if command & p.RESPONSE), 0x8000000A, 0xFFFFFFFF]

    async def test(peer, esme, session):
        for sequence in (0, 1, 0x7FFFFFFF, 0xFFFFFFFF):
            for command in commands:
                peer.write(frame(command, sequence=sequence), frame(command, b"junk", sequence=sequence))
        peer.write(encode(p.EnquireLink(), 8))
        assert await peer.pdu() == p.EnquireLinkResp(8)
        # But for enquire_link_resp 0, which is nobody's number: nothing has been asked yet.
        assert session.counts.unknown_response_count >= 8 * len(commands) - 2
        assert esme.events == []

    against_raw_smsc(test)


def test_slices_of_one_octet():
    async def test(peer, esme, session):
        for octet in encode(RECEIPT, 1) + frame(0x0A) + encode(RECEIPT, 2):
            peer.write(bytes((octet,)))
            await peer.writer.drain()
        assert [(await peer.pdu()).sequence_number for _ in range(3)] == [1, 7, 2]
        assert [row[0].short_message for row in esme.of("delivered")] == [RECEIPT.short_message] * 2

    against_raw_smsc(test)


def test_a_pdu_of_64_kib_in_slices():
    payload = b"x" * (64 * 1024 - len(encode(p.DeliverSm())) - 4)
    octets = encode(p.DeliverSm(tlvs=((0x0424, payload),)), 1)
    assert len(octets) == 64 * 1024

    async def test(peer, esme, session):
        for start in range(0, len(octets), 1000):
            peer.write(octets[start : start + 1000])
            await peer.writer.drain()
        ((pdu,),) = await esme.until("delivered")
        assert pdu.tlvs == ((0x0424, payload),)

    against_raw_smsc(test)


def test_duplicate_and_empty_tlvs_stay_as_they_came():
    tlvs = ((0x1400, b""), (0x0424, b"a"), (0x1400, b""), (0x0424, b"b"), (0, b"\0"), (0xFFFF, b"\xff" * 300))

    async def test(link):
        link.smsc.session.deliver(p.DeliverSm(tlvs=tlvs), 1)
        ((pdu,),) = await link.esme.until("delivered")
        assert pdu.tlvs == tlvs

    linked(test)


def test_flood_of_garbage_takes_no_memory():
    async def test(peer, smsc):
        bad = frame(4, b"\0\1\1" + b"5" * 40) + frame(0x0A) + frame(0x80000004, b"x", sequence=3) + frame(0x80000000)
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(20):
            peer.write(bad * 100)
            for _ in range(200):
                await peer.octets()
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert after - before < 1_000_000
        assert smsc.session.counts.received_count == 1 + 20 * 400

    against_raw_esme(test)


def test_failing_handler_ends_only_its_link():
    """An error in the owner's code is the owner's: the loop reports it, the link ends, and tokens are told."""
    caught = []

    async def test(peer, esme, session):
        import asyncio

        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: caught.append(context["exception"]))
        session.submit(MESSAGE, "open")
        await peer.pdu()
        esme.delivered = lambda session, pdu: 1 // 0
        peer.write(encode(RECEIPT, 1))
        assert await esme.until("closed") == [(End.CONNECTION_LOST,)]
        assert esme.of("lost") == [(["open"],)]
        assert [type(error) for error in caught] == [ZeroDivisionError]

    against_raw_smsc(test)


def test_handlers_are_complete():
    """The recording handlers of these tests override only what exists."""
    from trunkline.smpp.esme import EsmeHandler
    from trunkline.smpp.smsc import SmscHandler

    for ours, theirs in ((Esme, EsmeHandler), (Smsc, SmscHandler)):
        methods = {name for name, value in vars(ours).items() if callable(value) and not name.startswith("_")}
        assert methods <= set(dir(theirs))
