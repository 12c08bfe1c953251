"""A running API for clients that are made from its description."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "contract"))

from api_rig import rig

__all__ = ["rig"]
