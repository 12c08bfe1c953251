"""Binding: the three kinds, refusals, silence, what is glued to bind_resp, and what a state does not allow."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from smpp_ends import BIND, CALM, MESSAGE, RECEIPT, Esme, RawPeer, Smsc, against_raw_esme, against_raw_smsc, linked, run

from trunkline.smpp import pdu as p
from trunkline.smpp import status as s
from trunkline.smpp.codec import LAYOUTS, encode
from trunkline.smpp.errors import BindRefused, ConnectFailed, EncodeError, NoResponse, NotSent
from trunkline.smpp.esme import connect
from trunkline.smpp.session import State
from trunkline.smpp.smsc import serve
from trunkline.smpp.timers import Timers
from trunkline.smpp.tlv import SC_INTERFACE_VERSION
from trunkline.smpp.wire import End

FIELDS = {"system_id": "esme", "password": "longer than eight", "system_type": "VMA", "addr_ton": 1, "addr_npi": 2}


@pytest.mark.parametrize(
    ("cls", "state"),
    [
        (p.BindTransceiver, State.BOUND_TRX),
        (p.BindTransmitter, State.BOUND_TX),
        (p.BindReceiver, State.BOUND_RX),
    ],
)
def test_bind_kinds(cls, state):
    bind = cls(address_range="^1555", **FIELDS)

    async def test(link):
        assert link.session.state is link.smsc.session.state is state
        ((seen,),) = link.smsc.of("bind")
        assert (type(seen), seen.address_range, seen.interface_version) == (cls, "^1555", 0x34)
        assert {name: getattr(seen, name) for name in FIELDS} == FIELDS
        assert link.session.bind_response.system_id == "SMSC"
        assert link.session.bind_response.tlvs == ((SC_INTERFACE_VERSION, b"\x34"),)
        if state is State.BOUND_RX:
            assert link.session.free == 0
            with pytest.raises(NotSent):
                link.session.submit(MESSAGE, 1)
        else:
            link.session.submit(MESSAGE, 1)
            assert await link.esme.until("answered") == [(1, 0, "id-2", False)]
        if state is State.BOUND_TX:
            with pytest.raises(NotSent):
                link.smsc.session.deliver(RECEIPT, 2)
        else:
            link.smsc.session.deliver(RECEIPT, 2)
            assert await link.smsc.until("delivered_answered") == [(2, 0)]

    linked(test, bind=bind)


@pytest.mark.parametrize(
    "status", [s.ESME_RINVPASWD, s.ESME_RALYBND, s.ESME_RBINDFAIL, s.ESME_RINVSYSID, 0x400, 0xFFFFFFFF], ids=hex
)
def test_bind_refused(status):
    async def main():
        smsc, esme = Smsc(), Esme()
        smsc.bind_status = status
        server = await serve("127.0.0.1", 0, lambda: smsc, timers=CALM)
        with pytest.raises(BindRefused) as caught:
            await connect("127.0.0.1", server.port, BIND, esme, timers=CALM)
        assert caught.value.command_status == status
        assert await smsc.until("closed") == [(End.BIND_REFUSED,)]
        await server.close()
        assert esme.events == []

    run(main)


def test_slow_bind_resp_is_awaited():
    async def main():
        smsc, esme = Smsc(), Esme()
        smsc.bind_status = None
        server = await serve("127.0.0.1", 0, lambda: smsc)
        loop = asyncio.get_running_loop()
        started = loop.time()
        loop.call_later(8, lambda: smsc.session.answer_bind(0))
        session = await connect("127.0.0.1", server.port, BIND, esme)
        assert loop.time() - started >= 8
        assert session.state is State.BOUND_TRX
        await session.unbind()
        await server.close()

    run(main, driven=True)


def test_silence_after_bind_ends_at_the_bind_timer():
    async def main():
        smsc, esme = Smsc(), Esme()
        smsc.bind_status = None
        server = await serve("127.0.0.1", 0, lambda: smsc, timers=Timers(bind_s=100))
        loop = asyncio.get_running_loop()
        started = loop.time()
        with pytest.raises(NoResponse):
            await connect("127.0.0.1", server.port, BIND, esme, timers=Timers(bind_s=7))
        assert 7 <= loop.time() - started < 8
        await smsc.until("closed")
        smsc.session.answer_bind(0)  # too late, and harmless
        await server.close()
        assert esme.events == []

    run(main, driven=True)


def test_connection_that_never_binds_is_closed():
    async def test(peer, smsc):
        started = asyncio.get_running_loop().time()
        assert await peer.at_end()
        assert 10 <= asyncio.get_running_loop().time() - started < 12
        assert smsc.of("closed") == [(End.NO_BIND,)]

    against_raw_esme(test, bind=False, driven=True, timers=Timers())


def test_nobody_listens():
    async def main():
        server = await serve("127.0.0.1", 0, Smsc)
        port = server.port
        await server.close()
        with pytest.raises(ConnectFailed, match=str(port)):
            await connect("127.0.0.1", port, BIND, Esme())

    run(main)


@asynccontextmanager
async def _raw_server(answer):
    """The port of an SMSC whose answer to the bind is `answer(peer, bind)`."""
    peers = []

    async def accept(reader, writer):
        peers.append(RawPeer(reader, writer))
        answer(peers[-1], await peers[-1].pdu())

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    for peer in peers:
        await peer.gone()
    await server.wait_closed()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (lambda peer, bind: peer.writer.close(), ConnectFailed),
        (lambda peer, bind: peer.writer.transport.abort(), ConnectFailed),
        (lambda peer, bind: peer.write(p.GenericNack(bind.sequence_number, s.ESME_RINVCMDID)), BindRefused),
        (lambda peer, bind: peer.write(p.GenericNack(0, 0)), BindRefused),
        (lambda peer, bind: peer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n"), ConnectFailed),
    ],
    ids=["FIN", "RST", "nack", "nack of nothing", "no SMPP"],
)
def test_no_session_comes_of_it(answer, error):
    async def main():
        esme = Esme()
        async with _raw_server(answer) as port:
            with pytest.raises(error):
                await connect("127.0.0.1", port, BIND, esme, timers=CALM)
        assert esme.events == []

    run(main)


def test_receipts_glued_to_bind_resp():
    async def main():
        got = asyncio.get_running_loop().create_future()

        def answer(peer, bind):
            receipts = [encode(RECEIPT, number) for number in (5, 6)]
            peer.write(p.BindTransceiverResp(bind.sequence_number), *receipts)
            got.set_result(peer)

        esme = Esme()
        async with _raw_server(answer) as port:
            session = await connect("127.0.0.1", port, BIND, esme, timers=CALM)
            assert [pdu.sequence_number for (pdu,) in esme.of("delivered")] == [5, 6]
            peer = await got
            assert (await peer.octets()).hex() == "0000001180000005000000000000000500"
            assert (await peer.octets()).hex() == "0000001180000005000000000000000600"
            session.abort()
            await session.wait_closed()

    run(main)


def test_our_smsc_delivers_in_one_write_with_bind_resp():
    async def test(peer, smsc):
        peer.write(encode(BIND, 1))
        octets = await peer.reader.read(10_000)
        assert octets.count(b"id:1 stat:DELIVRD") == 1
        assert octets[4:8] == bytes.fromhex("80000009")

    smsc = Smsc()
    smsc.deliver_at_bind = RECEIPT
    against_raw_esme(test, bind=False, smsc=smsc)


def test_receipt_before_bind_resp_is_refused_and_the_bind_goes_on():
    async def main():
        def answer(peer, bind):
            peer.write(encode(RECEIPT, 9), p.BindTransceiverResp(bind.sequence_number))

        esme = Esme()
        async with _raw_server(answer) as port:
            session = await connect("127.0.0.1", port, BIND, esme, timers=CALM)
            assert session.counts.refused_count == 1
            assert esme.of("delivered") == []
            session.abort()
            await session.wait_closed()

    run(main)


def test_second_bind_is_refused_and_the_link_stays():
    async def test(peer, smsc):
        for cls in (p.BindTransceiver, p.BindReceiver, p.BindTransmitter):
            peer.write(encode(cls(system_id="again"), 44))
            answer = await peer.pdu()
            assert answer == LAYOUTS[cls.command_id | p.RESPONSE].pdu(44, s.ESME_RALYBND)
        peer.write(encode(MESSAGE, 45))
        assert await peer.pdu() == p.SubmitSmResp(45, 0, "id-45")
        assert len(smsc.of("bind")) == 1

    against_raw_esme(test)


def test_second_bind_while_the_first_is_decided():
    async def test(peer, smsc):
        peer.write(encode(BIND, 1), encode(BIND, 2))
        assert await peer.pdu() == p.BindTransceiverResp(2, s.ESME_RALYBND)
        smsc.session.answer_bind(0)
        assert (await peer.pdu()).sequence_number == 1

    smsc = Smsc()
    smsc.bind_status = None
    against_raw_esme(test, bind=False, smsc=smsc)


REQUESTS = [
    p.SubmitSm(),
    p.DeliverSm(),
    p.DataSm(),
    p.SubmitMulti(dest_addresses=(p.ListDest("x"),)),
    p.QuerySm(),
    p.CancelSm(),
    p.ReplaceSm(),
    p.Unbind(),
]


@pytest.mark.parametrize("request_pdu", REQUESTS, ids=lambda pdu: type(pdu).__name__)
def test_request_before_the_bind(request_pdu):
    async def test(peer, smsc):
        peer.write(encode(request_pdu, 3))
        answer = await peer.pdu()
        assert (answer.command_id, answer.command_status, answer.sequence_number) == (
            request_pdu.command_id | p.RESPONSE,
            s.ESME_RINVBNDSTS,
            3,
        )
        peer.write(encode(p.EnquireLink(), 4), encode(BIND, 5))
        assert await peer.pdu() == p.EnquireLinkResp(4)
        assert (await peer.pdu()).command_status == 0
        assert smsc.of("submit") == []

    against_raw_esme(test, bind=False)


@pytest.mark.parametrize("request_pdu", REQUESTS[:-1], ids=lambda pdu: type(pdu).__name__)
def test_request_of_a_receiver(request_pdu):
    async def test(peer, smsc):
        peer.write(encode(p.BindReceiver(), 1))
        await peer.pdu()
        peer.write(encode(request_pdu, 3))
        answer = await peer.pdu()
        assert (answer.command_id, answer.command_status) == (request_pdu.command_id | p.RESPONSE, s.ESME_RINVBNDSTS)
        assert smsc.of("submit") == smsc.of("query") == []

    against_raw_esme(test, bind=False)


@pytest.mark.parametrize("pdu", [RECEIPT, p.DataSm(esm_class=4)], ids=["deliver_sm", "data_sm"])
def test_receipt_on_a_transmitter(pdu):
    async def test(peer, esme, session):
        peer.write(encode(pdu, 3))
        answer = await peer.pdu()
        assert (answer.command_id, answer.command_status) == (pdu.command_id | p.RESPONSE, s.ESME_RINVBNDSTS)
        assert esme.of("delivered") == []

    against_raw_smsc(test, bind=p.BindTransmitter())


def test_cancelled_connect_leaves_nothing_behind():
    async def main():
        smsc, esme = Smsc(), Esme()
        smsc.bind_status = None
        server = await serve("127.0.0.1", 0, lambda: smsc, timers=CALM)
        task = asyncio.create_task(connect("127.0.0.1", server.port, BIND, esme, timers=CALM))
        await smsc.until("bind")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await smsc.until("closed")
        await server.close()
        assert esme.events == []

    run(main)


def test_bind_that_cannot_be_written_connects_to_nobody():
    async def main():
        with pytest.raises(EncodeError, match="system_type"):
            await connect("127.0.0.1", 1, p.BindTransceiver(system_type="x" * 13), Esme())

    run(main)
