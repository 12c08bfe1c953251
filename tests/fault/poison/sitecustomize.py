"""Poison, for the test of it: texts that an installation's encoder cannot take. Python imports this before all else
where the folder is on its path."""

from __future__ import annotations

import os
from typing import Any

from trunkline.mt import submit

_encode_parts = submit.encode_parts


def _poisoned(text: str, *how: Any) -> Any:
    if "poison: raise" in text:
        raise TypeError("a mistake in the encoder")
    if "poison: exit" in text:
        os._exit(9)
    return _encode_parts(text, *how)


submit.encode_parts = _poisoned
