"""The limit of open files, in a process of its own."""

from __future__ import annotations

import resource
import subprocess
import sys

ASKED = """
import resource
from trunkline.runtime.files import allow_most
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 640))
allow_most()
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def test_all_that_is_allowed_is_used_and_no_more() -> None:
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] >= 640
    asked = subprocess.run([sys.executable, "-c", ASKED], capture_output=True, text=True, timeout=60, check=True)
    assert asked.stdout.split() == ["640"]
