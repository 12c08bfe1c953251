"""Write a message for a carrier: its parts as data_coding, esm_class and octets, its addresses with their types."""

from __future__ import annotations

from typing import NamedTuple

from trunkline.carriers.dialect import PLAIN, Alphabet, Dialect
from trunkline.text import gsm0338, segment, udh

_DEFAULT_ALPHABET, _UCS2 = 0x00, 0x08  # data_coding (SMPP 3.4 §5.2.19)
_UDHI = 0x40  # esm_class (SMPP 3.4 §5.2.12)
MAX_PARTS = 255  # one octet of the header


class Part(NamedTuple):
    """What a submit_sm carries of one part."""

    data_coding: int
    esm_class: int
    short_message: bytes


class Address(NamedTuple):
    """An address as submit_sm writes it."""

    ton: int
    npi: int
    addr: str


def encode_parts(text: str, dialect: Dialect = PLAIN, reference: int = 0) -> list[Part]:
    """The parts of `text`, in order, for a carrier of this dialect.

    `reference` is any counter; its low 8 or 16 bits (the dialect's `reference_bits`) go into the headers of a text of
    several parts. Texts are never changed: what the carrier's default alphabet lacks goes out by national language
    tables where the dialect has some that are cheaper, else as UCS-2. The parts are those of `measured` (where the
    alphabet is Latin-1 or ASCII the carrier has to put them on the air in GSM-7 or UCS-2). Raises ValueError for more
    than 255 parts.
    """
    alphabet = dialect.default_alphabet
    if alphabet is Alphabet.GSM7:
        coded = gsm0338.encode(text)
        if coded is not None:
            if len(coded) <= 160:  # nearly every message
                return [Part(_DEFAULT_ALPHABET, 0, coded)]
            texts = segment.split(text, dialect.reference_bits)
            return _headed([gsm0338.encode(part) or b"" for part in texts], _DEFAULT_ALPHABET, dialect, reference)
        if dialect.national_languages:
            shifted = segment.shifted(text, dialect.reference_bits, dialect.national_languages)
            if shifted is not None:
                return _headed(shifted.parts, _DEFAULT_ALPHABET, dialect, reference, shifted.shift.elements)
    elif _has(alphabet, text):
        texts = segment.split(text, dialect.reference_bits)
        return _headed([part.encode(alphabet) for part in texts], _DEFAULT_ALPHABET, dialect, reference)
    texts = segment.split(text, dialect.reference_bits, segment.Encoding.UCS2)
    # A lone surrogate cannot come in by the API; here it would go out as it is rather than stop a batch.
    return _headed([part.encode("utf-16-be", "surrogatepass") for part in texts], _UCS2, dialect, reference)


def measured(text: str, dialect: Dialect = PLAIN) -> segment.Measure:
    """Encoding, units and parts of `text` as `encode_parts` writes it; by national language tables it is GSM-7."""
    found = segment.measure(text, dialect.reference_bits)
    if dialect.default_alphabet is not Alphabet.GSM7:
        if found.encoding is segment.Encoding.GSM7 and not _has(dialect.default_alphabet, text):
            return segment.measure_ucs2(text, dialect.reference_bits)
    elif dialect.national_languages and found.encoding is segment.Encoding.UCS2:
        shifted = segment.shifted(text, dialect.reference_bits, dialect.national_languages)
        if shifted is not None:
            return segment.Measure(segment.Encoding.GSM7, sum(map(len, shifted.parts)), len(shifted.parts))
    return found


def _has(alphabet: Alphabet, text: str) -> bool:
    try:
        text.encode(alphabet)
    except UnicodeEncodeError:
        return False
    return True


def _headed(
    bodies: list[bytes], data_coding: int, dialect: Dialect, reference: int, elements: bytes = b""
) -> list[Part]:
    """Parts with the header that they need: concatenation where there are several, then `elements`."""
    total = len(bodies)
    if total == 1:
        if elements:
            return [Part(data_coding, _UDHI, udh.with_elements(b"", elements) + bodies[0])]
        return [Part(data_coding, 0, bodies[0])]
    if total > MAX_PARTS:
        raise ValueError(f"the text needs {total} parts; a message has at most {MAX_PARTS}")
    bits = dialect.reference_bits
    headers = [udh.concat_header(reference, total, seq, bits) for seq in range(1, total + 1)]
    if elements:
        headers = [udh.with_elements(header, elements) for header in headers]
    return [Part(data_coding, _UDHI, header + body) for header, body in zip(headers, bodies, strict=True)]


def source_address(sender: str, dialect: Dialect = PLAIN) -> Address:
    """The source address of a sender: "+" and digits, digits alone (a short code), or alphanumeric."""
    if sender[:1] == "+":
        return Address(*dialect.international, sender[1:])
    if sender.isascii() and sender.isdecimal():
        return Address(*dialect.short_code, sender)
    return Address(*dialect.alphanumeric, sender)


def destination_address(recipient: str) -> Address:
    """The destination address of an E.164 number: international, ISDN, digits without the "+"."""
    return Address(1, 1, recipient.removeprefix("+"))
