"""How the webhook client shares, keeps, repeats and gives up connections."""

import asyncio
from collections import Counter

import pytest
from hook_receiver import LOOPBACK, OK, Authority, Peer, answering, both_loops, client_for, receiving

from trunkline.webhooks.client import Failure, tls_context
from trunkline.webhooks.egress import Gate

pytestmark = both_loops


class Tally:
    """Collects answers of `post`."""

    def __init__(self, expected: int) -> None:
        self.answers = []
        self._expected = expected
        self.complete = asyncio.Event()

    def __call__(self, answer) -> None:
        self.answers.append(answer)
        if len(self.answers) == self._expected:
            self.complete.set()

    @property
    def statuses(self) -> Counter:
        return Counter(answer.status or str(answer.failure) for answer in self.answers)


def test_connections_are_used_again(run):
    async def main():
        async with receiving(answering(OK)) as receiver, client_for() as client:
            for n in range(5):
                answer = await client.send("p", receiver.target(f"/{n}"), b"", b"{}")
                assert answer.status == 200
            assert len(receiver.peers) == 1

    run(main())


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        OK + b"x",
        OK + OK,
        OK + b"HTTP/1.1 2",
    ],
)
def test_connections_are_not_used_again_when_the_answer_says_so_or_goes_on(run, raw):
    async def main():
        async with receiving(answering(raw)) as receiver, client_for() as client:
            for _ in range(3):
                answer = await client.send("p", receiver.target(), b"", b"{}")
                assert (answer.status, answer.excerpt) == (200, b"ok")
            assert len(receiver.peers) == 3

    run(main())


def test_an_answer_nobody_asked_for_is_never_taken(run):
    async def main():
        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(OK)
            # The connection is idle on the other side by now, or will be: this must not answer the next post.
            await idle.wait()
            await peer.send(b"HTTP/1.1 201 Smuggled\r\nContent-Length: 0\r\n\r\n")
            await peer.wait_closed()

        idle = asyncio.Event()
        async with receiving(script) as receiver, client_for() as client:
            assert (await client.send("p", receiver.target(), b"", b"{}")).status == 200
            idle.set()
            await receiver.peers[0].closed.wait()
            assert (await client.send("p", receiver.target(), b"", b"{}")).status == 200
            assert len(receiver.peers) == 2

    run(main())


def test_at_most_so_many_at_once_for_an_origin_whatever_the_path(run):
    async def main():
        arrived = asyncio.Semaphore(0)
        go_on = asyncio.Event()

        async def script(peer: Peer) -> None:
            while True:
                await peer.request()
                arrived.release()
                await go_on.wait()
                await peer.send(OK)

        tally = Tally(20)
        async with receiving(script) as receiver, client_for(per_origin=3) as client:
            origin = receiver.target().origin
            assert (client.free("p", origin), client.room("p", origin)) == (3, 3)
            for n in range(20):
                client.post("p", receiver.target(f"/{n}"), b"", b"{}", tally)
                # Behind those under way, as many again may wait.
                assert (client.free("p", origin), client.room("p", origin)) == (max(0, 2 - n), max(0, 5 - n))
            for _ in range(3):
                await arrived.acquire()
            assert len(receiver.peers) == 3
            assert client.free("other", origin) == 3
            go_on.set()
            await tally.complete.wait()
            assert tally.statuses == {200: 20}
            assert len(receiver.peers) == 3
            assert client.free("p", origin) == 3

    run(main())


def test_plans_do_not_share_connections(run):
    async def main():
        async with receiving(answering(OK)) as receiver, client_for() as client:
            for plan in ("p", "q", "p", "q"):
                await client.send(plan, receiver.target(), b"", b"{}")
            assert len(receiver.peers) == 2

    run(main())


def test_a_plan_that_never_answers_does_not_hold_up_the_rest(run):
    async def main():
        async def tarpit(peer: Peer) -> None:
            await peer.wait_closed()

        stuck, served = Tally(100), Tally(200)
        async with receiving(tarpit) as bad, receiving(answering(OK)) as good, client_for(per_origin=4) as client:
            for n in range(100):
                client.post("bad", bad.target(f"/{n}"), b"", b"{}", stuck)
            for n in range(200):
                client.post("good", good.target(f"/{n}"), b"", b"{}", served)
            await served.complete.wait()
            assert served.statuses == {200: 200}
            assert stuck.answers == []
            assert len(bad.peers) <= 4
        assert stuck.statuses == {"closed": 100}

    run(main())


