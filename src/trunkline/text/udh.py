"""The user data header in front of a short message: read what a handset wrote, write our own concatenation element.

3GPP TS 23.040 §9.2.3.24.
"""

from __future__ import annotations

from typing import NamedTuple

CONCAT_8, PORTS_8, PORTS_16, CONCAT_16, SINGLE_SHIFT, LOCKING_SHIFT = 0x00, 0x04, 0x05, 0x08, 0x24, 0x25


class Concat(NamedTuple):
    """Which part of which message this is; `bits` is the width of the reference (8 or 16)."""

    ref: int
    total: int
    seq: int
    bits: int


class Header(NamedTuple):
    """A header as read: its elements in order, and the octets behind it.

    `error` says why a header as a whole is to be ignored (then it has no elements); `rest` is None where the header
    claims more octets than there are.
    """

    elements: tuple[tuple[int, bytes], ...]
    rest: bytes | None
    error: str | None = None

    @property
    def concat(self) -> Concat | None:
        """The concatenation that counts: the last well-formed one of either width (§9.2.3.24)."""
        for identifier, value in reversed(self.elements):
            if identifier == CONCAT_8 and len(value) == 3:
                concat = Concat(value[0], value[1], value[2], 8)
            elif identifier == CONCAT_16 and len(value) == 4:
                concat = Concat(value[0] << 8 | value[1], value[2], value[3], 16)
            else:
                continue
            if 0 < concat.seq <= concat.total:
                return concat
        return None

    def language(self, identifier: int) -> int:
        """The language that the last element `identifier` (SINGLE_SHIFT, LOCKING_SHIFT) names; 0 for none."""
        for found, value in reversed(self.elements):
            if found == identifier and len(value) == 1:
                return value[0]
        return 0


def read(user_data: bytes) -> Header:
    """Read user data whose header indicator is set; takes any octets, raises nothing."""
    if not user_data:
        return Header((), b"", "empty user data")
    end = 1 + user_data[0]
    if end > len(user_data):
        return Header((), None, "UDHL longer than the user data")
    rest = user_data[end:]
    elements = []
    at = 1
    while at < end:
        value_at = at + 2
        at = value_at + user_data[at + 1] if value_at <= end else end + 1
        if at > end:
            return Header((), rest, "the last element runs over the header")
        elements.append((user_data[value_at - 2], user_data[value_at:at]))
    return Header(tuple(elements), rest)


def concat_header(reference: int, total: int, seq: int, bits: int) -> bytes:
    """The header of part `seq` of `total` (1 to 255), six octets for an 8-bit reference, seven for 16.

    The reference is cut to `bits`, so that a plain counter will do.
    """
    if bits == 16:
        return bytes((6, CONCAT_16, 4, reference >> 8 & 0xFF, reference & 0xFF, total, seq))
    return bytes((5, CONCAT_8, 3, reference & 0xFF, total, seq))


def with_elements(header: bytes, elements: bytes) -> bytes:
    """A header (b"" for none) that has further elements behind its own."""
    return bytes((len(header[1:]) + len(elements),)) + header[1:] + elements
