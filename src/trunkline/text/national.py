"""National language tables, both ways: Turkish, Spanish, Portuguese.

A user data header names a single shift table (element 0x24), a locking shift table (0x25) or both
(3GPP TS 23.040 §9.2.3.24.15-16; tables: 3GPP TS 23.038 annex A).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from trunkline.text.gsm0338 import BASIC, DEFAULT, ESCAPE, EXTENSION, Tables
from trunkline.text.udh import LOCKING_SHIFT, SINGLE_SHIFT

TURKISH, SPANISH, PORTUGUESE = 1, 2, 3
LANGUAGES: Mapping[str, int] = {"tr": TURKISH, "es": SPANISH, "pt": PORTUGUESE}  # by ISO 639

_SINGLE_SHIFT = {
    # TS 23.038 §A.2.1
    TURKISH: {
        **EXTENSION,
        0x47: "Ğ",
        0x49: "İ",
        0x53: "Ş",
        0x63: "ç",
        0x67: "ğ",
        0x69: "ı",
        0x73: "ş",
    },
    # TS 23.038 §A.2.2
    SPANISH: {
        **EXTENSION,
        0x09: "ç",
        0x41: "Á",
        0x49: "Í",
        0x4F: "Ó",
        0x55: "Ú",
        0x61: "á",
        0x69: "í",
        0x6F: "ó",
        0x75: "ú",
    },
    # TS 23.038 §A.2.3
    PORTUGUESE: {
        **EXTENSION,
        0x05: "ê",
        0x09: "ç",
        0x0B: "Ô",
        0x0C: "ô",
        0x0E: "Á",
        0x0F: "á",
        0x12: "Φ",
        0x13: "Γ",
        0x15: "Ω",
        0x16: "Π",
        0x17: "Ψ",
        0x18: "Σ",
        0x19: "Θ",
        0x41: "À",
        0x49: "Í",
        0x4F: "Ó",
        0x55: "Ú",
        0x5B: "Ã",
        0x5C: "Õ",
        0x61: "Â",
        0x69: "í",
        0x6F: "ó",
        0x75: "ú",
        0x7B: "ã",
        0x7C: "õ",
        0x7F: "â",
    },
}

_LOCKING_SHIFT = {
    # TS 23.038 §A.3.1
    TURKISH: (
        "@£$¥€éùıòÇ\nĞğ\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bŞşßÉ"
        " !\"#¤%&'()*+,-./0123456789:;<=>?"
        "İABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
        "çabcdefghijklmnopqrstuvwxyzäöñüà"
    ),
    # TS 23.038 §A.3.3 (Spanish has no locking shift table)
    PORTUGUESE: (
        "@£$¥êéúíóç\nÔô\rÁáΔ_ªÇÀ∞^\\€Ó|\x1bÂâÊÉ"
        " !\"#º%&'()*+,-./0123456789:;<=>?"
        "ÍABCDEFGHIJKLMNOPQRSTUVWXYZÃÕÚÜ§"
        "~abcdefghijklmnopqrstuvwxyzãõ`üà"
    ),
}


@lru_cache(maxsize=64)
def tables(locking: int, single: int) -> Tables:
    """The tables for two language identifiers; 0 and languages that are not here read as the default alphabet."""
    if locking not in _LOCKING_SHIFT and single not in _SINGLE_SHIFT:
        return DEFAULT
    return Tables(_LOCKING_SHIFT.get(locking, BASIC), _SINGLE_SHIFT.get(single, EXTENSION))


class Shift(NamedTuple):
    """The tables that a text is written with, by language; 0 is the default alphabet's own."""

    locking: int
    single: int

    @property
    def elements(self) -> bytes:
        """What the header of each part says of them."""
        named = ((SINGLE_SHIFT, self.single), (LOCKING_SHIFT, self.locking))
        return b"".join(bytes((identifier, 1, language)) for identifier, language in named if language)


@lru_cache(maxsize=64)
def shifts(languages: tuple[int, ...]) -> tuple[Shift, ...]:
    """Every pair of tables that these languages offer, a single shift before a locking one before both."""
    found = []
    for language in languages:
        found.append(Shift(0, language))
        if language in _LOCKING_SHIFT:
            found += [Shift(language, 0), Shift(language, language)]
    return tuple(found)


@lru_cache(maxsize=64)
def _octets(shift: Shift) -> Mapping[str, bytes]:
    """Each character's septets; one rather than two where both tables have it."""
    letters = _LOCKING_SHIFT.get(shift.locking, BASIC)
    shifted = _SINGLE_SHIFT.get(shift.single, EXTENSION)
    written = {char: bytes((ESCAPE, code)) for code, char in shifted.items()}
    return written | {char: bytes((code,)) for code, char in enumerate(letters) if code != ESCAPE}


def encode(text: str, shift: Shift) -> bytes | None:
    """`text` as unpacked septets (one an octet), or None where it has a character outside the tables."""
    octets = _octets(shift)
    if not octets.keys() >= set(text):
        return None
    return b"".join([octets[char] for char in text])
