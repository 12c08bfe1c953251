"""The egress gate by itself: what it keeps, what it refuses, and how it holds out against slow name servers."""

import asyncio
from ipaddress import ip_network
from threading import Event, Lock
from threading import enumerate as enumerate_threads

import pytest

from trunkline.domain.callback import Policy
from trunkline.webhooks.egress import Gate

PUBLIC = Policy()


class Resolver:
    """Answers by name; a name that is not there has no address. Counts, and how many at once."""

    def __init__(self, **answers) -> None:
        self.answers = {name.replace("_", "."): found for name, found in answers.items()}
        self.asked: list[str] = []
        self.at_once = self.most_at_once = 0
        self.gate = Event()
        self.gate.set()
        self._lock = Lock()

    def __call__(self, host: str) -> list[str]:
        with self._lock:
            self.asked.append(host)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            self.gate.wait(20)
            if host not in self.answers:
                raise OSError(-2, "Name or service not known")
            return self.answers[host]
        finally:
            with self._lock:
                self.at_once -= 1


def ask(resolver, *hosts, policy=PUBLIC, **settings):
    async def main():
        gate = Gate(policy, resolve=resolver, **settings)
        return [(await gate.addresses("p", host)).addresses for host in hosts]

    return asyncio.run(main())


def test_checked_addresses_in_the_order_given_once_each_families_in_turns():
    resolver = Resolver(
        a_example=["2606:4700::1", "2606:4700::2", "2606:4700::3", "8.8.8.8", "8.8.8.8", "1.1.1.1"],
        b_example=["8.8.8.8", "1.1.1.1", "2606:4700::1"],
    )
    assert ask(resolver, "a.example", "b.example") == [
        ("2606:4700::1", "8.8.8.8", "2606:4700::2", "1.1.1.1", "2606:4700::3"),
        ("8.8.8.8", "2606:4700::1", "1.1.1.1"),
    ]


@pytest.mark.parametrize(
    "answers",
    [
        ["127.0.0.1"],
        ["8.8.8.8", "10.0.0.1"],
        ["10.0.0.1", "8.8.8.8"],
        ["::ffff:127.0.0.1"],
        ["8.8.8.8", "64:ff9b::10.0.0.1"],
        ["8.8.8.8", "fe80::1%eth0"],
        ["not an address"],
        [""],
        [],
        ["8.8.8.8"] * 499 + ["169.254.169.254"],
    ],
)
def test_one_forbidden_address_refuses_the_name(answers):
    assert ask(Resolver(a_example=answers), "a.example") == [()]


def test_many_records_are_all_checked_and_few_are_kept():
    records = [f"8.8.{n // 250}.{n % 250}" for n in range(500)]
    assert ask(Resolver(a_example=records), "a.example") == [tuple(records[: Gate.ADDRESS_LIMIT])]


def test_unknown_names_and_names_idna_cannot_take():
    assert ask(Resolver(), "nowhere.example") == [()]

    def resolve(host):
        return host.encode("idna") and []

    assert ask(resolve, "a" * 64 + ".example") == [()]


def test_literals_are_judged_without_a_lookup():
    resolver = Resolver()
    policy = Policy(allowed_networks=(ip_network("10.1.0.0/16"),))
    hosts = ("8.8.8.8", "10.1.2.3", "10.2.0.1", "::1", "2606:4700::1")
    assert ask(resolver, *hosts, policy=policy) == [("8.8.8.8",), ("10.1.2.3",), (), (), ("2606:4700::1",)]
    assert resolver.asked == []


def test_answers_are_kept_for_their_time_refusals_for_theirs():
    hosts = ("a.example", "a.example", "nowhere.example", "nowhere.example")
    for keep_s, keep_refused_s, asked in ((60, 60, [1, 1]), (0, 60, [2, 1]), (60, 0, [1, 2])):
        resolver = Resolver(a_example=["8.8.8.8"])
        ask(resolver, *hosts, keep_s=keep_s, keep_refused_s=keep_refused_s)
        assert [resolver.asked.count("a.example"), resolver.asked.count("nowhere.example")] == asked


def test_what_is_kept_is_bounded():
    async def main():
        resolver = Resolver(**{f"n{n}": ["8.8.8.8"] for n in range(50)})
        gate = Gate(PUBLIC, resolve=resolver, keep_count=10)
        for n in range(50):
            await gate.addresses("p", f"n{n}")
        assert len(gate._kept) == 10
        await gate.addresses("p", "n49")
        assert len(resolver.asked) == 50

    asyncio.run(main())


