"""The limit of open files, in a process of its own."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import pytest

ASKED = """
import resource
from trunkline.runtime.files import allow_most
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 640))
allow_most()
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


SERVED = """
import contextlib, resource
from trunkline.roles.serve import run
from trunkline.runtime.settings import SettingsError, load
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 640))
with contextlib.suppress(SettingsError):  # plain HTTP for everybody: refused before anything is started
    run(load())
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize("code", [ASKED, SERVED], ids=["asked", "served"])
def test_all_that_is_allowed_is_used_and_no_more(code: str) -> None:
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] >= 640
    environ = {**os.environ, "TRUNKLINE_HTTP_HOST": "0.0.0.0"}
    asked = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=60, check=True
    )
    assert asked.stdout.split() == ["640"]
