"""The GSM 7-bit default alphabet, one septet an octet, both ways, as fast as Python's codecs machinery goes.

Inside this package a text is a run of *codes*, one octet a character: 0x00-0x7F a character of the default alphabet,
0x80 | c the character that the extension table has at c (two septets on the air: 0x1B c).
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping

ESCAPE = 0x1B

# 3GPP TS 23.038 §6.2.1, in table order; the escape keeps its place.
BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)

# 3GPP TS 23.038 §6.2.1.1: what follows an escape.
EXTENSION: Mapping[int, str] = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}

_OUTSIDE = 0xFF  # a code no character has: 0x80 | 0x7F is not in the extension table
_CODES = {char: code for code, char in enumerate(BASIC) if code != ESCAPE}
_CODES |= {char: 0x80 | code for code, char in EXTENSION.items()}
_ASCII_TO_CODE = bytes(_CODES.get(chr(octet), _OUTSIDE) for octet in range(128)) + bytes([_OUTSIDE]) * 128
_ESCAPED = [(bytes([0x80 | code]), bytes([ESCAPE, code])) for code in EXTENSION]


def _charmap() -> tuple[object, bytes]:
    """A map for `codecs.charmap_encode` and the translation of what it writes into codes.

    CPython builds its fast three-level map only where octet 0 stands for U+0000, so "@" goes through the place of
    the escape, and U+0000 (which the alphabet lacks) comes out as 0 and is marked as outside.
    """
    table = ["\ufffe"] * 256  # U+FFFE: no such octet
    for char, code in _CODES.items():
        table[code] = char
    table[0], table[ESCAPE] = "\0", "@"
    to_code = bytearray(range(256))
    to_code[0], to_code[ESCAPE] = _OUTSIDE, 0
    return codecs.charmap_build("".join(table)), bytes(to_code)


_CHARMAP, _CHARMAP_TO_CODE = _charmap()


def codes(text: str) -> bytes | None:
    """The codes of `text`, one octet a character; None where a character is outside the alphabet."""
    if text.isascii():  # nearly every message: two passes at memory speed
        coded = text.encode("ascii").translate(_ASCII_TO_CODE)
    else:  # "ignore" and a look at the length: raising for each Cyrillic text costs more
        coded = codecs.charmap_encode(text, "ignore", _CHARMAP)[0].translate(_CHARMAP_TO_CODE)  # type: ignore[arg-type]
        if len(coded) != len(text):
            return None
    if not coded.isascii() and _OUTSIDE in coded:
        return None
    return coded


def septets(coded: bytes) -> bytes:
    """Codes to septets: an extension character becomes an escape and its code."""
    if not coded.isascii():
        for code, escaped in _ESCAPED:
            coded = coded.replace(code, escaped)
    return coded


def encode(text: str) -> bytes | None:
    """`text` as unpacked septets (one an octet), or None where it has a character outside the alphabet."""
    coded = codes(text)
    return None if coded is None else septets(coded)


def outside(text: str) -> list[str]:
    """The characters of `text` that neither the alphabet nor its extension has, each once, by code point."""
    return sorted(set(text).difference(_CODES))


# Octets above 0x7F are no septets. Senders that write them mean Latin-1; the C1 controls mean nothing to a reader.
_NOT_SEPTETS = "\ufffd" * 32 + bytes(range(0xA0, 0x100)).decode("latin-1")
_ESCAPE_AND_NEXT = re.compile("\x1b(.?)", re.DOTALL)


class Tables:
    """How a run of septets reads: a locking shift table (or the default alphabet) and a single shift table.

    By 3GPP TS 23.038 §6.2.1.1 an escape before a septet without an entry is that septet's own character, and an escape
    before an escape (a further table that nobody has) is a space. An escape at the very end is dropped.
    """

    __slots__ = ("_letters", "_shifted")

    def __init__(self, letters: str, shifted: Mapping[int, str]) -> None:
        self._letters = letters + _NOT_SEPTETS
        # Keyed by the character that the septet has without its escape.
        self._shifted = {letters[code]: char for code, char in shifted.items()} | {"\x1b": " "}

    def decode(self, octets: bytes) -> str:
        """Unpacked septets to text; takes any octets, raises nothing."""
        text = codecs.charmap_decode(octets, "strict", self._letters)[0]
        if b"\x1b" in octets:
            shifted = self._shifted
            text = _ESCAPE_AND_NEXT.sub(lambda found: shifted.get(found[1], found[1]), text)
        return text


DEFAULT = Tables(BASIC, EXTENSION)
decode = DEFAULT.decode
