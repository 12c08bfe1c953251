"""How many parts a text takes on the air, and where it is cut (3GPP TS 23.038 §4, TS 23.040 §9.2.3.24.1).

A part carries 140 octets: 160 septets or 70 UTF-16 units; with the header of a part of several, 153 or 67
(8-bit reference, six octets) or 152 or 66 (16-bit reference, seven octets). An extension character's two septets and
a surrogate pair stay in one part.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from trunkline.text import gsm0338


class Encoding(IntEnum):
    """What a text goes out as; the number is what the database stores."""

    GSM7 = 0
    UCS2 = 1


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
    octets = text.encode("utf-16-be", "surrogatepass")
    units = len(octets) // 2
    if units <= 70:
        return Measure(_UCS2, units, 1)
    return Measure(_UCS2, units, len(_cuts_ucs2(octets, MULTI[reference_bits][_UCS2], units != len(text))))


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
    octets = text.encode("utf-16-be", "surrogatepass")
    if len(octets) <= 140:
        return [text]
    astral = len(octets) != 2 * len(text)
    cuts = _cuts_ucs2(octets, MULTI[reference_bits][_UCS2], astral)
    return [part.decode("utf-16-be", "surrogatepass") for part in cuts]


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


def _cuts_ucs2(octets: bytes, limit: int, astral: bool) -> list[bytes]:
    """Cut UTF-16 (big endian) into parts of at most `limit` units, never behind a high surrogate."""
    step = 2 * limit
    if not astral:
        return [octets[start : start + step] for start in range(0, len(octets), step)]
    parts, start = [], 0
    while start < len(octets):
        end = start + step
        if end < len(octets) and octets[end - 2] & 0xFC == 0xD8:
            end -= 2
        parts.append(octets[start:end])
        start = end
    return parts
