"""Both ends of our session against everything that is on the list of bad peers, and against a grammar of it."""

from __future__ import annotations

import asyncio
import gc
import random
import resource
import struct
from dataclasses import dataclass
from typing import Any

import pytest
from bad_peers import LIST, NACK, RESPONSE, Behaviour, sentence
from smpp_ends import BIND, CALM, Esme, RawPeer, Smsc, against_raw_esme, against_raw_smsc, run

from trunkline.smpp import pdu as p
from trunkline.smpp.codec import LAYOUTS, encode
from trunkline.smpp.esme import connect
from trunkline.smpp.smsc import serve
from trunkline.smpp.wire import End

PROBE = 0x00ABCDEF


def name_of(behaviour: Behaviour) -> str:
    return f"{behaviour.to}: {behaviour.name}"


async def behave(peer: RawPeer, behaviour: Behaviour) -> None:
    """Does it, and looks at every answer; then whether the link is as it has to be."""
    octets, step = behaviour.octets, behaviour.slice or len(behaviour.octets)
    for start in range(0, len(octets), step):
        peer.write(octets[start : start + step])
        await peer.writer.drain()
    answers = [await peer.octets() for _ in behaviour.answers]
    assert [struct.unpack(">III", answer[4:16]) for answer in answers] == list(behaviour.answers)
    if behaviour.ends is End.PEER_CLOSED:
        peer.writer.write_eof()
    if behaviour.ends is not None:
        assert await peer.at_end()
    else:
        peer.write(encode(p.EnquireLink(), PROBE))
        assert await peer.pdu() == p.EnquireLinkResp(PROBE)


@pytest.mark.parametrize("behaviour", [one for one in LIST if one.to == "smsc"], ids=name_of)
def test_our_smsc(behaviour: Behaviour) -> None:
    async def test(peer: RawPeer, smsc: Smsc) -> None:
        await behave(peer, behaviour)
        if behaviour.ends is not None:
            assert await smsc.until("closed") == [(behaviour.ends,)]
        else:
            assert smsc.of("closed") == []

    against_raw_esme(test, bind=behaviour.bound)


@pytest.mark.parametrize("behaviour", [one for one in LIST if one.to == "esme"], ids=name_of)
def test_our_esme(behaviour: Behaviour) -> None:
    async def test(peer: RawPeer, esme: Esme, session: Any) -> None:
        await behave(peer, behaviour)
        if behaviour.ends is not None:
            assert await esme.until("closed") == [(behaviour.ends,)]
        else:
            assert esme.of("closed") == []

    against_raw_smsc(test)


def test_a_message_under_way_is_told_of_once_whatever_comes_for_it() -> None:
    """The wrong response, one twice, one without a body, one with rubbish: each token has one end."""

    async def test(peer: RawPeer, esme: Esme, session: Any) -> None:
        sequences = [session.submit(p.SubmitSm(destination_addr="1"), n) for n in range(4)]
        for _ in sequences:
            await peer.pdu()
        one, two, three, four = (number.to_bytes(4, "big") for number in sequences)

        def answer(command_id: int, sequence: bytes, body: bytes) -> bytes:
            return (16 + len(body)).to_bytes(4, "big") + command_id.to_bytes(4, "big") + b"\0" * 4 + sequence + body

        peer.write(answer(RESPONSE | 5, one, b"x\0"), answer(RESPONSE | 4, one, b"a\0") * 2)
        peer.write(answer(RESPONSE | 4, two, b""), answer(RESPONSE | 4, three, b"no NUL"))
        peer.write(answer(NACK, four, b""))
        found = await esme.until("answered", 4)
        assert sorted(row[0] for row in found) == [0, 1, 2, 3]
        peer.write(encode(p.EnquireLink(), PROBE))
        assert await peer.pdu() == p.EnquireLinkResp(PROBE)
        assert len(esme.of("answered")) == 4

    against_raw_smsc(test)


# The grammar.


@dataclass(frozen=True)
class Size:
    cases: int
    memory_kib: int | None


FULL = [pytest.mark.fault, pytest.mark.timeout(900)]
SIZES = [pytest.param(Size(400, None), id="short"), pytest.param(Size(50_000, 20 * 1024), id="full", marks=FULL)]


class Talk:
    """A raw peer that is connected anew whenever the link is over."""

    def __init__(self, connected: Any) -> None:
        self._connected = connected
        self.peer: RawPeer | None = None
        self.links = 0

    async def say(self, octets: bytes, probe: int) -> None:
        """One case: the link answers the enquire_link behind it, or is over within five seconds."""
        if self.peer is None:
            self.peer = await self._connected()
            self.links += 1
        peer = self.peer
        try:
            peer.write(octets, encode(p.EnquireLink(), probe))
            if probe % 97 == 0:
                peer.writer.write_eof()
            async with asyncio.timeout(5):
                while True:
                    answer = await peer.octets()
                    command_id, _, sequence = struct.unpack(">III", answer[4:16])
                    assert command_id & RESPONSE or command_id == p.EnquireLink.command_id, answer.hex()
                    assert command_id == NACK or command_id & ~RESPONSE in LAYOUTS, answer.hex()
                    if (command_id, sequence) == (p.EnquireLinkResp.command_id, probe):
                        if probe % 97 == 0:
                            continue  # to the end
                        return
        except (asyncio.IncompleteReadError, ConnectionError):
            await peer.gone()
            self.peer = None

    async def end(self) -> None:
        if self.peer is not None:
            await self.peer.gone()


def _resident_kib() -> int:
    gc.collect()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


async def _cases(talk: Talk, size: Size, seed: int) -> None:
    chance = random.Random(seed)
    before = 0
    for case in range(size.cases):
        if case == size.cases // 10:
            before = _resident_kib()
        await talk.say(sentence(chance), 0x40000000 + case)
    await talk.end()
    if size.memory_kib is not None:
        assert _resident_kib() - before < size.memory_kib
    assert talk.links > 1


@pytest.mark.parametrize("size", SIZES)
def test_our_smsc_against_the_grammar(size: Size) -> None:
    async def main() -> None:
        server = await serve("127.0.0.1", 0, QuietSmsc, timers=CALM)

        async def connected() -> RawPeer:
            peer = RawPeer(*await asyncio.open_connection("127.0.0.1", server.port))
            peer.write(encode(BIND, 1))
            assert (await peer.pdu()).command_status == 0
            return peer

        try:
            await _cases(Talk(connected), size, 1)
        finally:
            await server.close()

    run(main)


@pytest.mark.parametrize("size", SIZES)
def test_our_esme_against_the_grammar(size: Size) -> None:
    async def main() -> None:
        peers: asyncio.Queue[RawPeer] = asyncio.Queue()
        sessions = []

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            peer = RawPeer(reader, writer)
            bind = await peer.pdu()
            peer.write(encode(p.BindTransceiverResp(system_id="raw"), bind.sequence_number))
            peers.put_nowait(peer)

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]

        async def connected() -> RawPeer:
            for session in sessions:
                session.abort()
                await session.wait_closed()
            sessions[:] = [await connect("127.0.0.1", port, BIND, QuietEsme(), timers=CALM)]
            return await peers.get()

        try:
            await _cases(Talk(connected), size, 2)
        finally:
            for session in sessions:
                session.abort()
                await session.wait_closed()
            server.close()
            await server.wait_closed()

    run(main)


class QuietSmsc(Smsc):
    """Keeps nothing of what it is told."""

    def note(self, *event: Any) -> None:
        pass


class QuietEsme(Esme):
    def note(self, *event: Any) -> None:
        pass