def test_the_cap_over_all_is_shared_in_turns_and_idle_connections_make_room(run):
    async def main():
        tally = Tally(60)
        order = []
        async with (
            receiving(answering(OK)) as one,
            receiving(answering(OK)) as two,
            receiving(answering(OK)) as three,
            client_for(per_origin=4, total=2) as client,
        ):
            receivers = {"one": one, "two": two, "three": three}

            def done(plan, answer):
                order.append(plan)
                tally(answer)

            for plan, receiver in receivers.items():
                for _ in range(20):
                    client.post(plan, receiver.target(), b"", b"{}", lambda answer, plan=plan: done(plan, answer))
            assert client.free("four", "http://127.0.0.1:1") == 0
            await tally.complete.wait()
            assert tally.statuses == {200: 60}
            assert client.free("four", "http://127.0.0.1:1") == 2
            # Nobody is served to the end before the others have begun.
            assert set(order[:20]) == {"one", "two", "three"}
            assert len(client._members) <= 2

    run(main())


def test_a_plan_with_any_number_of_origins_keeps_to_its_cap(run):
    async def main():
        async def tarpit(peer: Peer) -> None:
            await peer.wait_closed()

        stuck, served = Tally(90), Tally(40)
        # Every address of 127.0.0.0/8 and every name is an origin of its own.
        gate = Gate(LOOPBACK, resolve=lambda host: ["127.0.0.1"])
        async with (
            receiving(tarpit) as bad,
            receiving(answering(OK)) as good,
            client_for(gate=gate, per_origin=4, per_plan=6, total=8) as client,
        ):
            for n in range(90):
                client.post("bad", bad.target(host=f"n{n}.example"), b"", b"{}", stuck)
            assert client.room("bad", "http://m.example:80") == client.free("bad", "http://m.example:80") == 0
            assert client.free("good", good.target().origin) == 2
            for n in range(40):
                client.post("good", good.target(host=f"n{n % 10}.example"), b"", b"{}", served)
            await served.complete.wait()
            assert served.statuses == {200: 40}
            assert stuck.answers == []
            assert len(bad.peers) <= 6
        assert stuck.statuses == {"closed": 90}
        assert client._plans == {}

    run(main())


