"""How many parts a text takes on the air, and where it is cut (3GPP TS 23.038 §4, TS 23.040 §9.2.3.24.1).

A part carries 140 octets: 160 septets or 70 UTF-16 units; with the header of a part of several, 153 or 67
(8-bit reference, six octets) or 152 or 66 (16-bit reference, seven octets). An extension character's two septets and
a surrogate pair stay in one part, and so does what a reader sees as one character where a part has room for it.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from trunkline.text import grapheme, gsm0338, national


class Encoding(IntEnum):
    """What a text goes out as; the number is what the database stores."""

    GSM7 = 0
    UCS2 = 1
    TRANSLITERATED = 2  # GSM7 after `transliterate.gsm7_form`; what `measure` says is never this


class Measure(NamedTuple):
    """Size of a text: its encoding, its septets (GSM7) or UTF-16 units (UCS2), and its parts."""

    encoding: Encoding
    units: int
    parts: int


SINGLE = {Encoding.GSM7: 160, Encoding.UCS2: 70}
MULTI = {
    8: {Encoding.GSM7: 153, Encoding.UCS2: 67},
    16: {Encoding.GSM7: 152, Encoding.UCS2: 66},
}

# The parts of a message are bits of a signed 64-bit number, and (1 << 63) - 1 is computed there by way of 1 << 63.
MOST_PARTS = 62

# Names of the module and not of the class: an enum's attribute costs a lookup at each accept.
_GSM7, _UCS2 = Encoding.GSM7, Encoding.UCS2
_ONE_GSM7 = [Measure(_GSM7, units, 1) for units in range(161)]  # the answer for nearly every message


def measure(text: str, reference_bits: int = 8) -> Measure:
    """Encoding, units and parts of `text`; `reference_bits` is 8 or 16 (the concatenation header of the carrier).

    An empty text is one part of no units. Raises KeyError for another `reference_bits`.
    """
    coded = gsm0338.codes(text)
    if coded is not None:
        units = len(coded)
        if not coded.isascii():
            coded = gsm0338.septets(coded)
            units = len(coded)
        if units <= 160:
            return _ONE_GSM7[units]
        return Measure(_GSM7, units, len(_cuts_gsm7(coded, MULTI[reference_bits][_GSM7])))
    return measure_ucs2(text, reference_bits)


def split(text: str, reference_bits: int = 8, encoding: Encoding | None = None) -> list[str]:
    """The texts of the parts, in order; one part where the text fits without a header.

    `encoding` UCS2 cuts a text as UCS-2 although GSM-7 would do (None: what `measure` says). Raises KeyError for a
    `reference_bits` other than 8 and 16, ValueError where GSM7 is asked for and impossible.
    """
    coded = None if encoding is _UCS2 else gsm0338.codes(text)
    if coded is not None:
        unpacked = gsm0338.septets(coded)
        if len(unpacked) <= 160:
            return [text]
        parts, start = [], 0
        for part in _cuts_gsm7(unpacked, MULTI[reference_bits][_GSM7]):
            end = start + len(part) - part.count(gsm0338.ESCAPE)
            parts.append(text[start:end])
            start = end
        return parts
    if encoding is _GSM7:
        raise ValueError("the text has characters outside the GSM-7 alphabet")
    return [text] if _units(text) <= 70 else _cuts_ucs2(text, MULTI[reference_bits][_UCS2])


class Shifted(NamedTuple):
    """A text by national language tables: which, and the septets of each part."""

    shift: national.Shift
    parts: list[bytes]


def shifted(text: str, reference_bits: int, languages: tuple[int, ...]) -> Shifted | None:
    """`text` by those tables of `languages` that need fewest parts, and of these fewest octets.

    None where UCS-2 needs no more, or no table has the text. Raises KeyError as `measure` does.
    """
    found = None
    concat = _CONCAT_OCTETS[reference_bits]
    ucs2 = measure_ucs2(text, reference_bits)
    least = (ucs2.parts, 2 * ucs2.units + (ucs2.parts > 1) * ucs2.parts * (1 + concat))
    for shift in national.shifts(languages):
        coded = national.encode(text, shift)
        if coded is None:
            continue
        header = 1 + len(shift.elements)
        parts = [coded]
        if len(coded) > septets_beside(header):
            header += concat
            parts = _cuts_gsm7(coded, septets_beside(header))
        cost = (len(parts), sum(header + -(-len(part) * 7 // 8) for part in parts))
        if cost < least:
            least, found = cost, Shifted(shift, parts)
    return found


def measure_ucs2(text: str, reference_bits: int = 8) -> Measure:
    """As `measure`, of a text that goes out as UCS-2 whatever it holds."""
    units = _units(text)
    return Measure(_UCS2, units, 1 if units <= 70 else len(_cuts_ucs2(text, MULTI[reference_bits][_UCS2])))


_CONCAT_OCTETS = {8: 5, 16: 6}


def septets_beside(header: int) -> int:
    """Septets that a part has room for beside a header of so many octets, its length octet among them."""
    return (140 - header) * 8 // 7


def _cuts_gsm7(unpacked: bytes, limit: int) -> list[bytes]:
    """Cut septets into parts of at most `limit`, never behind an escape."""
    if gsm0338.ESCAPE not in unpacked:
        return [unpacked[start : start + limit] for start in range(0, len(unpacked), limit)]
    parts, start = [], 0
    while start < len(unpacked):
        end = start + limit
        if end < len(unpacked) and unpacked[end - 1] == gsm0338.ESCAPE:
            end -= 1
        parts.append(unpacked[start:end])
        start = end
    return parts


def _units(text: str) -> int:
    return len(text.encode("utf-16-be", "surrogatepass")) // 2


def _cuts_ucs2(text: str, limit: int) -> list[str]:
    """Cut a text into parts of at most `limit` UTF-16 units, between the characters that a reader sees. Where those are
    so long that it takes more parts than a message can have, between code points."""
    parts = _cuts(text, limit, whole_clusters=True)
    return parts if len(parts) <= MOST_PARTS else _cuts(text, limit, whole_clusters=False)


def _cuts(text: str, limit: int, *, whole_clusters: bool) -> list[str]:
    parts, start = [], 0
    is_astral = _units(text) != len(text)
    while start < len(text):
        end = start + limit
        while is_astral and (over := _units(text[start:end]) - limit) > 0:
            end -= (over + 1) // 2  # a code point has one unit or two: not one too many goes
        if end < len(text) and whole_clusters:
            cluster = grapheme.divided(text, start, end)
            # One that no part has room for is cut here as well as anywhere.
            if cluster is not None and cluster[0] > start and _units(text[slice(*cluster)]) <= limit:
                end = cluster[0]
        parts.append(text[start:end])
        start = end
    return parts
