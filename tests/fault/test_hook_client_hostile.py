"""Receivers that mean harm: endless, slow, oversized and broken answers stay inside time and memory."""

import asyncio
import gc
import resource
import socket
import ssl
from contextlib import closing

import pytest
from hook_receiver import LOOPBACK, OK, Authority, Peer, answering, both_loops, client_for, receiving

from trunkline.webhooks.client import Failure, tls_context
from trunkline.webhooks.connection import ANSWER_LIMIT, Connection
from trunkline.webhooks.egress import Gate

pytestmark = both_loops

DEADLINE_S = 0.4


async def pause() -> None:
    """Wait some milliseconds on a timer (a tarpit's only instrument)."""
    passed = asyncio.Event()
    asyncio.get_running_loop().call_later(0.02, passed.set)
    await passed.wait()


def _forever(start: bytes, piece: bytes, *, slowly: bool = False):
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(start)
        while True:
            await peer.send(piece)
            if slowly:
                await pause()

    return script


def _once(raw: bytes):
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(raw)
        await peer.wait_closed()

    return script


async def _silent(peer: Peer) -> None:
    await peer.wait_closed()


async def _reset(peer: Peer) -> None:
    await peer.request()
    peer.reset()


async def _reset_mid_head(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\nX: ")
    peer.reset()


async def _reset_at_once(peer: Peer) -> None:
    peer.reset()


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
BIG = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"
# script, status, failure
HOSTILE = {
    "body_of_1_gb": (_forever(BIG, b"x" * 65536), 200, None),
    "body_without_end": (_forever(b"HTTP/1.1 500 No\r\n\r\n", b"x" * 65536), 500, None),
    "chunks_without_end": (_forever(CHUNKED, b"1000\r\n" + b"x" * 4096 + b"\r\n"), 200, None),
    "tiny_chunks_without_end": (_forever(CHUNKED, b"1\r\nx\r\n" * 1000), 200, None),
    "chunk_extension_without_end": (_forever(CHUNKED + b"1;", b"a" * 4096), 200, None),
    "trailers_without_end": (_forever(CHUNKED + b"0\r\n", b"X-T: y\r\n" * 100), 200, None),
    "gzip_bomb": (
        _forever(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08", b"\0" * 65536),
        200,
        None,
    ),
    "body_drips": (_forever(BIG, b"x", slowly=True), 200, None),
    "head_drips": (_forever(b"HTTP/1.1 200 OK\r\n", b"X", slowly=True), None, Failure.TIMEOUT),
    "headers_drip": (_forever(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", slowly=True), None, Failure.TIMEOUT),
    "status_drips": (_forever(b"HTTP/1.1 200 ", b"O", slowly=True), None, Failure.TIMEOUT),
    "continue_drips": (_forever(b"", b"HTTP/1.1 100 Continue\r\n\r\n", slowly=True), None, Failure.TIMEOUT),
    "continue_without_end": (_forever(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 10), None, Failure.TOO_LARGE),
    "headers_10000": (
        _once(b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(10000)) + b"\r\n"),
        None,
        Failure.TOO_LARGE,
    ),
    "headers_201": (_once(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 201 + b"\r\n"), None, Failure.TOO_LARGE),
    "headers_200": (
        _once(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 199 + b"Content-Length: 0\r\n\r\n"),
        200,
        None,
    ),
    "header_of_33_kb": (
        _once(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 33 * 1024 + b"\r\nContent-Length: 0\r\n\r\n"),
        None,
        Failure.TOO_LARGE,
    ),
    "header_of_30_kb": (
        _once(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 30 * 1024 + b"\r\nContent-Length: 0\r\n\r\n"),
        200,
        None,
    ),
    "header_without_end": (_forever(b"HTTP/1.1 200 OK\r\nX: ", b"y" * 4096), None, Failure.TOO_LARGE),
    "reason_without_end": (_forever(b"HTTP/1.1 200 ", b"y" * 4096), None, Failure.TOO_LARGE),
    "silent": (_silent, None, Failure.TIMEOUT),
    "reset": (_reset, None, Failure.RESET),
    "reset_mid_head": (_reset_mid_head, None, Failure.RESET),
    "reset_at_once": (_reset_at_once, None, Failure.RESET),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_answer(run, name):
    script, status, failure = HOSTILE[name]

    async def main():
        # Room for a slow machine: 5 s where it is not the deadline that ends the post.
        waits = name.endswith(("drip", "drips", "silent"))
        deadline_s = DEADLINE_S if waits else 5.0
        async with receiving(script) as receiver, client_for(attempt_s=deadline_s) as client:
            answer = await client.send("p", receiver.target(), b"", b"{}")
            assert (answer.status, answer.failure) == (status, failure)
            assert len(answer.excerpt) <= 256
            assert answer.latency_s < deadline_s + 0.5
            if waits:
                assert answer.latency_s >= deadline_s
            assert len(receiver.peers) == 1  # nothing is repeated
            assert client.free("p", receiver.target().origin) == 8

    run(main())


def test_no_more_is_read_than_the_limit(run):
    async def main():
        read = 0

        async with receiving(_forever(BIG, b"x" * 65536)) as receiver, client_for() as client:
            original = Connection.data_received

            def counted(self, data):
                nonlocal read
                read += len(data)
                original(self, data)

            Connection.data_received = counted
            try:
                await client.send("p", receiver.target(), b"", b"{}")
            finally:
                Connection.data_received = original
        # What the event loop had taken in one go when the limit was passed comes on top.
        assert ANSWER_LIMIT <= read <= ANSWER_LIMIT + 256 * 1024

    run(main())


def test_a_handshake_without_end_is_a_timeout_and_leaves_no_socket(run):
    async def main():
        async with receiving(_silent) as receiver, client_for(attempt_s=DEADLINE_S) as client:
            answer = await client.send("p", receiver.target(scheme="https"), b"", b"{}")
            assert (answer.status, answer.failure) == (None, Failure.TIMEOUT)
            await asyncio.wait_for(receiver.peers[0].closed.wait(), 5)

    run(main())
    gc.collect()  # an unclosed socket would be a ResourceWarning, and that an error


def test_a_handshake_that_drips_is_a_timeout(run):
    async def main():
        async def script(peer: Peer) -> None:
            await peer.reader.read(1)
            await peer.send(b"\x16\x03\x03\x40\x00")  # a handshake record of 16 KiB
            while True:
                await peer.send(b"\x00" if peer.sent_count > 5 else b"\x02")
                await pause()

        async with receiving(script) as receiver, client_for(attempt_s=DEADLINE_S) as client:
            return await client.send("p", receiver.target(scheme="https"), b"", b"{}")

    answer = run(main())
    assert answer.failure in (Failure.TIMEOUT, Failure.TLS)
    assert answer.latency_s < DEADLINE_S + 0.5


def test_hostile_bodies_over_tls_end_too(run, tmp_path):
    authority = Authority(tmp_path)

    async def main():
        server = authority.server("127.0.0.1")
        async with (
            receiving(_forever(BIG, b"x" * 65536), tls=server) as receiver,
            client_for(tls=tls_context(str(authority.file))) as client,
        ):
            answer = await client.send("p", receiver.target(scheme="https"), b"", b"{}")
            assert (answer.status, answer.failure) == (200, None)
            await client.close()
            assert client._sockets == set()

    run(main())


def test_old_tls_versions_are_refused(run, tmp_path):
    authority = Authority(tmp_path)
    server = authority.server("127.0.0.1")
    server.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        server.maximum_version = ssl.TLSVersion.TLSv1_1
    server.set_ciphers("ALL:@SECLEVEL=0")

    async def main():
        async with (
            receiving(answering(OK), tls=server) as receiver,
            client_for(tls=tls_context(str(authority.file))) as client,
        ):
            return await client.send("p", receiver.target(scheme="https"), b"", b"{}")

    assert run(main()).failure is Failure.TLS


def test_a_closed_port_is_a_failed_connect(run):
    async def main():
        async with receiving(answering(OK)) as receiver:
            target = receiver.target()
        async with client_for() as client:
            return await client.send("p", target, b"", b"{}")

    answer = run(main())
    assert (answer.failure, answer.detail) == (Failure.CONNECT, "Connection refused")


def test_the_next_address_is_tried_when_one_does_not_answer(run):
    async def main():
        # A listener whose queue is full drops SYNs: the first address never answers.
        with closing(socket.create_server(("127.0.0.2", 0), backlog=0)) as full:
            port = full.getsockname()[1]
            fillers = []
            for _ in range(4):
                filler = socket.socket()
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.2", port))
                fillers.append(filler)
            try:
                async with receiving(answering(OK), host="127.0.0.3", port=port) as receiver:
                    gate = Gate(LOOPBACK, resolve=lambda host: ["127.0.0.2", "127.0.0.3"])
                    async with client_for(gate=gate, connect_s=0.2) as client:
                        answer = await client.send("p", receiver.target(host="hooks.example"), b"", b"{}")
                        assert answer.status == 200
                        assert answer.latency_s >= 0.2
                    gate = Gate(LOOPBACK, resolve=lambda host: ["127.0.0.2"])
                    async with client_for(gate=gate, connect_s=0.2) as client:
                        answer = await client.send("p", receiver.target(host="hooks.example"), b"", b"{}")
                        assert (answer.failure, answer.detail) == (Failure.CONNECT, "connection timed out")
            finally:
                for filler in fillers:
                    filler.close()

    run(main())


@pytest.mark.fault
def test_memory_stays_flat_under_many_hostile_receivers(run):
    async def main():
        scripts = [script for script, *_ in HOSTILE.values()]
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        async with client_for(attempt_s=2.0, per_origin=8) as client:
            for script in scripts:
                async with receiving(script) as receiver:
                    posts = [client.send(f"p{n}", receiver.target(), b"", b"{}") for n in range(40)]
                    await asyncio.gather(*posts)
        grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        # Both ends live in this process; the sending one holds up to a piece for each connection.
        assert grown_kb < 60 * 1024

    run(main())
