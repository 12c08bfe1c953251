"""A running API over a real database, for tests that ask it over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from api_rig import Rig, copied


@pytest.fixture(scope="module")
def rig(server: str, template: str) -> Iterator[Rig]:
    """The API over a database of this file's own, with the accounts, plans and tokens of `api_rig`."""
    with copied(server, template) as dsn, Rig(dsn) as running:
        yield running
