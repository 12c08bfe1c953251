"""smpplib, a foreign ESME, against our SMSC: it binds, submits, is refused, and takes receipts."""

from __future__ import annotations

import asyncio
import threading

import pytest
import smpplib.client
import smpplib.consts
import smpplib.exceptions
from smpp_ends import CALM, RECEIPT, Smsc, run

from trunkline.smpp import pdu as p
from trunkline.smpp import status as s
from trunkline.smpp.smsc import serve


def against_smpplib(smsc, talk):
    """Run the blocking talk(client) in a thread while our SMSC serves."""

    async def main():
        server = await serve("127.0.0.1", 0, lambda: smsc, timers=CALM)

        def in_thread():
            client = smpplib.client.Client("127.0.0.1", server.port, timeout=5, allow_unknown_opt_params=True)
            client.connect()
            try:
                talk(client)
            finally:
                client.disconnect()

        await asyncio.get_running_loop().run_in_executor(None, in_thread)
        await smsc.until("closed")
        await server.close()

    run(main)


@pytest.mark.parametrize("kind", ["transceiver", "transmitter"])
def test_foreign_esme_submits(kind):
    answers = []

    def talk(client):
        client.set_message_sent_handler(lambda pdu, **_: answers.append((pdu.sequence, pdu.message_id, pdu.status)))
        getattr(client, f"bind_{kind}")(system_id="esme", password="pw")
        for _ in range(3):
            client.send_message(
                source_addr_ton=5,
                source_addr="sender",
                dest_addr_ton=1,
                dest_addr_npi=1,
                destination_addr="15550001111",
                short_message=b"hello",
                user_message_reference=9,
                registered_delivery=True,
            )
            client.read_once()
        client.unbind()

    smsc = Smsc()
    against_smpplib(smsc, talk)
    assert [(message_id, status) for _, message_id, status in answers] == [
        (f"id-{sequence}".encode(), 0) for sequence, _, _ in answers
    ]
    assert len(answers) == 3
    seen = [row[0] for row in smsc.of("submit")]
    assert [(pdu.source_addr, pdu.destination_addr, pdu.short_message) for pdu in seen] == [
        ("sender", "15550001111", b"hello")
    ] * 3
    assert seen[0].tlvs == ((0x0204, b"\0\x09"),)


def test_foreign_esme_takes_receipts():
    got = []
    bound = threading.Event()

    class Delivering(Smsc):
        def bound(self, session):
            for token in range(20):
                session.deliver(RECEIPT, token)
            session.deliver(p.DeliverSm(short_message=b"", tlvs=((0x0424, b"long"), (0x1403, b"v"))), 20)
            bound.set()

    def talk(client):
        client.set_message_received_handler(lambda pdu: got.append((pdu.short_message, pdu.message_payload)))
        client.bind_receiver(system_id="esme", password="pw")
        assert bound.wait(5)
        while len(got) < 21:
            client.read_once()
        client.unbind()

    smsc = Delivering()
    against_smpplib(smsc, talk)
    assert got[:20] == [(RECEIPT.short_message, None)] * 20
    assert got[20][1] == b"long"
    assert smsc.of("delivered_answered") == [(token, 0) for token in range(21)]


def test_foreign_esme_is_refused():
    def talk(client):
        with pytest.raises(smpplib.exceptions.PDUError) as caught:
            client.bind_transceiver(system_id="esme", password="wrong")
        assert caught.value.args[1] == s.ESME_RINVPASWD

    smsc = Smsc()
    smsc.bind_status = s.ESME_RINVPASWD
    against_smpplib(smsc, talk)


def test_foreign_esme_keeps_the_link_and_asks():
    def talk(client):
        client.bind_transceiver(system_id="esme", password="pw")
        client.send_pdu(smpplib.smpp.make_pdu("enquire_link", client=client))
        assert client.read_pdu().command == "enquire_link_resp"
        client.query_message(message_id="m1", source_addr_ton=1, source_addr_npi=1, source_addr="15550001111")
        answer = client.read_pdu()
        assert (answer.command, answer.message_id, answer.message_state) == ("query_sm_resp", b"m1", 2)
        client.unbind()

    against_smpplib(Smsc(), talk)
