"""The message ids that an SMSC gives out: the value that ids are compared by, and the form that one is written in."""

from __future__ import annotations

import re
from enum import StrEnum


class IdForm(StrEnum):
    """How an SMSC writes its message ids on one side (in submit_sm_resp, in a receipt's text, in its TLV)."""

    STR = "str"  # the octets as they are, without trailing NULs and outer spaces
    STR_NOCASE = "str_nocase"  # the same with ASCII letters in lower case
    DEC = "dec"  # an unsigned decimal number; leading zeros mean nothing
    HEX = "hex"  # an unsigned hexadecimal number; case, leading zeros and 0x mean nothing


_HEX_ID = re.compile("(?:0[xX])?([0-9a-fA-F]{1,1024})").fullmatch
_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


def canonical_id(raw: str, form: IdForm, prefix: str = "") -> str:
    """The value that ids are compared by; ids of two sides with different numeric forms come out equal.

    `raw` holds the octets as Latin-1 or as text; `prefix` is cut off its front. Numbers become decimal without leading
    zeros; a value that is not of its numeric form is taken as it is. "" is no id and matches nothing.
    """
    text = raw.strip("\0 ")
    if prefix:
        text = text.removeprefix(prefix)
    if form is IdForm.STR:
        return text
    if form is IdForm.STR_NOCASE:
        return text.lower() if text.isascii() else text.translate(_LOWER)
    if form is IdForm.DEC:
        if text.isascii() and text.isdecimal():
            return text.lstrip("0") or "0"
        return text
    found = _HEX_ID(text)
    return str(int(found[1], 16)) if found else text


# What an id looks like, the first that fits; decimal digits are hexadecimal ones as well, which only the other ids of
# the same carrier tell.
_LOOKS = re.compile(
    r"(?P<uuid>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
    r"|(?P<UUID>[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12})"
    r"|(?P<padded>0[0-9]+)|(?P<decimal>[0-9]+)|(?P<x>0[xX][0-9a-fA-F]+)"
    r"|(?P<lower>[0-9a-f]+)|(?P<upper>[0-9A-F]+)|(?P<mixed>[0-9a-fA-F]+)",
    re.ASCII,
).fullmatch
_WORDS = {
    "uuid": "UUID, lower case",
    "UUID": "UUID, upper case",
    "padded": "decimal, with leading zeros",
    "decimal": "decimal",
    "x": "hexadecimal behind 0x",
    "lower": "hexadecimal, lower case",
    "upper": "hexadecimal, upper case",
    "mixed": "hexadecimal, mixed case",
}


def looks(raw: str) -> str:
    """The form of an id in words, its length among them; ids of one form have the same words."""
    text = raw.strip("\0 ")
    if not text:
        return "no id at all"
    found = _LOOKS(text)
    word = _WORDS[found.lastgroup or ""] if found else "text"
    padding = " and outer spaces or NULs" if text != raw else ""
    return f"{word}, {len(text)} long{padding}"


class SeenIds:
    """How many ids of which form were seen, and the last of each; of a burst the first ones only."""

    def __init__(self) -> None:
        self._samples: list[str] = []

    def note(self, raw: str) -> None:
        if len(self._samples) < _SAMPLES:
            self._samples.append(raw)

    def taken(self) -> list[tuple[str, int, str]]:
        """(form, count, last example) since the last call."""
        samples, self._samples = self._samples, []
        found: dict[str, tuple[int, str]] = {}
        for raw in samples:
            form = looks(raw)
            found[form] = (found.get(form, (0, ""))[0] + 1, printable(raw))
        return [(form, count, example) for form, (count, example) in found.items()]


_SAMPLES = 200


def printable(raw: str) -> str:
    """An id as a terminal may show it and the database can hold it."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in raw[:80])
