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
    several parts. Texts are never changed: what the carrier's default alphabet lacks goes out as UCS-2. The parts are
    those of `segment.measure` also where the alphabet is Latin-1 or ASCII (the carrier has to put them on the air in
    GSM-7 or UCS-2), unless that alphabet forces UCS-2 upon a GSM-7 text. Raises ValueError for more than 255 parts.
    """
    alphabet = dialect.default_alphabet
    if alphabet is Alphabet.GSM7:
        coded = gsm0338.encode(text)
        if coded is not None:
            if len(coded) <= 160:  # nearly every message
                return [Part(_DEFAULT_ALPHABET, 0, coded)]
            texts = segment.split(text, dialect.reference_bits)
            return _headed([gsm0338.encode(part) or b"" for part in texts], _DEFAULT_ALPHABET, dialect, reference)
    else:
        try:
            text.encode(alphabet)
        except UnicodeEncodeError:
            pass
        else:
            texts = segment.split(text, dialect.reference_bits)
            return _headed([part.encode(alphabet) for part in texts], _DEFAULT_ALPHABET, dialect, reference)
    texts = segment.split(text, dialect.reference_bits, segment.Encoding.UCS2)
    # A lone surrogate cannot come in by the API; here it would go out as it is rather than stop a batch.
    return _headed([part.encode("utf-16-be", "surrogatepass") for part in texts], _UCS2, dialect, reference)


def _headed(bodies: list[bytes], data_coding: int, dialect: Dialect, reference: int) -> list[Part]:
    total = len(bodies)
    if total == 1:
        return [Part(data_coding, 0, bodies[0])]
    if total > MAX_PARTS:
        raise ValueError(f"the text needs {total} parts; a message has at most {MAX_PARTS}")
    bits = dialect.reference_bits
    return [
        Part(data_coding, _UDHI, udh.concat_header(reference, total, seq, bits) + body)
        for seq, body in enumerate(bodies, 1)
    ]


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
