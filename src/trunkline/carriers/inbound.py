"""Read a message from a handset (MO): user data header, segmentation TLVs, alphabet, addresses (SMPP 3.4 §4.6.1).

Nothing raises, whatever the octets: a message that cannot be read well is kept as well as it can be.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Protocol

import msgspec

from trunkline.carriers.dialect import PLAIN, Alphabet, Dialect
from trunkline.text import gsm0338, national, udh
from trunkline.text.packed import unpack
from trunkline.text.udh import Concat

_UDHI = 0x40  # esm_class (SMPP 3.4 §5.2.12)
_SAR_REF, _SAR_TOTAL, _SAR_SEQ, _PAYLOAD = 0x020C, 0x020E, 0x020F, 0x0424
_INTERNATIONAL, _TON_UNKNOWN = 1, 0


class Coding(msgspec.Struct, frozen=True, gc=False):
    """How user data reads: `codec` is "gsm7", "binary" or a codec of Python; the languages are those of the header's
    shift tables (0: none) and matter to gsm7 only.
    """

    codec: str
    locking: int = 0
    single: int = 0


class Inbound(msgspec.Struct, frozen=True, gc=False):
    """One message from a handset, or one part of it.

    `body` is the text of this part alone, "" for 8-bit data, whose lower-case hex (without header) is `binary`.
    `concat` places it among its parts; then only `join` of all parts reads the text right. `octets` is the user data
    behind the header, `coding` how to read it.
    """

    source: str
    destination: str
    body: str
    binary: str | None
    keyword: str
    concat: Concat | None
    octets: bytes
    coding: Coding


def parse(
    esm_class: int,
    data_coding: int,
    short_message: bytes,
    source: str,
    source_ton: int,
    destination: str,
    destination_ton: int,
    tlvs: Sequence[tuple[int, bytes]] = (),
    dialect: Dialect = PLAIN,
) -> Inbound:
    """Read one deliver_sm or data_sm that is no receipt. Where both short_message and message_payload have octets
    (SMPP 3.4 §5.3.2.32 allows one of them), short_message counts; where a header and the SAR TLVs both say how to
    join, the header counts: it is what the handset wrote.
    """
    octets = short_message or next((value for tag, value in tlvs if tag == _PAYLOAD), b"")
    concat = None
    locking = single = header_octets = 0
    if esm_class & _UDHI:
        header = udh.read(octets)
        if header.error is None:  # else the indicator is wrong, and all octets are text
            header_octets = octets[0] + 1
            octets = header.rest or b""
            concat = header.concat
            locking, single = header.language(udh.LOCKING_SHIFT), header.language(udh.SINGLE_SHIFT)
    if concat is None and tlvs:
        concat = _segmentation(tlvs)
    codec = codec_of(data_coding, dialect)
    if codec == "gsm7" and dialect.default_alphabet is Alphabet.GSM7_PACKED:
        octets = unpack(octets, header_octets)  # parts are joined by septets
    coding = Coding(codec, locking, single) if codec == "gsm7" else Coding(codec)
    body, binary = _read(octets, coding)
    return Inbound(
        _address(source, source_ton, dialect),
        _address(destination, destination_ton, dialect),
        body,
        binary,
        keyword_of(body),
        concat,
        octets,
        coding,
    )


class Piece(Protocol):
    """What joining needs of a part."""

    @property
    def octets(self) -> bytes: ...
    @property
    def coding(self) -> Coding: ...


def join(parts: Sequence[Piece | None]) -> tuple[str, str | None]:
    """Body and binary of a message from its parts, in the order given; None stands for one that never came.

    Octets of neighbours with the same coding are joined before they are read: an escape or half of a surrogate pair may
    end a part. If some are 8-bit data then all become binary.
    """
    there = [part for part in parts if part is not None]
    if any(part.coding.codec == "binary" for part in there):
        return "", b"".join(part.octets for part in there).hex()
    body = ""
    for coding, run in groupby(parts, key=lambda part: part.coding if part is not None else None):
        if coding is not None:
            body += _read(b"".join(part.octets for part in run if part is not None), coding)[0]
    return body, None


def keyword_of(body: str) -> str:
    """The first word of a body, case kept; "" where there is none."""
    words = body.split(None, 1)
    return words[0] if words else ""


# SMPP 3.4 §5.2.19. Latin-1 is read as Windows-1252: where they differ Latin-1 has controls and senders mean quotes.
_CODECS = {
    0x01: "ascii",
    0x02: "binary",
    0x03: "cp1252",
    0x04: "binary",
    0x05: "shift_jis",  # JIS X 0208-1990
    0x06: "iso8859-5",
    0x07: "iso8859-8",
    0x08: "ucs2",
    0x09: "binary",  # pictograms
    0x0A: "iso2022_jp",
    0x0D: "euc_jp",  # JIS X 0212-1990
    0x0E: "euc_kr",
}
_DEFAULTS = {Alphabet.GSM7: "gsm7", Alphabet.GSM7_PACKED: "gsm7", Alphabet.LATIN1: "cp1252", Alphabet.ASCII: "ascii"}
_DCS_ALPHABETS = ("", "binary", "ucs2", "")  # bits 3 and 2 of a data coding scheme; "": the default alphabet


def codec_of(data_coding: int, dialect: Dialect = PLAIN) -> str:
    """The codec that a data_coding means: "gsm7", "ucs2", "binary" or a codec of Python.

    0x00 to 0x0F are SMPP's own; above, carriers hand on the data coding scheme of GSM (3GPP TS 23.038 §4). Before
    either comes what the dialect writes.
    """
    if data_coding == dialect.ucs2_data_coding:
        return "ucs2"
    if data_coding == dialect.data_coding:
        return _DEFAULTS[dialect.default_alphabet]
    if data_coding < 0x10:
        return _CODECS.get(data_coding) or _DEFAULTS[dialect.default_alphabet]
    group = data_coding >> 4
    if group < 0x8:  # general and automatic deletion groups; compressed text is not read
        named = "binary" if data_coding & 0x20 else _DCS_ALPHABETS[data_coding >> 2 & 3]
    elif group == 0xE:  # message waiting, UCS-2
        named = "ucs2"
    elif group == 0xF:  # message class
        named = "binary" if data_coding & 0x04 else ""
    else:  # reserved, and message waiting in the default alphabet
        named = ""
    return named or _DEFAULTS[dialect.default_alphabet]


def _read(octets: bytes, coding: Coding) -> tuple[str, str | None]:
    codec = coding.codec
    if codec == "gsm7":
        if coding.locking or coding.single:
            text = national.tables(coding.locking, coding.single).decode(octets)
        else:
            text = gsm0338.decode(octets)
    elif codec == "ucs2":
        if octets[:2] == b"\xff\xfe":  # the sender says that it wrote little endian
            text = octets[2:].decode("utf-16-le", "replace")
        else:
            text = octets.decode("utf-16-be", "replace").removeprefix("\ufeff")
    elif codec == "binary":
        return "", octets.hex()
    elif codec == "ascii" and not octets.isascii():
        text = octets.decode("cp1252", "replace")  # not ASCII: most likely what an eighth bit means
    else:
        text = octets.decode(codec, "replace")
    return (text.replace("\0", "\ufffd") if "\0" in text else text), None


def _segmentation(tlvs: Sequence[tuple[int, bytes]]) -> Concat | None:
    """The SAR parameters (SMPP 3.4 §5.3.2.22-24), where all three are there and make sense."""
    found = {tag: value for tag, value in reversed(tlvs) if tag in (_SAR_REF, _SAR_TOTAL, _SAR_SEQ)}
    ref, total, seq = found.get(_SAR_REF, b""), found.get(_SAR_TOTAL, b""), found.get(_SAR_SEQ, b"")
    if len(ref) != 2 or len(total) != 1 or len(seq) != 1 or not 0 < seq[0] <= total[0]:
        return None
    return Concat(ref[0] << 8 | ref[1], total[0], seq[0], 16)


def _address(address: str, ton: int, dialect: Dialect) -> str:
    """An address as the platform writes it: "+" in front of international numbers (also of those that a carrier sends
    with 00 or a + of its own), everything else as it came.
    """
    if ton == _INTERNATIONAL or (ton == _TON_UNKNOWN and dialect.unknown_ton_is_international):
        digits = address.removeprefix("00")
        if digits.isascii() and digits.isdecimal():
            return "+" + digits
    return address
