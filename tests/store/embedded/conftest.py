"""Data folders for the tests of the embedded PostgreSQL: copies of one that was made once, which is faster."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from embedded_rig import end_server_of, home_of, open_folder

from trunkline.store.embedded import Embedded, EmbeddedRefused


@pytest.fixture(scope="session")
def template() -> Iterator[Path]:
    base = open_folder("tl-template-")
    server = Embedded(base / "data", fsync=False)
    server.start()
    server.stop()
    yield base / "data"
    shutil.rmtree(base)


@pytest.fixture
def base() -> Iterator[Path]:
    """A folder for one test; servers of data folders in it are ended after the test, whatever it left."""
    folder = open_folder("tl-")
    yield folder
    for data in folder.rglob("postgresql"):
        if data.is_dir():
            end_server_of(data.parent)
            if home_of(data.parent) != data:
                shutil.rmtree(home_of(data.parent), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def data_dir(base: Path, template: Path) -> Path:
    """A data folder whose database was made before and is stopped."""
    subprocess.run(["cp", "-a", template, base / "data"], check=True)
    return base / "data"


@pytest.fixture
def refusal():  # type: ignore[no-untyped-def]
    """Starts a server that must be refused, and gives the one line that says why."""

    def start(server: Embedded) -> str:
        try:
            with pytest.raises(EmbeddedRefused) as refused:
                server.start()
        finally:
            server.stop()
        line = str(refused.value)
        assert line
        assert "\n" not in line
        return line

    return start
