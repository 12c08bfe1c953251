"""Client certificates: shown where they are for, by this plan's connections alone, and not once they were changed."""

import asyncio
import ssl
from collections import Counter

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hook_receiver import LOOPBACK, OK, Authority, Peer, answering, both_loops, receiving

from trunkline.webhooks.client import Failure, HookClient, tls_context
from trunkline.webhooks.egress import Gate

pytestmark = both_loops


@pytest.fixture
def authority(tmp_path, monkeypatch) -> Authority:
    found = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(found.file))  # the system's authorities, for this test
    return found


def client() -> HookClient:
    return HookClient(LOOPBACK, gate=Gate(LOOPBACK, resolve=lambda host: ["127.0.0.1"]), tls=tls_context())


def name_of(peer: Peer) -> str | None:
    """The name in the certificate that came with a connection."""
    shown = peer.writer.get_extra_info("peercert")
    return dict(part[0] for part in shown["subject"])["commonName"] if shown else None


def test_a_server_that_asks_is_shown_the_certificate(run, authority):
    ours = b"".join(authority.client("trunkline"))

    async def main():
        async with receiving(answering(OK), tls=authority.asking("hooks.example")) as there:
            target = there.target(host="hooks.example", scheme="https")
            posting = client()
            for _ in range(2):
                answer = await posting.send("p", target, b"", b"{}", ours)
                assert (answer.status, answer.failure) == (200, None)
            assert [name_of(peer) for peer in there.peers] == ["trunkline"]
            # Another plan of the same installation has none.
            answer = await posting.send("q", target, b"", b"{}")
            assert answer.status is None
            assert answer.failure in (Failure.TLS, Failure.RESET)
            await posting.close()

    run(main())


def test_a_certificate_that_was_changed_is_not_shown_again(run, authority):
    one, other = (b"".join(authority.client(name)) for name in ("one", "other"))

    async def main():
        server = authority.asking("hooks.example", mode=ssl.CERT_OPTIONAL)
        async with receiving(answering(OK), tls=server) as there:
            target = there.target(host="hooks.example", scheme="https")
            posting = client()
            for shown in (one, one, None, None, other, bytes(bytearray(other)), one):
                assert (await posting.send("p", target, b"", b"{}", shown)).status == 200
            assert [name_of(peer) for peer in there.peers] == ["one", None, "other", "one"]
            await posting.close()

    run(main())


def test_a_connection_that_was_busy_when_it_changed_is_not_used_again(run, authority):
    ours = b"".join(authority.client("trunkline"))

    async def main():
        let = asyncio.Event()
        asked = asyncio.Event()
        served = Counter()

        async def script(peer: Peer) -> None:
            while True:
                await peer.request()
                served[name_of(peer)] += 1
                asked.set()
                await let.wait()
                await peer.send(OK)

        server = authority.asking("hooks.example", mode=ssl.CERT_OPTIONAL)
        async with receiving(script, tls=server) as there:
            target = there.target(host="hooks.example", scheme="https")
            posting = client()
            first = asyncio.ensure_future(posting.send("p", target, b"", b"{}", ours))
            await asked.wait()
            second = asyncio.ensure_future(posting.send("p", target, b"", b"{}"))
            await asyncio.wait([second], timeout=0.05)
            let.set()
            assert [(await one).status for one in (first, second)] == [200, 200]
            more = await asyncio.gather(*(posting.send("p", target, b"", b"{}") for _ in range(4)))
            assert [answer.status for answer in more] == [200] * 4
            assert served == {"trunkline": 1, None: 5}
            await posting.close()

    run(main())


def test_what_is_no_certificate_is_a_failed_attempt(run, authority):
    key, certificate = authority.client("trunkline")

    async def main():
        async with receiving(answering(OK), tls=authority.server("hooks.example")) as there:
            target = there.target(host="hooks.example", scheme="https")
            posting = client()
            for broken in (b"", certificate, key, authority.client("other")[0] + certificate):
                assert (await posting.send("p", target, b"", b"{}", broken)).failure is Failure.TLS
            assert there.requests == []
            await posting.close()

    run(main())


def test_a_key_with_a_password_does_not_ask_the_terminal(run, authority):
    key, certificate = authority.client("trunkline")
    locked = load_pem_private_key(key, None).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"pw")
    )
    with pytest.raises((ssl.SSLError, OSError)):
        tls_context(certificate=locked + certificate)
