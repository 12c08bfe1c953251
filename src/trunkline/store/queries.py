"""Named SQL statements, read from `sql/*.sql`: SQL stays SQL, each statement with a name and a comment.

A file holds blocks headed `-- name: word`; `-- include: word` on a line of its own pastes another block of the same
file (a CTE that several statements share).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_INCLUDE = re.compile(r"^-- include: (\w+)$", re.MULTILINE)


class Queries:
    """The statements of one file, as attributes: `Queries("mt").claim`."""

    def __init__(self, file: str, values: Mapping[str, str] | None = None) -> None:
        """`values` replace the comments `/* word */` of the file: what is derived from a table in the code."""
        self.file = file
        pieces = _NAME.split(files("trunkline.store").joinpath("sql", f"{file}.sql").read_text("utf-8"))
        raw = dict(zip(pieces[1::2], (text.strip() for text in pieces[2::2]), strict=True))
        self.statements = {name: _INCLUDE.sub(lambda m: raw[m[1]], text) for name, text in raw.items()}
        for word, value in (values or {}).items():
            self.statements = {n: text.replace(f"/* {word} */", value) for n, text in self.statements.items()}

    def __getattr__(self, name: str) -> str:
        try:
            return self.statements[name]
        except KeyError:
            raise AttributeError(f"sql/{self.file}.sql has no statement named {name}") from None
