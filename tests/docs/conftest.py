"""The sandbox that the examples run against."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sandbox_rig import Sandbox


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    running = Sandbox(tmp_path_factory.mktemp("sandbox"))
    yield running
    running.stop()
    running.remove()
