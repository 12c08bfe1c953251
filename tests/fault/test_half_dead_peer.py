"""A link over which nothing passes any more, and that nobody closes: enquire_link finds it, the other one goes on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rig.faultproxy import proxied
from rig.installation import installation
from rig.recording import Recording
from rig.trial import fetchval, sizes, trial, until


@dataclass(frozen=True)
class Size:
    idle_s: float
    dead_s: float
    count: int


@sizes(Size(0.5, 0.5, 60), Size(5.0, 10.0, 2000), 45)
def test_half_dead(size: Size, folder: Path, database: str) -> None:
    timers = {"enquire_link_s": size.idle_s, "enquire_link_resp_s": size.dead_s, "response_s": 60.0}

    async def main() -> None:
        # The port has to be known before there is anybody on it.
        carrier = await Recording.started("smsc", folder / "carrier.jsonl", hold_answers=True, stat=None)
        async with (
            proxied(carrier.told["port"]) as proxy,
            installation(folder, database, timers=timers, smsc_port=proxy.port, foreign=True) as it,
        ):
            try:
                await carrier.wait("bind", 2)
                client = await it.client()
                await client.ask("send", count=20)
                await carrier.wait("submit", 20)
                after = len(it.serve.events)
                proxy.swallowed.add(1)
                await carrier.ask("set", hold_answers=False, stat="DELIVRD")
                assert await carrier.ask("release_answers") == 20
                await client.ask("send", count=size.count)
                # Over the other link, while this one is not known to be dead yet.
                await it.sink.wait("final", size.count)
                closed = await it.serve.event("link.closed", after=after)
                assert closed["reason"] == "no answer to enquire_link"
                await carrier.wait("bind", 3)
                await until(it.database, "SELECT count(*) FROM msg WHERE status = 4 AND error_code = 901", 10)
                assert await fetchval(it.database, "SELECT count(*) FROM msg WHERE status = 3") == 0
                # Nothing was sent twice.
                lines = [line["ref"] for line in carrier.lines() if line["k"] == "submit"]
                assert len(lines) == len(set(lines)) == 20 + size.count
            finally:
                await carrier.stop()

    trial(main())
