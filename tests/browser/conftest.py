"""A running API, and a browser that may be absent."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "contract"))

from api_rig import Rig, rig

__all__ = ["browser", "rig"]


@pytest.fixture(scope="module")
def browser(rig: Rig) -> Iterator[object]:
    """Headless Chromium of the system; none is downloaded. Ends before `rig` does: while it lives, this thread has a
    running loop, and asyncio.run() is out of the question."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium here")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, chromium_sandbox=os.geteuid() != 0)
        yield running
        running.close()
