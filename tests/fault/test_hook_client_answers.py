"""What the webhook client writes, and how it reads every legal form of an answer."""

import asyncio

import pytest
from hook_receiver import LOOPBACK, OK, Authority, Peer, answering, both_loops, client_for, receiving

from trunkline import __version__
from trunkline.webhooks.client import Failure, tls_context
from trunkline.webhooks.connection import retry_after
from trunkline.webhooks.egress import Gate
from trunkline.webhooks.headers import header_lines

pytestmark = both_loops


async def answer_to(raw: bytes, *, then_close: bool = False):
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(raw)
        if not then_close:
            await peer.wait_closed()

    async with receiving(script) as receiver, client_for(attempt_s=5) as client:
        return await client.send("p", receiver.target(), b"", b"{}")


def test_request_on_the_wire(run):
    async def main():
        got = bytearray()

        async def script(peer: Peer) -> None:
            got.extend(await peer.reader.readuntil(b'{"a":1}'))
            await peer.send(OK)

        async with receiving(script) as receiver, client_for() as client:
            head = header_lines([("Authorization", "Bearer x y"), ("X-Empty", "")])
            await client.send("p", receiver.target("/a/b?c=%20d#e"), head, b'{"a":1}')
            assert bytes(got) == (
                b"POST /a/b?c=%%20d HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: Trunkline/%b\r\n"
                b"Content-Type: application/json\r\nAuthorization: Bearer x y\r\nX-Empty: \r\n"
                b'Content-Length: 7\r\n\r\n{"a":1}' % (receiver.port, __version__.encode())
            )

    run(main())


@pytest.mark.parametrize(
    ("raw", "close", "status", "excerpt"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", False, 200, b"ok"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", False, 200, b""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", False, 204, b""),
        (b"HTTP/1.1 299 \r\nContent-Length: 0\r\n\r\n", False, 299, b""),
        (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", False, 200, b""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n", False, 200, b"abcd"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-T: y\r\n\r\n", False, 200, b""),
        (b"HTTP/1.1 200 OK\r\n\r\nto the end", True, 200, b"to the end"),
        (b"HTTP/1.0 200 OK\r\n\r\nold", True, 200, b"old"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", False, 200, b"ok"),
        (b"HTTP/1.1 103 Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 204 No\r\n\r\n", False, 204, b""),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\nxyz", False, 101, b""),
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 300\r\n\r\n" + b"e" * 300, False, 500, b"e" * 256),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", True, 200, b"short"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n", False, 200, b"abc"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08",
            False,
            200,
            b"\x1f\x8b\x08",
        ),
    ],
)
def test_answer(run, raw, close, status, excerpt):
    answer = run(answer_to(raw, then_close=close))
    assert (answer.status, answer.failure, answer.excerpt) == (status, None, excerpt)
    assert 0 < answer.latency_s < 5


@pytest.mark.parametrize("slice_size", [1, 7])
def test_answer_in_small_pieces(run, slice_size):
    raw = (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Busy\r\nRetry-After: 17\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5\r\nlater\r\n0\r\n\r\n"
    )

    async def main():
        async def script(peer: Peer) -> None:
            await peer.request()
            for start in range(0, len(raw), slice_size):
                await peer.send(raw[start : start + slice_size])
                await asyncio.get_running_loop().run_in_executor(
                    None, int
                )  # one turn and more, so that each is a packet
            await peer.wait_closed()

        async with receiving(script) as receiver, client_for() as client:
            return await client.send("p", receiver.target(), b"", b"{}")

    answer = run(main())
    assert (answer.status, answer.retry_after_s, answer.excerpt) == (503, 17.0, b"later")


@pytest.mark.parametrize(
    "raw",
    [
        b"garbage\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 007 Bond\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 99 Low\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    ],
)
def test_not_http_is_a_failure(run, raw):
    answer = run(answer_to(raw))
    assert (answer.status, answer.failure) == (None, Failure.MALFORMED)


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        (b"120", b"", 120.0),
        (b" 0 ", b"", 0.0),
        (b"9" * 40, b"", 1e9),
        (b"-5", b"", None),
        (b"1.5", b"", None),
        (b"soon", b"", None),
        (b"Wed, 05 Mar 2025 10:01:30 GMT", b"Wed, 05 Mar 2025 10:00:00 GMT", 90.0),
        (b"Wed, 05 Mar 2025 09:00:00 GMT", b"Wed, 05 Mar 2025 10:00:00 GMT", 0.0),
        (b"Wed, 05 Mar 2025 10:01:30 GMT", b"", None),
        (b"Wed, 99 Mar 2025 10:01:30 GMT", b"Wed, 05 Mar 2025 10:00:00 GMT", None),
        (b"Wed, 05 Foo 2025 10:01:30 GMT", b"Wed, 05 Mar 2025 10:00:00 GMT", None),
        ("\u0661\u0662".encode(), b"", None),
    ],
)
def test_retry_after(run, value, date, seconds):
    assert retry_after(value, date) == seconds


