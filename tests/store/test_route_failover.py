"""Carriers that are down, or refuse: where their messages go, and that none returns to one that will not take it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from operator_rig import Operator
from route_ground import Ground, ground

from trunkline.runtime import clock
from trunkline.smpp.status import ESME_RINVDSTADR, ESME_RINVSERTYP, ESME_RSYSERR
from trunkline.store import carriers

TO = "+46701234567"
IN_TURN = """
[[route]]
name = "to a"
carrier = "a"
priority = 2
[[route]]
name = "to b"
carrier = "b"
priority = 1
[[route]]
name = "to c"
carrier = "c"
"""
ELSEWHERE = '{ refusals = { "0x0B" = { action = "other_carrier", code = "451" } } }'
LONG = "long " * 80  # three parts


@pytest.fixture
def trial(database: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs a test on carriers; `names`, `routes`, `dialects` as `ground` takes them."""
    monkeypatch.setattr(carriers, "_SILENT_S", 2.0)

    def run(work: Callable[[Ground], Coroutine[Any, Any, None]], names: str = "abc", **more: Any) -> None:
        async def main() -> None:
            async with ground(database, names, **{"routes": IN_TURN, **more}) as it:
                await work(it)

        asyncio.run(asyncio.wait_for(main(), 90))

    return run


def submits(it: Ground) -> dict[str, int]:
    """How many submit_sm each carrier got."""
    return {name: len(smsc.submits) for name, smsc in it.smscs.items()}


def test_what_waits_for_a_carrier_that_is_down_goes_to_the_next(trial: Callable[..., None], tmp_path: Path) -> None:
    equals = IN_TURN + '[[route]]\nname = "to d"\ncarrier = "d"\npriority = 1\nweight = 2\n'

    async def work(it: Ground) -> None:
        operator = Operator(it.dsn, tmp_path)
        first = await it.send("+46701230000")
        assert await it.final(first) == ("DELIVERED", 0)
        assert submits(it) == {"a": 1, "b": 0, "c": 0, "d": 0}
        await it.smscs["a"].simulator.stop()
        stranded = {await it.send(f"+4670123450{n}"): f"+4670123450{n}" for n in range(6)}
        for msg_id in stranded:
            assert await it.final(msg_id) == ("DELIVERED", 0)
        assert submits(it)["a"] == 1
        assert submits(it)["c"] == 0
        later = await it.send(TO)
        assert await it.final(later) == ("DELIVERED", 0)
        diverted = await it.conn.fetchval("SELECT count(*) FROM attempt WHERE outcome = 'diverted'")
        assert diverted == len(stranded)  # the last one was queued for b or d from the beginning
        for msg_id, to in [*list(stranded.items())[:2], (later, TO)]:
            _, out, _ = await asyncio.to_thread(
                operator.call, "route", "explain", to, "--plan", "otp", "--sender", "12345", "--id", str(msg_id),
                "--json", "--set", "failover_after_s=3",
            )  # fmt: skip
            explained = json.loads(out)
            (went,) = [name for name, smsc in it.smscs.items() if to in smsc.recipients()]
            assert explained["carrier"] == went
            told = {one["route"]: one for one in explained["routes"]}
            assert told["to a"]["down"]
            assert round(told["to d"]["share"], 2) == 0.67
            assert [one["route"] for one in explained["routes"] if one["taken"]] == [f"to {went}"]
        msg_id, to = next(iter(stranded.items()))
        (went,) = [name for name, smsc in it.smscs.items() if to in smsc.recipients()]
        _, shown, _ = await asyncio.to_thread(operator.call, "message", "show", str(msg_id))
        way = f"{went} by route to {went} (drawn by weight, a carrier before it is down)"
        assert f"diverted: part 1 at a/-; goes to {way}" in shown
        assert f"claimed for {way}: part 1, try 1" in shown
        assert "claimed for a" not in shown

    trial(work, "abcd", routes=equals)


def test_a_refusal_for_now_goes_to_the_next_at_once(trial: Callable[..., None]) -> None:
    async def work(it: Ground) -> None:
        it.smscs["a"].status = it.smscs["b"].status = ESME_RSYSERR
        msg_id = await it.send(TO)
        assert await it.final(msg_id) == ("DELIVERED", 0)
        assert submits(it) == {"a": 1, "b": 1, "c": 1}

    trial(work)