def test_pools_of_a_plan_at_its_cap_take_turns(run):
    async def main():
        order = []
        tally = Tally(60)
        gate = Gate(LOOPBACK, resolve=lambda host: ["127.0.0.1"])
        async with (
            receiving(answering(OK)) as receiver,
            client_for(gate=gate, per_origin=4, per_plan=2, total=8) as client,
        ):
            for n in range(60):
                target = receiver.target(host=f"n{n // 20}.example")
                client.post("p", target, b"", b"{}", lambda answer, n=n: (order.append(n // 20), tally(answer)))
            await tally.complete.wait()
            assert tally.statuses == {200: 60}
            assert set(order[:20]) == {0, 1, 2}
            assert client.free("p", receiver.target().origin) == 2

    run(main())


def _closing_after(answers_count: int, read_count: int):
    """Answers so many requests of a connection, then reads so many more and closes without a byte."""

    async def script(peer: Peer) -> None:
        for _ in range(answers_count):
            await peer.request()
            await peer.send(OK)
        for _ in range(read_count):
            await peer.request()

    return script


def test_a_kept_connection_that_was_closed_meanwhile_is_repeated_once(run):
    async def main():
        async with receiving(_closing_after(1, 1)) as receiver, client_for() as client:
            assert (await client.send("p", receiver.target(), b"", b"{}")).status == 200
            assert (await client.send("p", receiver.target(), b"", b"{}")).status == 200
            assert len(receiver.peers) == 2

    run(main())


def test_the_repeat_is_not_repeated(run):
    async def main():
        seen = 0

        async def script(peer: Peer) -> None:
            nonlocal seen
            await peer.request()
            seen += 1
            if len(receiver.peers) == 1:
                await peer.send(OK)
                await peer.request()
                seen += 1

        async with receiving(script) as receiver, client_for() as client:
            assert (await client.send("p", receiver.target(), b"", b"{}")).status == 200
            answer = await client.send("p", receiver.target(), b"", b"{}")
            assert (answer.status, answer.failure) == (None, Failure.RESET)
            assert (len(receiver.peers), seen) == (2, 3)

    run(main())


def test_nothing_is_repeated_on_a_fresh_connection_or_after_a_byte(run):
    async def main():
        async with receiving(_closing_after(0, 1)) as receiver, client_for() as client:
            assert (await client.send("p", receiver.target(), b"", b"{}")).failure is Failure.RESET
            assert len(receiver.peers) == 1

        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(OK)
            await peer.request()
            await peer.send(b"HTTP/1.1 20")

        async with receiving(script) as receiver, client_for() as client:
            assert (await client.send("p", receiver.target(), b"", b"{}")).status == 200
            assert (await client.send("p", receiver.target(), b"", b"{}")).failure is Failure.RESET
            assert len(receiver.peers) == 1

    run(main())


@pytest.mark.parametrize("setting", ["idle_s", "recheck_s"])
def test_kept_connections_are_closed_in_time(run, setting):
    async def main():
        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(OK)
            await peer.wait_closed()

        async with receiving(script) as receiver, client_for(attempt_s=1, **{setting: 0.05}) as client:
            await client.send("p", receiver.target(), b"", b"{}")
            await asyncio.wait_for(receiver.peers[0].closed.wait(), 5)
            assert client._pools == {}
            assert client._members == {}

    run(main())


def test_an_address_is_checked_again_before_an_old_connection_is_used(run):
    async def main():
        lookups = []

        def resolve(host):
            lookups.append(host)
            return ["127.0.0.1"]

        async with receiving(answering(OK)) as receiver:
            gate = Gate(LOOPBACK, resolve=resolve, keep_s=0)
            # The sweeper does not come in time here; the look before use must do it.
            async with client_for(gate=gate, recheck_s=0) as client:
                for _ in range(3):
                    answer = await client.send("p", receiver.target(host="hooks.example"), b"", b"{}")
                    assert answer.status == 200
            assert len(lookups) == 3
            assert len(receiver.peers) == 3

    run(main())


def test_done_may_post(run):
    async def main():
        over = asyncio.Event()
        left = 50

        async with receiving(answering(OK)) as receiver, client_for(per_origin=1) as client:

            def done(answer):
                nonlocal left
                assert answer.status == 200
                left -= 1
                if left:
                    client.post("p", receiver.target(), b"", b"{}", done)
                else:
                    over.set()

            client.post("p", receiver.target(), b"", b"{}", done)
            await over.wait()
            assert len(receiver.peers) == 1

    run(main())


@pytest.mark.parametrize("with_tls", [False, True])
def test_close_answers_everybody_and_closes_every_socket(run, with_tls, tmp_path):
    authority = Authority(tmp_path) if with_tls else None

    async def main():
        async def script(peer: Peer) -> None:
            request = await peer.request()
            if request.line.startswith(b"POST /idle"):
                await peer.send(OK)
            await peer.wait_closed()

        tally = Tally(12)
        server = authority.server("127.0.0.1") if authority else None
        settings = {"tls": tls_context(str(authority.file))} if authority else {}
        scheme = "https" if authority else "http"
        async with receiving(script, tls=server) as receiver:
            async with client_for(per_origin=4, **settings) as client:
                assert (await client.send("q", receiver.target("/idle", scheme=scheme), b"", b"{}")).status == 200
                for _ in range(8):
                    client.post("p", receiver.target("/busy", scheme=scheme), b"", b"{}", tally)
                assert (await client.send("s", receiver.target("/idle", scheme=scheme), b"", b"{}")).status == 200
                for _ in range(4):  # still dialling when the end comes
                    client.post("r", receiver.target("/busy", scheme=scheme), b"", b"{}", tally)
            assert tally.statuses == {"closed": 12}
            assert (await client.send("p", receiver.target(), b"", b"{}")).failure is Failure.CLOSED
            assert client._sockets == set()
            for peer in receiver.peers:
                await asyncio.wait_for(peer.closed.wait(), 5)

    run(main())