def test_retry_after_reaches_the_answer(run):
    raw = (
        b"HTTP/1.1 429 Slow\r\nDATE: Wed, 05 Mar 2025 10:00:00 GMT\r\nretry-AFTER: Wed, 05 Mar 2025 10:00:40 GMT\r\n"
        b"Content-Length: 0\r\n\r\n"
    )
    assert run(answer_to(raw)).retry_after_s == 40.0
    assert run(answer_to(OK)).retry_after_s is None


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_redirects_are_not_followed(run, status):
    async def main():
        async with receiving(answering(OK)) as elsewhere:
            raw = b"HTTP/1.1 %d Moved\r\nLocation: http://127.0.0.1:%d/\r\nContent-Length: 0\r\n\r\n"
            async with (
                receiving(answering(raw % (status, elsewhere.port))) as receiver,
                client_for() as client,
            ):
                answer = await client.send("p", receiver.target(), b"", b"{}")
            assert elsewhere.peers == []
            return answer

    assert run(main()).status == status


@pytest.mark.parametrize(
    "pair",
    [
        ("X-A", "b\r\nX-C: d"),
        ("X-A", "b\nc"),
        ("X-A", "\x00"),
        ("X-A", "ä"),
        ("X-A", " b"),
        ("X-A", "b\n"),
        ("X A", "b"),
        ("X-A:", "b"),
        ("", "b"),
        ("X-A\n", "b"),
        ("Host", "example.com"),
        ("content-LENGTH", "1"),
        ("Transfer-Encoding", "chunked"),
        ("webhook-signature", "v1,x"),
        ("Accept-Encoding", "gzip"),
    ],
)
def test_headers_that_cannot_be_sent(run, pair):
    with pytest.raises(ValueError):
        header_lines([("X-Good", "1"), pair])


def test_tls_verifies_the_name_and_takes_an_extra_authority(run, tmp_path):
    authority = Authority(tmp_path)

    async def main():
        async with receiving(answering(OK), tls=authority.server("hooks.example")) as receiver:
            gate = Gate(LOOPBACK, resolve=lambda host: ["127.0.0.1"])
            async with client_for(gate=gate, tls=tls_context(str(authority.file))) as client:
                target = receiver.target(host="hooks.example", scheme="https")
                answers = [await client.send("p", target, b"", b"{}") for _ in range(3)]
            assert len(receiver.peers) == 1
            return answers

    for answer in run(main()):
        assert (answer.status, answer.failure, answer.excerpt) == (200, None, b"ok")


@pytest.mark.parametrize("case", ["expired", "wrong_host", "unknown_authority", "not_tls", "ip_without_san"])
def test_bad_certificates_are_failures(run, tmp_path, case):
    authority = Authority(tmp_path)
    name = "other.example" if case == "wrong_host" else "hooks.example"
    server = None if case == "not_tls" else authority.server(name, expired=case == "expired")
    host = "127.0.0.1" if case == "ip_without_san" else "hooks.example"

    async def main():
        requests = []

        async def script(peer: Peer) -> None:
            requests.append(await peer.reader.read(65536))
            await peer.send(OK)

        async with receiving(script, tls=server) as receiver:
            gate = Gate(LOOPBACK, resolve=lambda host: ["127.0.0.1"])
            trusted = None if case == "unknown_authority" else str(authority.file)
            async with client_for(gate=gate, tls=tls_context(trusted)) as client:
                answer = await client.send("p", receiver.target(host=host, scheme="https"), b"", b"{}secret")
        assert not any(b"secret" in seen for seen in requests)
        return answer

    answer = run(main())
    assert (answer.status, answer.failure) == (None, Failure.TLS)
    assert answer.detail
