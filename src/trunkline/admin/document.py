"""A set-up file as tables of checked values: every mistake is collected, with its line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from trunkline.admin.places import Path, places
from trunkline.runtime.kinds import Kind

REQUIRED: Any = object()
_LINE = re.compile(r" \(at line (\d+), column \d+\)$")


@dataclass(frozen=True, slots=True)
class Key:
    """One key that a table may have, and what the set-up file's documentation says of it."""

    name: str
    kind: Kind
    default: Any  # REQUIRED: there is none
    sentence: str
    shown: str = ""  # the default, where its value does not tell


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """One thing to put right in a file."""

    line: int
    text: str


class Mistaken(Exception):
    """A file has mistakes; nothing was changed. `lines` has one for each, `FILE:LINE: what is wrong`."""

    def __init__(self, file: str, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = sorted(set(mistakes))
        self.lines = [f"{file}:{mistake.line}: {mistake.text}" for mistake in self.mistakes]
        super().__init__("\n".join(self.lines))


@dataclass(slots=True)
class Document:
    """A parsed file, and the mistakes found in it so far."""

    file: str
    values: Mapping[str, Any]
    places: Mapping[Path, int]
    mistakes: list[Mistake] = field(default_factory=list)

    def line(self, path: Path) -> int:
        """The line of the table or key, or of the nearest one around it that has a line of its own."""
        while path not in self.places:
            path = path[:-1]
        return self.places[path]

    def mistake(self, path: Path, text: str) -> None:
        """Notes a mistake at `path`."""
        self.mistakes.append(Mistake(self.line(path), text))

    def tables(self, path: Path, values: Any, title: str) -> list[Table]:
        """The tables of an array of tables; anything else there is a mistake."""
        if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
            self.mistake(path, f"{title} has to be written as [[{title}]]")
            return []
        return [Table(self, (*path, index), value, title) for index, value in enumerate(values)]


@dataclass(slots=True)
class Table:
    """One table of the file; `read` turns it into checked values."""

    document: Document
    path: Path
    raw: Mapping[str, Any]
    title: str
    values: dict[str, Any] = field(default_factory=dict)
    is_sound: bool = True

    def read(self, keys: Sequence[Key], also: Sequence[str] = ()) -> None:
        """Fills `values` with the keys' values or defaults. `also`: keys that the section reads itself."""
        for key in keys:
            if key.name not in self.raw:
                self.values[key.name] = None if key.default is REQUIRED else key.default
                if key.default is REQUIRED:
                    self.mistake("", f"{self.title} has no {key.name}")
                continue
            try:
                self.values[key.name] = key.kind.read(self.raw[key.name])
            except ValueError as error:
                self.values[key.name] = None
                self.mistake(key.name, f"{key.name} must be {error}")
        names = [*(key.name for key in keys), *also]
        for name in self.raw:
            if name not in names:
                self.mistake(name, f"{self.title} has no key {name}{near(name, names)}")

    def mistake(self, key: str, text: str) -> None:
        """Notes a mistake at `key` (the table itself for ""); what the table describes will not be stored."""
        self.is_sound = False
        self.document.mistake((*self.path, key) if key else self.path, text)

    def tables(self, key: str) -> list[Table]:
        """The tables below `key`, none if it is absent."""
        path = (*self.path, key)
        return self.document.tables(path, self.raw.get(key, []), f"{self.title}.{key}")


def near(name: str, names: Sequence[str]) -> str:
    """`; did you mean …?` where one of `names` is like `name`."""
    close = get_close_matches(name, names, 1, 0.5)
    return f"; did you mean {close[0]}?" if close else ""


def parse(text: str, file: str) -> Document:
    """The document of a file's text. Raises Mistaken where it is not TOML."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        found = _LINE.search(message)
        line = int(found[1]) if found else text.count("\n") + 1  # "at end of document"
        raise Mistaken(file, [Mistake(line, f"not TOML: {_LINE.sub('', message)}")]) from None
    return Document(file, values, places(text))
