"""Septets packed into octets, eight in seven, and back (3GPP TS 23.038 §6.1.2.1)."""

from __future__ import annotations

_CR = 0x0D


def pack(septets: bytes, header_octets: int = 0) -> bytes:
    """Unpacked septets as octets that stand behind a header of so many (its length octet included).

    The first septet begins on a septet boundary of header and text together (TS 23.040 §9.2.3.24). Where seven bits are
    left over they hold a carriage return: zeros would read as one more "@" (TS 23.038 §6.1.2.3.1).
    """
    if not septets:
        return b""
    fill = -8 * header_octets % 7
    bits = 0
    for septet in reversed(septets):
        bits = bits << 7 | septet
    bits <<= fill
    used = fill + 7 * len(septets)
    if used % 8 == 1:
        bits |= _CR << used
    return bits.to_bytes(-(-used // 8), "little")


def unpack(octets: bytes, header_octets: int = 0) -> bytes:
    """The septets of octets behind such a header; takes any octets. Of the count that the octets leave open, seven bits
    at the end that hold nothing or a carriage return are none.
    """
    fill = -8 * header_octets % 7
    count = max(8 * len(octets) - fill, 0) // 7
    bits = int.from_bytes(octets, "little") >> fill
    septets = bytes([bits >> at & 0x7F for at in range(0, 7 * count, 7)])
    if count and 8 * len(octets) == fill + 7 * count and septets[-1] in (0, _CR):
        return septets[:-1]
    return septets
