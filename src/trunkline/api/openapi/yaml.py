"""YAML of what JSON can say: blocks instead of braces, texts of several lines as they are, the rest as in JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

# Plain where no reader takes it for anything but this text: no number, no word of YAML, no mark.
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]*(?:[-/.][A-Za-z0-9_]+)*").fullmatch
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_LITERAL = re.compile(r"\S[\n\x20-\x7e]*\S", re.ASCII).fullmatch


def dump(value: Any) -> str:
    """The YAML document of `value`: dicts with text keys, lists, printable texts, numbers, booleans, None."""
    return "".join(f"{line}\n" for line in _lines(value))


def _lines(value: Any) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for name, held in value.items():
            yield from _entry(f"{_scalar(name)}:", held, "  ")
    elif isinstance(value, list) and value:
        for held in value:
            yield from _entry("-", held, "  ")
    else:
        yield _scalar(value)


def _entry(head: str, value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, str) and "\n" in value and _LITERAL(value):
        yield f"{head} |-"
        yield from (f"{indent}{line}" if line else "" for line in value.split("\n"))
    elif isinstance(value, dict | list) and value:
        lines = _lines(value)
        if head == "-":
            yield f"- {next(lines)}"
        else:
            yield head
        yield from (f"{indent}{line}" if line else "" for line in lines)
    else:
        yield f"{head} {_scalar(value)}"


def _scalar(value: Any) -> str:
    if isinstance(value, str) and _PLAIN(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)