def test_refused_by_all_it_waits_and_begins_anew_and_tries_are_bounded(trial: Callable[..., None]) -> None:
    async def work(it: Ground) -> None:
        for smsc in it.smscs.values():
            smsc.status = ESME_RSYSERR
        msg_id = await it.send(TO)
        for at, most_s in (("c", 30), ("a", 120), ("a", 600)):
            name, wait_s = await it.put_off(msg_id)
            assert (name, 0.8 * most_s < wait_s <= most_s) == (at, True)
        assert await it.final(msg_id) == ("FAILED", 460)
        assert submits(it) == {"a": 4, "b": 1, "c": 1}

    trial(work)


def test_it_never_returns_to_who_refused_it_for_good(trial: Callable[..., None]) -> None:
    async def work(it: Ground) -> None:
        it.smscs["a"].status = ESME_RINVDSTADR
        it.smscs["b"].status = it.smscs["c"].status = ESME_RSYSERR
        msg_id = await it.send(TO)
        for _ in range(3):
            await it.put_off(msg_id)
        assert await it.final(msg_id) == ("FAILED", 460)
        assert submits(it) == {"a": 1, "b": 4, "c": 1}

    trial(work, dialects={"a": ELSEWHERE})


def test_refused_for_good_by_all_it_ends(trial: Callable[..., None]) -> None:
    async def work(it: Ground) -> None:
        for smsc in it.smscs.values():
            smsc.status = ESME_RINVDSTADR
        msg_id = await it.send(TO)
        assert await it.final(msg_id) == ("FAILED", 451)
        assert submits(it) == {"a": 1, "b": 1, "c": 1}

    trial(work, dialects=dict.fromkeys("abc", ELSEWHERE))


def test_parts_stay_together(trial: Callable[..., None]) -> None:
    async def work(it: Ground) -> None:
        it.smscs["a"].parts = {2: ESME_RSYSERR}
        begun = await it.send(TO, LONG)
        name, wait_s = await it.put_off(begun)
        assert (name, wait_s <= 5) == ("a", True)
        await it.until("SELECT due_at > trunkline_now() + interval '100 seconds' FROM mt_later")
        it.smscs["a"].parts = {}
        name, wait_s = await it.put_off(begun)
        assert (name, 100 < wait_s <= 120) == ("a", True)
        assert await it.final(begun) == ("DELIVERED", 0)
        assert sorted(it.smscs["a"].submits) == [(TO, 1), (TO, 2), (TO, 2), (TO, 2), (TO, 3)]
        it.smscs["a"].status = ESME_RSYSERR
        refused_whole = await it.send(TO, LONG)
        await it.until("SELECT missing = 7 FROM mt_later WHERE msg_id = $1", refused_whole)
        assert (await it.put_off(refused_whole))[0] == "a"
        assert await it.final(refused_whole) == ("DELIVERED", 0)
        assert len(it.smscs["a"].submits) == 8
        assert sorted(it.smscs["b"].submits) == [(TO, 1), (TO, 2), (TO, 3)]

    trial(work)


def test_a_route_that_is_gone_ends_a_message_only_when_it_must_be_known(trial: Callable[..., None]) -> None:
    async def work(it: Ground) -> None:
        msg_id = await it.send(TO, later_s=30)
        await it.conn.execute("UPDATE route SET active = false")
        while list(it.context.provisioning().routes):
            await clock.sleep(0.02)
        await it.conn.execute("UPDATE mt_later SET due_at = trunkline_now()")
        await it.until("SELECT outcome = 'no_route' FROM attempt")
        assert await it.put_off(msg_id) == ("a", 5)
        await it.conn.execute("UPDATE clock SET shift = shift + interval '61 seconds'")
        assert await it.final(msg_id) == ("FAILED", 304)
        assert submits(it)["a"] == 0

    trial(work, "a", routes='[[route]]\nname = "to a"\ncarrier = "a"\n')


def test_a_carrier_that_is_paused_is_passed_over(trial: Callable[..., None]) -> None:
    async def work(it: Ground) -> None:
        it.smscs["a"].status = ESME_RINVSERTYP
        held = [await it.send(f"+4670123450{n}") for n in range(5)]
        await it.until("SELECT count(*) = 5 FROM mt_later")
        await it.put_off(held[0])
        for msg_id in held:
            assert await it.final(msg_id) == ("DELIVERED", 0)
        assert submits(it) == {"a": 5, "b": 5, "c": 0}

    trial(work)
