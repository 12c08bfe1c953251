"""One process's part of a limit, by a clock that is handed in: what passes, waits, is refused, is told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from trunkline.api.exchange import Request
from trunkline.api.limits import HELD_S, SLICE_S, Bucket, RateLimits, Waits
from trunkline.domain.provisioning import Account, AccountId, Plan, PlanId, Provisioning
from trunkline.store.limits import Ask, Lease

PLAN = PlanId(7)
ACCOUNT = AccountId(3)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Leaser:
    """Answers the asks of a round by `leases`, in turn, and everything once those are used up; OSError where broken."""

    def __init__(self, *leases: Lease) -> None:
        self.leases = list(leases)
        self.asks: list[Ask] = []
        self.rounds = 0
        self.process_count = 1
        self.is_broken = False

    async def take(self, asks: Sequence[Ask]) -> list[Lease]:
        self.rounds += 1
        if self.is_broken:
            raise OSError("no database")
        self.asks += asks
        return [self.leases.pop(0) if self.leases else Lease(ask.wanted, ask.capacity) for ask in asks]

    async def processes(self) -> int:
        if self.is_broken:
            raise OSError("no database")
        return self.process_count

    def abandon(self) -> None:
        pass


def picture(account_rate: int | None, plan_rate: int | None, version: int = 1) -> Provisioning:
    account = Account(ACCOUNT, "1" * 24, "a", True, None, None, account_rate)
    plan = Plan(
        PLAN, "2" * 24, ACCOUNT, "1" * 24, "p", True, None, None, False, 600, 60, 0, True, None, (), plan_rate
    )  # fmt: skip
    return Provisioning(version, {ACCOUNT: account}, {PLAN: plan}, {plan.public_id: plan}, {}, {}, {}, {}, ())


def request() -> Request:
    return Request(b"GET", b"/", b"", {}, b"", False, "192.0.2.1", "r")


class Trial:
    """Limits under a clock that stands still until it is moved."""

    def __init__(self, leaser: Leaser, account_rate: int | None = 0, plan_rate: int | None = 0) -> None:
        self.clock = Clock()
        self.leaser = leaser
        self.limits = RateLimits(leaser, self.clock)
        self.picture = picture(account_rate, plan_rate)

    def knock(self, request: Request) -> str:
        """What becomes of a request now."""
        try:
            over = self.limits.charge_account(request, self.picture, ACCOUNT)
            over = over or self.limits.charge_plan(request, self.picture.plans[PLAN])
        except Waits as waits:
            self.waiting = waits
            return "waits"
        return "passes" if over is None else over.detail.split()[1]

    async def ask(self) -> str:
        """What becomes of one in the end."""
        one = request()
        while (outcome := self.knock(one)) == "waits":
            await self.limits.round()
            if self.waiting.awaited.result():
                one.charged = self.waiting.kind + 1
        return outcome


def test_a_slice_passes_without_a_question_and_the_next_is_fetched_before_it_is_used_up() -> None:
    async def main() -> None:
        leaser = Leaser()
        trial = Trial(leaser, account_rate=200)
        assert await trial.ask() == "passes"
        assert leaser.asks == [Ask(0, ACCOUNT, 200, 200 * HELD_S, 10 + 1)]
        outcomes = [trial.knock(request()) for _ in range(6)]
        assert (outcomes, leaser.rounds) == (["passes"] * 6, 1)
        await trial.limits.round()
        assert leaser.asks[1:] == [Ask(0, ACCOUNT, 200, 50, 10 - 4)]
        assert [trial.knock(request()) for _ in range(10)] == ["passes"] * 10

    asyncio.run(main())


@pytest.mark.parametrize("rate", [10, 20, 30, 60, 100, 1000])
def test_nobody_waits_while_the_next_slice_comes_in_time(rate: int) -> None:
    async def main() -> None:
        trial = Trial(Leaser(), account_rate=rate)
        assert await trial.ask() == "passes"
        for _ in range(50):
            await trial.limits.round()
            assert trial.knock(request()) == "passes"

    asyncio.run(main())


def test_a_burst_waits_for_one_lease_and_gets_what_the_bucket_has() -> None:
    async def main() -> None:
        leaser = Leaser(Lease(50, 0.0))
        trial = Trial(leaser, plan_rate=200)
        burst = [request() for _ in range(60)]
        waits = []
        for one in burst:
            assert trial.knock(one) == "waits"
            waits.append(trial.waiting)
        await trial.limits.round()
        assert (leaser.rounds, leaser.asks[0].wanted) == (1, 50)
        granted = [one.awaited.result() for one in waits if one.awaited.done()]
        # A full bucket was asked for and given: that there is no more is known only after the next lease.
        assert granted == [True] * 50
        leaser.leases = [Lease(0, 0.2)]
        await trial.limits.round()
        assert [one.awaited.result() for one in waits] == [True] * 50 + [False] * 10

    asyncio.run(main())


def test_what_is_known_to_be_empty_refuses_at_once_until_it_may_have_filled() -> None:
    async def main() -> None:
        leaser = Leaser(Lease(1, 0.4))
        trial = Trial(leaser, plan_rate=100)
        assert await trial.ask() == "passes"
        counted = [count.value for count in trial.limits._counts]
        assert [trial.knock(request()) for _ in range(8)] == ["plan's"] * 8
        assert [count.value for count in trial.limits._counts] == [counted[0], counted[1] + 8]
        trial.clock.now += SLICE_S - 0.001
        assert trial.knock(request()) == "plan's"
        assert leaser.rounds == 1
        trial.clock.now += 0.002
        assert trial.knock(request()) == "waits"
        await trial.limits.round()
        assert trial.waiting.awaited.result()

    asyncio.run(main())


def test_a_low_limit_is_leased_request_by_request_and_waited_for_until_a_whole_one_is_there() -> None:
    async def main() -> None:
        leaser = Leaser(Lease(1, 0.7), Lease(0, 0.8))
        trial = Trial(leaser, plan_rate=2)
        assert await trial.ask() == "passes"
        assert await trial.ask() == "plan's"
        assert [ask.wanted for ask in leaser.asks] == [1, 1]
        trial.clock.now += 0.09  # (1 - 0.8) / 2 is 0.1
        assert trial.knock(request()) == "plan's"
        trial.clock.now += 0.02
        assert await trial.ask() == "passes"

    asyncio.run(main())


def test_who_waits_for_the_plan_is_not_counted_for_the_account_again() -> None:
    async def main() -> None:
        trial = Trial(Leaser(), account_rate=1000, plan_rate=10)
        assert await trial.ask() == "passes"
        account = trial.limits._buckets[0, ACCOUNT]
        before = account.left
        for count in range(1, 4):
            assert await trial.ask() == "passes"
            assert account.left == before - count

    asyncio.run(main())


def test_a_plan_that_waits_under_an_account_without_limit_is_counted_once() -> None:
    async def main() -> None:
        trial = Trial(Leaser(), account_rate=0, plan_rate=10)
        for _ in range(3):
            assert await trial.ask() == "passes"
        assert sum(ask.wanted for ask in trial.leaser.asks) - trial.limits._buckets[1, PLAN].left == 3

    asyncio.run(main())


@pytest.mark.parametrize(
    ("rate", "processes", "slice_"),
    [(200, 1, 10), (200, 2, 5), (100, 2, 3), (100, 10, 1), (100, 11, 0), (20, 1, 1), (20, 2, 1), (20, 3, 0), (9, 1, 0)],
)
def test_slices_are_shared_by_the_live_processes(rate: int, processes: int, slice_: int) -> None:
    bucket = Bucket(0, 1, rate, processes)
    assert bucket.slice == slice_
    # What processes may hold on top of the bucket stays below a tenth of a second of the limit.
    assert bucket.slice * processes <= rate * 0.1
    assert bucket.capacity + bucket.slice * processes <= max(rate * 0.5, 5 / 3)


def test_processes_that_come_and_go_change_the_slices() -> None:
    async def main() -> None:
        trial = Trial(Leaser(), account_rate=200)
        await trial.ask()
        trial.leaser.process_count = 4
        trial.clock.now += 2
        for _ in range(10):
            trial.knock(request())
        await trial.limits.round()
        assert trial.limits._buckets[0, ACCOUNT].slice == 3

    asyncio.run(main())


@pytest.mark.parametrize(("rate", "processes", "each"), [(200, 1, 200), (200, 4, 50), (10, 2, 5)])
def test_without_a_database_each_process_goes_on_at_its_share(rate: int, processes: int, each: int) -> None:
    async def main() -> None:
        trial = Trial(Leaser(), account_rate=rate)
        trial.leaser.process_count = processes
        await trial.ask()
        trial.leaser.is_broken = True
        passed, second = 0, 0
        for tick in range(3000):  # 3 s, ten times the limit
            trial.clock.now += 1 / 1000
            if (tick * rate) // 100 > second:
                second = (tick * rate) // 100
                passed += await trial.ask() == "passes"
        burst = max(rate * (HELD_S + SLICE_S), 2) + 1
        assert 3 * each * 0.9 - 1 <= passed <= 3 * each + burst
        assert trial.leaser.rounds <= 5  # the database is tried again once a second
        trial.leaser.is_broken = False
        trial.clock.now += 1.1
        assert await trial.ask() == "passes"
        assert trial.leaser.asks[-1].subject_id == ACCOUNT

    asyncio.run(main())


def test_a_changed_limit_is_taken_up_and_a_lifted_one_is_gone() -> None:
    async def main() -> None:
        trial = Trial(Leaser(), account_rate=200, plan_rate=100)
        one = request()
        await trial.ask()
        trial.knock(one)
        assert b'"account";q=200;w=1, "plan";q=100;w=1' in one.rate_lines()
        trial.picture = picture(50, 0, version=2)
        one = request()
        trial.knock(one)
        assert one.rate_lines().startswith(b'ratelimit-policy: "account";q=50;w=1\r\n')
        trial.picture = picture(0, 0, version=3)
        one = request()
        assert trial.knock(one) == "passes"
        assert one.rate_lines() == b""

    asyncio.run(main())


def test_what_remains_falls_with_the_bucket_and_comes_back_with_time() -> None:
    bucket = Bucket(0, 1, 200, 1)
    bucket.credit(10, Lease(10, 40.0), 5.0)
    assert bucket.remaining(5.0) == 200
    bucket.left = 0
    assert bucket.remaining(5.0) == 160
    assert bucket.remaining(5.03125) == 185
    assert bucket.remaining(9.0) == 200
    bucket.credit(10, Lease(0, 0.5), 6.0)
    assert bucket.remaining(6.01) == 0


def test_a_request_that_was_given_up_is_not_paid_for() -> None:
    async def main() -> None:
        trial = Trial(Leaser(Lease(1, 0.0)), plan_rate=100)
        trial.knock(request())
        trial.waiting.awaited.cancel()
        other = request()
        trial.knock(other)
        waits = trial.waiting
        await trial.limits.round()
        assert waits.awaited.result()

    asyncio.run(main())
