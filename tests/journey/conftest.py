"""The sandbox that the journeys share, and ways to start others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sandbox_rig import Sandbox


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """The sandbox that most journeys share."""
    running = Sandbox(tmp_path_factory.mktemp("sandbox"))
    yield running
    running.stop()
    running.remove()


@pytest.fixture
def a_sandbox(tmp_path: Path) -> Iterator[Callable[[], Sandbox]]:
    """Starts sandboxes in a folder of the test's own."""
    started: list[Sandbox] = []

    def start() -> Sandbox:
        started.append(Sandbox(tmp_path))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.stop()
    for one in started:
        one.remove()
