"""No connection to a forbidden address: by URL, by DNS, by redirect or by proxy settings."""

import asyncio
import json
import socket
from contextlib import AsyncExitStack
from ipaddress import ip_network
from pathlib import Path
from threading import Event

from hook_receiver import LOOPBACK, OK, TLS, answering, at_one_port, both_loops, client_for, receiving
from msgspec.structs import replace as changed

from trunkline.domain.callback import Policy, check
from trunkline.webhooks.client import Failure, HookAnswer, HookClient
from trunkline.webhooks.egress import Gate

pytestmark = both_loops

CORPUS = Path(__file__).parents[1] / "corpus"
FORBIDDEN = [row["address"] for row in json.loads((CORPUS / "ssrf.json").read_text())["rows"] if row["forbidden"]]
URLS = json.loads((CORPUS / "callback_urls.json").read_text())["rows"]
PUBLIC = Policy(allow_http=True)


def _refused(answer) -> bool:
    # Everything but the time is the same for every reason.
    return changed(answer, latency_s=0.0) == HookAnswer(None, Failure.EGRESS, 0.0)


async def _listeners(stack: AsyncExitStack):
    """One port on several loopback addresses, v6 too where there is one; nobody may come."""
    sockets = at_one_port("127.0.0.1", "127.1.2.3", "127.255.255.254", "::1")
    found = [await stack.enter_async_context(receiving(answering(OK), at=one)) for one in sockets]
    return found, found[0].port


def test_forbidden_addresses_are_never_connected_to(run):
    async def main():
        async with AsyncExitStack() as stack:
            listeners, port = await _listeners(stack)
            template = check(f"http://example.com:{port}/", policy=PUBLIC)
            client = HookClient(PUBLIC, tls=TLS)
            for address in FORBIDDEN:  # as a literal, past the check of the URL
                target = changed(template, host=address, origin=f"http://[{address}]:{port}")
                assert _refused(await client.send("p", target, b"", b"{}")), address
            await client.close()
            for address in FORBIDDEN:  # as the answer of DNS, alone and behind a good one
                for answers in ([address], ["8.8.8.8", address]):
                    client = HookClient(PUBLIC, gate=Gate(PUBLIC, resolve=lambda host, found=answers: found), tls=TLS)
                    assert _refused(await client.send("p", template, b"", b"{}")), answers
                    await client.close()
            assert [listener.peers for listener in listeners] == [[] for _ in listeners]

    run(main())


def test_forbidden_urls_are_never_connected_to_even_when_the_resolver_understands_them(run):
    async def main():
        async with AsyncExitStack() as stack:
            listeners, port = await _listeners(stack)
            client = HookClient(PUBLIC, tls=TLS)
            template = check(f"http://example.com:{port}/", policy=PUBLIC)
            tried = 0
            for row in URLS:
                if row["accepted"] or row["under"] != "public":
                    continue
                assert check(row["url"], policy=Policy()) is None
                host = row["url"].partition("://")[2].rpartition("/")[0]
                try:
                    socket.inet_aton(host)
                except (OSError, UnicodeError, ValueError):
                    continue  # to look up names here would ask real DNS
                if any(net in socket.inet_aton(host)[:1] for net in (b"\x08", b"\x01")):
                    continue  # public, refused for its notation alone
                tried += 1
                target = changed(template, host=host, origin=f"http://{host}:{port}")
                assert _refused(await client.send("p", target, b"", b"{}")), host
            assert tried >= 20
            for host in ("localhost", "127.0.0.1 ", "127.0.0.1\n"):
                target = changed(template, host=host, origin=f"http://{host}:{port}")
                assert _refused(await client.send("p", target, b"", b"{}")), host
            await client.close()
            assert [listener.peers for listener in listeners] == [[] for _ in listeners]

    run(main())


