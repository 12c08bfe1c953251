"""Whatever octets come in whatever slices: no exception, no answer to a response, and all that is owed is answered."""

from __future__ import annotations

import asyncio
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.smpp import pdu as p
from trunkline.smpp.codec import decode, encode
from trunkline.smpp.esme import EsmeHandler, EsmeSession
from trunkline.smpp.smsc import SmscHandler, SmscSession
from trunkline.smpp.timers import Timers


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self):
        super().__init__({"socket": self})
        self.written = b""
        self.closing = False

    def setsockopt(self, *_):
        pass

    def write(self, data):
        self.written += data

    def is_closing(self):
        return self.closing

    def close(self):
        self.closing = True

    abort = close


class Answering(EsmeHandler):
    def __init__(self):
        self.told = Counter()

    def delivered(self, session, pdu):
        session.answer(pdu, 0)

    def submit_answered(self, token, command_status, message_id, late):
        self.told[token] += 1

    def submit_lost(self, tokens):
        self.told.update(tokens)

    def submit_not_sent(self, tokens):
        self.told.update(tokens)


COMMANDS = st.sampled_from([1, 2, 3, 4, 5, 6, 7, 8, 9, 0xB, 0x15, 0x21, 0x102, 0x103, 0xA, 0x200])
SEQUENCES = st.one_of(st.integers(0, 12), st.sampled_from([0x7FFFFFFF, 0xFFFFFFFF]))


@st.composite
def frames(draw):
    command = draw(COMMANDS) | draw(st.sampled_from([0, 0x80000000]))
    body = draw(st.binary(max_size=60)) if draw(st.booleans()) else b""
    if draw(st.integers(0, 3)) == 0:
        body = encode(p.DeliverSm(source_addr="1", short_message=b"x"))[16:]
    length = draw(st.sampled_from([16 + len(body)] * 30 + [0, 15, 0xFFFFFFFF]))
    return b"".join(n.to_bytes(4, "big") for n in (length, command, draw(st.integers(0, 3)), draw(SEQUENCES))) + body


@st.composite
def slices(draw):
    octets = b"".join(draw(st.lists(frames(), max_size=8))) + draw(st.binary(max_size=20))
    cuts = sorted(draw(st.lists(st.integers(0, len(octets)), max_size=8)))
    return [octets[a:b] for a, b in zip([0, *cuts], [*cuts, len(octets)], strict=True)]


def split(octets):
    while octets:
        length = int.from_bytes(octets[:4], "big")
        yield octets[:length]
        octets = octets[length:]


def sent(wire):
    return [decode(octets) for octets in split(wire.written)]


async def feed(session, wire, pieces):
    """The octets, as from a transport, which stops reading once it is closed."""
    for piece in pieces:
        if not wire.closing and piece:
            session.data_received(piece)
        await asyncio.wait([asyncio.ensure_future(turn())])


async def turn():
    """One turn of the loop."""


@given(slices(), st.integers(0, 5))
@settings(max_examples=300, deadline=None)
def test_esme_survives(pieces, submit_count):
    async def main():
        handler, wire = Answering(), Wire()
        session = EsmeSession(p.BindTransceiver(), handler, Timers(), 10)
        session.connection_made(wire)
        session.data_received(encode(p.BindTransceiverResp(), 1))
        for token in range(submit_count):
            session.submit(p.SubmitSm(), token)
        await asyncio.wait([asyncio.ensure_future(turn())])
        await feed(session, wire, pieces)
        session.connection_lost(None)
        assert handler.told == Counter(range(submit_count)), "each token is told once"
        answers = [pdu for pdu in sent(wire) if pdu.command_id & p.RESPONSE]
        assert len(answers) <= session.counts.received_count + 1

    asyncio.run(main())


@given(slices(), st.booleans())
@settings(max_examples=300, deadline=None)
def test_smsc_survives(pieces, bound):
    async def main():
        wire = Wire()
        session = SmscSession(SmscHandler(), "SMSC", Timers(), 10)
        session.connection_made(wire)
        if bound:
            session.data_received(encode(p.BindTransceiver(), 1))
        await feed(session, wire, pieces)
        requests = [
            octets
            for octets in split_whole(b"".join(pieces))
            if not octets[4] & 0x80 and int.from_bytes(octets[4:8], "big") not in (0x102, 0x0B)
        ]
        answers = [pdu for pdu in sent(wire) if pdu.command_id & p.RESPONSE][bound:]
        assert len(answers) <= len(requests) + 1  # and the nack of a lost framing
        if not wire.closing:
            assert [pdu.sequence_number for pdu in answers] == [int.from_bytes(o[12:16], "big") for o in requests]
            for octets, answer in zip(requests, answers, strict=True):
                assert answer.command_id in (int.from_bytes(octets[4:8], "big") | p.RESPONSE, p.RESPONSE)
        session.connection_lost(None)

    asyncio.run(main())


def split_whole(octets):
    """The whole PDUs at the start of the octets."""
    while len(octets) >= 16:
        length = int.from_bytes(octets[:4], "big")
        if not 16 <= length <= len(octets):
            return
        yield octets[:length]
        octets = octets[length:]
