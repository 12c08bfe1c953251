"""Where everything in a TOML text is: the line of each table and key, for messages that name it.

The standard library's parser gives values without places. This one gives places without values, and only of texts that
the other has read, so it is lenient.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping

Path = tuple[str | int, ...]

_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
# Longest first: the quotes of multi-line strings start like those of the others.
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}|' + r"'''.*?'{3,5}" + r'|"(?:\\.|[^"\\\n])*"' + r"|'[^'\n]*'", re.DOTALL
)
_SCALAR = re.compile(r"[^,\]}#\n]*")
_ESCAPE = re.compile(r'\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([btnfr"\\e]))')
_ESCAPED = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "e": "\x1b"}


def places(text: str) -> Mapping[Path, int]:
    """The line (1 = first) of each table, key and element of a valid TOML text, by path: `("carrier", 0, "name")`."""
    return _Walk(text).document()


class _Walk:
    def __init__(self, text: str) -> None:
        self._text = text.replace("\r\n", "\n")
        self._at = 0
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", self._text))]
        self._lines: dict[Path, int] = {(): 1}
        self._last: dict[Path, int] = {}  # of each array of tables, the index of its last table

    def document(self) -> dict[Path, int]:
        table: Path = ()
        while self._skip():
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
        return self._lines

    def _skip(self) -> bool:
        """Goes past white space, line ends and comments; False at the end."""
        match = _SPACE.match(self._text, self._at)
        assert match is not None
        self._at = match.end()
        return self._at < len(self._text)

    def _note(self, path: Path) -> None:
        self._lines.setdefault(path, bisect_right(self._line_starts, self._at))

    def _header(self) -> Path:
        depth = 2 if self._text.startswith("[[", self._at) else 1
        self._at += depth
        self._skip()
        keys = self._keys()
        path: Path = ()
        for place, key in enumerate(keys):
            path = (*path, key)
            self._note(path)
            if depth == 2 and place == len(keys) - 1:
                self._last[path] = self._last.get(path, -1) + 1
            if path in self._last:
                path = (*path, self._last[path])
        self._note(path)
        self._at += depth
        return path

    def _keys(self) -> list[str]:
        """A dotted key, and what follows it up to `=` or `]`."""
        keys = [self._key()]
        while self._skip() and self._text[self._at] == ".":
            self._at += 1
            self._skip()
            keys.append(self._key())
        return keys

    def _key(self) -> str:
        match = _BARE.match(self._text, self._at)
        if match is not None:
            self._at = match.end()
            return match[0]
        quoted = self._string()
        return _ESCAPE.sub(_unescaped, quoted[1:-1]) if quoted.startswith('"') else quoted[1:-1]

    def _string(self) -> str:
        match = _STRING.match(self._text, self._at)
        if match is None:
            raise ValueError(f"no key at offset {self._at}")
        self._at = match.end()
        return match[0]

    def _pair(self, table: Path) -> None:
        start = self._at
        path = table
        keys = self._keys()
        end, self._at = self._at, start
        for key in keys:
            path = (*path, key)
            self._note(path)
        self._at = end + 1  # "="
        self._skip()
        self._value(path)

    def _value(self, path: Path) -> None:
        match self._text[self._at]:
            case "{":
                self._at += 1
                while self._skip() and self._text[self._at] != "}":
                    self._pair(path)
                    self._comma()
                self._at += 1
            case "[":
                self._at += 1
                index = 0
                while self._skip() and self._text[self._at] != "]":
                    self._note((*path, index))
                    self._value((*path, index))
                    self._comma()
                    index += 1
                self._at += 1
            case '"' | "'":
                self._string()
            case _:
                match = _SCALAR.match(self._text, self._at)
                assert match is not None
                self._at = match.end()

    def _comma(self) -> None:
        if self._skip() and self._text[self._at] == ",":
            self._at += 1


def _unescaped(match: re.Match[str]) -> str:
    code = match[1] or match[2]
    return chr(int(code, 16)) if code else _ESCAPED.get(match[3], match[3])
