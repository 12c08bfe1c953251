"""The Markdown of the customers' pages, read for what tests want of it: examples, tables, JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

SITE = Path(__file__).parents[2] / "docs" / "site"
PAGES = sorted(page.relative_to(SITE).as_posix() for page in SITE.rglob("*.md"))
_FENCE = re.compile(r'^( *)```(\w+)(?: title="([^"]+)")?$')


@dataclass(frozen=True)
class Block:
    """A block of code: the heading above it, its language, the file name that it is given."""

    page: str
    heading: str
    language: str
    title: str | None
    code: str


def text(page: str) -> str:
    return (SITE / page).read_text("utf-8")


def blocks(page: str) -> Iterator[Block]:
    """The blocks of code of a page, in order."""
    heading = ""
    lines = iter(text(page).splitlines())
    for line in lines:
        if line.startswith("#"):
            heading = line.lstrip("# ")
        if opened := _FENCE.match(line):
            indent, language, title = opened.groups()
            code = []
            for inside in lines:
                if inside == f"{indent}```":
                    break
                code.append(inside)
            yield Block(page, heading, language, title, dedent("\n".join(code)) + "\n")


def table(page: str, first: str) -> list[list[str]]:
    """The rows of the table of a page whose head begins with `first`, cells as written."""
    rows: list[list[str]] = []
    inside = False
    for line in text(page).splitlines():
        if line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            inside = inside or cells[0] == first
            if inside:
                rows.append(cells)
        elif inside:
            break
    assert rows, f"{page} has no table of {first}"
    return rows[2:]
