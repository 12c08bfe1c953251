"""A carrier takes less than it is offered, or nothing for a while (T17): what it takes is used, nothing fails, and
other carriers do not notice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from rig.installation import Installation, installation
from rig.recording import Recording
from rig.trial import fetchval, trial
from rig.verify import Expected, Ledgers, verify

from trunkline.domain import token
from trunkline.runtime import clock
from trunkline.runtime.secret import seal, secret_key, unseal
from trunkline.runtime.settings import load
from trunkline.store import provisioning
from trunkline.store.provisioning import hook_secret_place, password_place

THROTTLED, QUEUE_FULL = 0x58, 0x14


@pytest.mark.parametrize(("burst", "status"), [(1, THROTTLED), (20, QUEUE_FULL)])
def test_nothing_fails_and_nothing_overtakes(burst: int, status: int, folder: Path, database: str) -> None:
    """A short storm over one bind: each first submission in the order of the queue."""

    async def main() -> None:
        async with installation(
            folder, database, binds=1, smsc={"throttle_per_s": 60, "burst": burst, "throttle_status": status}
        ) as it:
            client = await it.client(senders=1)
            await client.ask("send", count=120)
            await it.sink.wait("final", 120)
            await it.settled()
            await it.verified(links=1)
            answers = [line["answer"] for line in it.smsc.lines() if line["k"] == "submit"]
            assert answers.count(0) == 120
            assert answers.count(status) > 0
            assert await fetchval(it.database, "SELECT count(*) FROM msg WHERE status = 2") == 120
            assert await fetchval(it.database, "SELECT max(tries) FROM ref") == 0  # none of them was an attempt
            assert await disorder_s(it) == 0

    trial(main())


def test_refused_to_the_end_of_its_validity(folder: Path, database: str) -> None:
    async def main() -> None:
        async with installation(folder, database, smsc={"status": THROTTLED}) as it:
            client = await it.client()
            await client.ask("send", count=5)
            await it.smsc.wait("submit", 5)
            assert await fetchval(it.database, "SELECT count(*) FROM msg WHERE status IS NOT NULL") == 0
            await fetchval(it.database, "UPDATE clock SET shift = interval '72 hours 1 second'")
            await it.sink.wait("final", 5)
            codes = "SELECT array_agg(DISTINCT error_code) FROM msg WHERE status = 3"
            assert await fetchval(it.database, codes) == [459]

    trial(main())


async def disorder_s(it: Installation) -> float:
    """By how much the first submission of a message came after that of one accepted later."""
    conn = await asyncpg.connect(it.database)
    try:
        accepted = dict(await conn.fetch("SELECT recipient, msg_id FROM msg"))
    finally:
        await conn.close()
    worst, latest, seen = 0.0, UUID(int=0), set()
    for line in it.smsc.lines():
        if line["k"] == "submit" and line["to"] not in seen:
            seen.add(line["to"])
            msg_id = accepted["+" + line["to"]]
            if msg_id > latest:
                latest = msg_id
            else:
                worst = max(worst, ((latest.int >> 80) - (msg_id.int >> 80)) / 1000, 0.001)
    return worst


@dataclass(frozen=True)
class Storm:
    """What came of a minute of ten times what the carrier takes."""

    accepted_per_s: float
    throttled: float  # share of the answers


def storm(lines: list[dict[str, Any]], begin: float, end: float) -> Storm:
    answers = [line["answer"] for line in lines if line["k"] == "submit" and begin <= line["t"] < end]
    accepted = answers.count(0)
    return Storm(accepted / (end - begin), 1 - accepted / len(answers))


async def another_carrier(it: Installation, port: int) -> tuple[str, str]:
    """A second carrier with a plan of its own, in use by the installation; token and plan."""
    after = len(it.serve.events)
    key = secret_key(load(environ={"TRUNKLINE_DATA_DIR": str(it.folder / "data")}))
    plan = "7" * 24
    conn = await asyncpg.connect(it.database)
    async with conn.transaction():
        own, (sealed,) = await conn.fetchrow("SELECT public_id, hook_secrets FROM plan")
        secret = unseal(key, sealed, hook_secret_place(own))
        plan_id = await conn.fetchval(
            "INSERT INTO plan (public_id, account_id, name, rate_per_s, hook_secrets) VALUES ($1, 1, 'q', 0, $2)"
            " RETURNING plan_id",
            plan,
            [seal(key, secret, hook_secret_place(plan))],
        )
        await conn.execute("INSERT INTO sender (plan_id, address) VALUES ($1, '12345')", plan_id)
        carrier = await conn.fetchval("INSERT INTO carrier (name) VALUES ('other') RETURNING carrier_id")
        await conn.execute(
            "INSERT INTO link (carrier_id, name, host, port, system_id, password, bind_count)"
            " VALUES ($1, 'o', '127.0.0.1', $2, 'trunk', $3, 2)",
            carrier, port, seal(key, b"pw", password_place("other", "o")),
        )  # fmt: skip
        await conn.execute(
            "INSERT INTO route (name, carrier_id, plan_id, priority) VALUES ('other', $1, $2, 10)", carrier, plan_id
        )
        issued = token.issue()
        await provisioning.insert_token(
            conn, account_id=1, label="test", hash=issued.hash, scopes=frozenset({"messages:send"}),
            plan_ids=None, networks=None, expires_after_s=None,
        )  # fmt: skip
    await conn.close()
    await it.serve.event("link.bound", after=after)
    await it.serve.event("provisioning.loaded", after=after, process="api")
    return issued.token, plan


@pytest.mark.fault
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("burst", "status"), [(1, THROTTLED), (20, QUEUE_FULL)])
def test_a_minute_of_ten_times_what_it_takes(burst: int, status: int, folder: Path, database: str) -> None:
    async def main() -> None:
        beside = await Recording.started("smsc", folder / "beside.jsonl", answer_s=0.02, first_id=20_000_000)
        try:
            async with installation(
                folder,
                database,
                smsc={"throttle_per_s": 20, "burst": burst, "throttle_status": status, "answer_s": 0.03},
            ) as it:
                await full_storm(it, beside)
        finally:
            await beside.stop()

    trial(main(), 500)


async def full_storm(it: Installation, beside: Recording) -> None:
    account = await another_carrier(it, beside.told["port"])
    others = await it.client(senders=4, accounts=[account])
    await others.ask("begin", per_s=50)
    await others.wait("accepted", 150)
    alone_from = clock.monotonic_s()
    await clock.sleep(15)
    begun_at = clock.monotonic_s()
    client = await it.client(senders=4)
    await client.ask("begin", per_s=200)
    await clock.sleep(60)
    ended_at = clock.monotonic_s()
    await client.ask("end")
    await it.smsc.ask("set", status=THROTTLED)
    await clock.sleep(30)
    refused_until = clock.monotonic_s()
    assert await fetchval(it.database, "SELECT count(*) FROM msg WHERE status NOT IN (2)") == 0
    await it.smsc.ask("set", status=0, throttle_per_s=0)
    await others.ask("end")
    sent = (await client.ask("counts"))["accepted"] + (await others.ask("counts"))["accepted"]
    await it.sink.wait("final", sent, 200)
    await it.settled(60)

    found = storm(it.smsc.lines(), begun_at + 10, ended_at)
    closed = storm(it.smsc.lines(), ended_at + 1, refused_until)
    alone = storm(beside.lines(), alone_from, begun_at)
    meanwhile = storm(beside.lines(), begun_at, refused_until)
    disorder = await disorder_s(it)
    print(found, closed, alone, meanwhile, f"disorder {disorder:.3f} s", sep="\n")
    assert await fetchval(it.database, "SELECT count(*) FROM msg WHERE status <> 2") == 0
    assert await fetchval(it.database, "SELECT max(tries) FROM ref") == 0
    assert found.accepted_per_s >= 0.9 * 20
    assert found.throttled <= 0.05
    assert closed.accepted_per_s == 0
    assert meanwhile.accepted_per_s >= 0.95 * alone.accepted_per_s
    assert disorder <= 1.0  # senders at work at the same time, over two binds
    ledgers = await it.ledgers()
    far = [{**line, "rid": line["rid"] + 10_000_000} if "rid" in line else line for line in beside.lines()]
    findings = verify(Ledgers(ledgers.client, ledgers.smsc + far, ledgers.sink, ledgers.db), Expected(links=2))
    assert not any(finding.breaches for finding in findings.values()), "\n".join(map(str, findings.values()))
