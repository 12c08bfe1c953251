"""SMSCs that other people wrote, each in a process of its own on loopback."""

from __future__ import annotations

import sys
from pathlib import Path

_TESTS = Path(__file__).parents[1]
sys.path += [str(_TESTS / "carrier"), str(_TESTS / "fault")]
