"""Dispatchers are killed while handsets write: each message is delivered once, whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rig.installation import installation
from rig.trial import fetchval, sizes, trial, until

from trunkline.text.udh import concat_header


@dataclass(frozen=True)
class Size:
    """So many messages of three parts and as many of one; in each of so many rounds the dispatcher is killed."""

    count: int
    kills: int


# Few kills: a child that dies again and again is started ever later, after 1 s, 2, 4 … 32.
@sizes(Size(20, 1), Size(300, 6), 200)
def test_killed_between_parts(size: Size, folder: Path, database: str) -> None:
    """Parts come in any order, some of them twice; what was not answered comes again on other binds."""

    async def main() -> None:
        async with installation(folder, database, binds=2, lease_s=5) as it:
            for kill in range(size.kills):
                for half in range(2):
                    for n in range(size.count):
                        source = f"1555{kill:03}{n:04}"
                        for number in ((3, 1), (2, 3))[half]:
                            octets = concat_header(n, 3, number, 8) + b"%d" % number
                            await it.smsc.ask("say", octets=octets.hex(), source=source, esm_class=0x40)
                        if half:
                            await it.smsc.ask("say", octets=b"YES".hex(), source=source)
                    if not half:
                        # The first halves are stored, or on their way: whatever was not answered comes again.
                        await it.smsc.wait("rok", (kill * 5 + 1) * size.count)
                        await it.kill("dispatcher-1")
            wanted = size.count * size.kills
            await it.smsc.wait("rok", wanted * 5)
            await until(it.database, "SELECT count(*) FROM mo WHERE body = '123' AND NOT partial", wanted)
            assert await fetchval(it.database, "SELECT count(*) FROM mo WHERE body = 'YES'") == wanted
            assert await fetchval(it.database, "SELECT count(*) FROM mo") == 2 * wanted
            assert await fetchval(it.database, "SELECT count(*) FROM mo_part WHERE joined_at IS NULL") == 0

    trial(main(), 180)


def test_killed_before_the_answers(folder: Path, database: str) -> None:
    """The messages are stored, the answers not read: the links die with the process and the carrier sends all again,
    long after."""

    async def main() -> None:
        async with installation(folder, database, binds=2, lease_s=5) as it:
            for n in range(20):
                await it.smsc.ask("say", octets=b"YES".hex(), source=f"1555000{n:04}")
            await until(it.database, "SELECT count(*) FROM mo", 20)
            await it.kill("dispatcher-1")
            await it.smsc.wait("bind", 4)
            await until(it.database, "UPDATE clock SET shift = '1 minute' RETURNING 1", 1)
            for n in range(20):  # as if none had been answered
                await it.smsc.ask("say", octets=b"YES".hex(), source=f"1555000{n:04}")
            await it.smsc.wait("rok", 40)
            assert await fetchval(it.database, "SELECT count(*) FROM mo") == 20

    trial(main())
