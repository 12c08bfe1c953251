"""Every role is stopped and started again under load: nobody sees an error, nothing is lost, nothing in doubt."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path

from rig.installation import installation
from rig.trial import fetchval, sizes, trial


@dataclass(frozen=True)
class Size:
    rounds: int
    senders: int
    between: int
    per_s: float


@sizes(Size(1, 4, 30, 60), Size(3, 16, 400, 400), 60)
def test_rolling_restart(size: Size, folder: Path, database: str) -> None:
    async def main() -> None:
        pairs = {"api": 2, "dispatcher": 2, "webhooks": 1}
        async with installation(
            folder,
            database,
            processes=pairs,
            binds=4,
            window=50,
            smsc={"answer_s": 0.2},  # takes 1000 a second
        ) as it:
            client = await it.client(senders=size.senders)
            await client.ask("begin", per_s=size.per_s)
            accepted = 0
            for _ in range(size.rounds):
                for child in it.serve.children():
                    accepted += size.between
                    await client.wait("accepted", accepted)
                    after = len(it.serve.events)
                    it.signal(child, signal.SIGTERM)
                    died = await it.serve.event("child.died", after=after, child=child)
                    assert died["code"] == 0, died
                    await it.serve.event("child.ready", after=after, child=child)
            await client.ask("end")
            await it.settled()
            await it.verified()
            assert {line["answer"] for line in client.lines()} <= {202, None}
            assert await fetchval(it.database, "SELECT count(*) FROM msg WHERE error_code >= 900") == 0
            ends = [line for line in it.smsc.lines() if line["k"] == "end"]
            assert ends
            assert {line["reason"] for line in ends} == {"the other side unbound"}
            assert await it.serve.stop() <= 35

    trial(main(), 300)


def test_the_last_answers_are_awaited(folder: Path, database: str) -> None:
    """SIGTERM with the windows full: the answers that come in time are stored before the process ends."""

    async def main() -> None:
        async with installation(folder, database, smsc={"hold_answers": True}) as it:
            client = await it.client()
            await client.ask("send", count=30)
            await it.smsc.wait("submit", 20)
            after = len(it.serve.events)
            it.signal("dispatcher-1", signal.SIGTERM)
            await it.smsc.ask("release_answers")
            died = await it.serve.event("child.died", after=after, child="dispatcher-1")
            assert died["code"] == 0
            assert await fetchval(it.database, "SELECT count(*) FROM inflight") == 0
            await it.settled()
            await it.verified()
            assert await fetchval(it.database, "SELECT count(*) FROM msg WHERE status = 2") == 30

    trial(main())
