"""What the tests of faults share: a folder that a PostgreSQL of another system user may live in."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def folder() -> Iterator[Path]:
    """A new folder for ledgers and an installation's data, gone after the test."""
    path = Path(tempfile.mkdtemp(prefix="trunkline-fault-"))
    path.chmod(0o711)  # root's PostgreSQL runs as another user, who has to pass through
    yield path
    shutil.rmtree(path, ignore_errors=True)