def test_redirects_to_forbidden_addresses_are_not_followed(run):
    async def main():
        async with AsyncExitStack() as stack:
            listeners, port = await _listeners(stack)
            for address in FORBIDDEN:
                shown = f"[{address}]" if ":" in address else address
                there = f"http://{shown}:{port}/"
                raw = f"HTTP/1.1 307 Go\r\nLocation: {there}\r\nRefresh: 0; url={there}\r\nContent-Length: 0\r\n\r\n"
                receiver = await stack.enter_async_context(receiving(answering(raw.encode()), host="127.9.9.9"))
                async with client_for() as client:
                    target = receiver.target(host="127.9.9.9")
                    assert (await client.send("p", target, b"", b"{}")).status == 307
                assert len(receiver.peers) == 1
            assert [listener.peers for listener in listeners] == [[] for _ in listeners]

    run(main())


def test_proxy_settings_of_the_environment_are_ignored(run, monkeypatch):
    async def main():
        async with AsyncExitStack() as stack:
            (proxy, *_), port = await _listeners(stack)
            for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
            monkeypatch.delenv("no_proxy", raising=False)
            receiver = await stack.enter_async_context(receiving(answering(OK), host="127.9.9.9"))
            async with client_for() as client:
                assert (await client.send("p", receiver.target(host="127.9.9.9"), b"", b"{}")).status == 200
            assert len(receiver.peers) == 1
            assert proxy.peers == []

    run(main())


def test_rebinding_is_seen_at_the_next_connection(run):
    async def main():
        only = Policy(allow_http=True, allowed_networks=(ip_network("127.9.9.9/32"),))
        answers = [["127.9.9.9"], ["127.0.0.1"], ["127.9.9.9", "127.0.0.1"], ["127.9.9.9"]]
        outside, loopback = at_one_port("127.9.9.9", "127.0.0.1")
        async with (
            receiving(answering(OK), at=outside) as receiver,
            receiving(answering(OK), at=loopback) as inside,
        ):
            gate = Gate(only, resolve=lambda host: answers.pop(0), keep_s=0, keep_refused_s=0)
            client = HookClient(only, gate=gate, tls=TLS, recheck_s=0)
            target = receiver.target(host="rebind.example")
            assert (await client.send("p", target, b"", b"{}")).status == 200
            assert _refused(await client.send("p", target, b"", b"{}"))
            assert _refused(await client.send("p", target, b"", b"{}"))
            assert (await client.send("p", target, b"", b"{}")).status == 200
            await client.close()
            assert (len(receiver.peers), inside.peers) == (2, [])

    run(main())


def test_the_connection_goes_to_the_checked_address_and_nowhere_else(run):
    async def main():
        outside, loopback = at_one_port("127.9.9.9", "127.0.0.1")
        async with (
            receiving(answering(OK), at=outside) as receiver,
            receiving(answering(OK), at=loopback) as system,
        ):
            # The system would say 127.0.0.1 for this name; the gate said something else.
            gate = Gate(LOOPBACK, resolve=lambda host: ["127.9.9.9"])
            async with client_for(gate=gate) as client:
                assert (await client.send("p", receiver.target(host="localhost"), b"", b"{}")).status == 200
            assert (len(receiver.peers), system.peers) == (1, [])

    run(main())


def test_a_name_server_that_never_answers_holds_up_its_own_plan_alone(run):
    async def main():
        go_on = Event()

        def resolve(host):
            if host.endswith("slow.example"):
                go_on.wait(30)
            return ["127.0.0.1"]

        async with receiving(answering(OK)) as receiver:
            gate = Gate(LOOPBACK, resolve=resolve, lookup_s=0.3, threads_count=6, threads_per_plan=3)
            async with client_for(gate=gate) as client:
                try:
                    slow = [
                        asyncio.ensure_future(
                            client.send("bad", receiver.target(host=f"n{n}.slow.example"), b"", b"{}")
                        )
                        for n in range(30)
                    ]
                    good = await client.send("good", receiver.target(host="good.example"), b"", b"{}")
                    assert good.status == 200
                    for answer in await asyncio.gather(*slow):
                        assert _refused(answer)
                        assert answer.latency_s < 2
                        assert answer.failure is Failure.EGRESS
                finally:
                    go_on.set()

    run(main())