def test_askers_of_one_name_share_a_lookup():
    async def main():
        resolver = Resolver(a_example=["8.8.8.8"])
        gate = Gate(PUBLIC, resolve=resolver)
        found = await asyncio.gather(*(gate.addresses("p", "a.example") for _ in range(20)))
        assert {one.addresses for one in found} == {("8.8.8.8",)}
        assert resolver.asked == ["a.example"]

    asyncio.run(main())


def test_a_slow_lookup_is_refused_in_time_and_its_answer_used_once_it_is_there():
    async def main():
        resolver = Resolver(a_example=["8.8.8.8"])
        resolver.gate.clear()
        gate = Gate(PUBLIC, resolve=resolver, lookup_s=0.05)
        assert (await gate.addresses("p", "a.example")).addresses == ()
        assert (await gate.addresses("p", "a.example")).addresses == ()
        assert resolver.asked == ["a.example"]  # the thread is still at it; no second one
        resolver.gate.set()
        await asyncio.gather(*gate._lookups.values())
        assert (await gate.addresses("p", "a.example")).addresses == ("8.8.8.8",)
        assert resolver.asked == ["a.example"]

    asyncio.run(main())


def test_an_asker_that_gives_up_does_not_take_the_answer_from_the_others():
    async def main():
        resolver = Resolver(a_example=["8.8.8.8"])
        resolver.gate.clear()
        gate = Gate(PUBLIC, resolve=resolver)
        first, second = (asyncio.ensure_future(gate.addresses("p", "a.example")) for _ in range(2))
        await asyncio.wait([first, second], timeout=0.02)
        first.cancel()
        resolver.gate.set()
        assert (await second).addresses == ("8.8.8.8",)
        await asyncio.wait([first])
        assert first.cancelled()

    asyncio.run(main())


def test_threads_are_bounded_in_all_and_for_a_plan():
    async def main():
        names = {f"n{n}": ["8.8.8.8"] for n in range(40)}
        for settings, most in (({"threads_count": 5, "threads_per_plan": 40}, 5), ({"threads_per_plan": 3}, 3)):
            resolver = Resolver(**names)
            resolver.gate.clear()
            gate = Gate(PUBLIC, resolve=resolver, **settings)
            asks = [asyncio.ensure_future(gate.addresses("p", name)) for name in names]
            await asyncio.wait(asks, timeout=0.05)
            resolver.gate.set()
            assert all(found.addresses == ("8.8.8.8",) for found in await asyncio.gather(*asks))
            assert resolver.most_at_once == most
            assert len(resolver.asked) == 40

    asyncio.run(main())


def test_a_plan_whose_names_hang_cannot_refuse_a_name_to_others():
    async def main():
        slow = Event()
        hanging = {"slow0.example", "slow1.example"}

        def resolve(host):
            if host.startswith("slow"):
                slow.wait(20)
            return ["8.8.8.8"]

        gate = Gate(PUBLIC, resolve=resolve, lookup_s=0.2, threads_per_plan=2)
        asks = [asyncio.ensure_future(gate.addresses("bad", f"slow{n}.example")) for n in range(5)]
        asks.append(asyncio.ensure_future(gate.addresses("bad", "shared.example")))  # waits behind its own
        await asyncio.wait(asks, timeout=0.02)
        assert (await gate.addresses("good", "shared.example")).addresses == ("8.8.8.8",)
        assert {found.addresses for found in await asyncio.gather(*asks)} == {()}
        await asyncio.gather(*(task for (_, host), task in gate._lookups.items() if host not in hanging))
        assert {host for _, host in gate._lookups} == hanging  # what only waited is gone
        slow.set()
        await asyncio.gather(*gate._lookups.values())
        assert len(gate._plan_threads) == 0

    asyncio.run(main())


def test_close_does_not_wait_for_threads():
    async def main():
        resolver = Resolver(a_example=["8.8.8.8"])
        resolver.gate.clear()
        gate = Gate(PUBLIC, resolve=resolver, lookup_s=20)
        asked = asyncio.ensure_future(gate.addresses("p", "a.example"))
        await asyncio.wait([asked], timeout=0.02)
        await asyncio.wait_for(gate.close(), 1)
        assert (await asyncio.gather(asked, return_exceptions=True))[0].__class__ is asyncio.CancelledError
        return resolver

    resolver = asyncio.run(main())
    threads = [thread for thread in enumerate_threads() if thread.name == "resolve"]
    assert threads
    resolver.gate.set()  # the thread finds its loop closed: what it raised there would be a warning, so an error
    for thread in threads:
        thread.join(5)
