"""The whole running product with a carrier that nobody here wrote: from the API to the webhook, and from a handset."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from foreign_end import JASMIN, NIGHTLY, NPM, SMPP34, SMPPLIB, Kind, running
from rig.installation import installation
from rig.trial import fetchval, trial, until


@pytest.fixture
def folder() -> Iterator[Path]:
    """A new folder for ledgers and an installation's data, gone after the test."""
    path = Path(tempfile.mkdtemp(prefix="trunkline-foreign-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path, ignore_errors=True)


FULL = [pytest.mark.fault, pytest.mark.timeout(200)]


@pytest.mark.parametrize(
    "kind",
    [NPM, pytest.param(SMPP34, marks=FULL), pytest.param(SMPPLIB, marks=FULL), pytest.param(JASMIN, marks=NIGHTLY)],
    ids=str,
)
def test_the_whole_trip(kind: Kind, folder: Path, database: str) -> None:
    async def main() -> None:
        async with running(kind) as end, installation(folder, database, smsc_port=end.port, foreign=True) as it:
            await end.seen("bind", 2)
            short = await it.client()
            long = await it.client(chars=400)
            await short.ask("send", count=20)
            await long.ask("send", count=5)
            await it.sink.wait("final", 25)
            await it.settled()
            assert await fetchval(it.database, "SELECT count(*) FROM msg WHERE status = 2") == 25
            assert len(await end.seen("submit")) == 20 + 5 * 3
            end.ask("mo", source="15550002222", to="12345", hex=b"YES please".hex(), esm=0, dcs=0)
            await until(it.database, "SELECT count(*) FROM mo WHERE body = 'YES please' AND keyword = 'YES'", 1)
            # The carrier ends both links; what comes then goes out once they are back.
            end.ask("unbind")
            await end.seen("bind", 4)
            await short.ask("send", count=5)
            await it.sink.wait("final", 30)
            await it.settled()

    trial(main())
