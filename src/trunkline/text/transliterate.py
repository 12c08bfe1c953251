"""Typography that GSM-7 lacks, written as GSM-7 has it: the table is documented, and holds no letter with an accent."""

from __future__ import annotations

from trunkline.text import gsm0338

_ALIKE = {
    "'": "‘’‚‛‹›′‵`´",
    '"': "“”„‟«»″‶",
    "-": "‐‑‒–—―−⁃﹘﹣",
    " ": "\t\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000",
    "\n": "\u0085\u2028\u2029",
    "*": "•",
    "...": "…",
    "Å": "\u212b",
    "Ω": "\u2126",
    # Nothing to see: zero-width spaces and joiners, marks of direction, the soft hyphen, the byte order mark.
    "": "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufe0e\ufe0f\ufeff",
}
_LIGATURES = {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
_LIGATURES |= {"Œ": "OE", "œ": "oe", "Ĳ": "IJ", "ĳ": "ij"}
_FULL_WIDTH = {chr(code + 0xFEE0): chr(code) for code in range(0x21, 0x7F)}  # U+FF01 to U+FF5E
_FULL_WIDTH |= {"｀": "'", "￡": "£", "￥": "¥"}

TABLE = {char: plain for plain, chars in _ALIKE.items() for char in chars} | _LIGATURES | _FULL_WIDTH
_BY_CODE = str.maketrans(TABLE)


def gsm7_form(text: str) -> str | None:
    """`text` with the table's characters replaced, if the whole of it is GSM-7 then; None if not, or if it is empty."""
    plain = text.translate(_BY_CODE)
    return plain if plain and gsm0338.codes(plain) is not None else None


def changes(text: str) -> list[tuple[str, str]]:
    """What `gsm7_form` replaces in `text` and by what, each once, in the order of the text."""
    return [(char, TABLE[char]) for char in dict.fromkeys(text) if char in TABLE]
