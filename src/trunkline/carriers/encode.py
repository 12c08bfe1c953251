"""Write a message for a carrier: its parts as data_coding, esm_class and octets, its addresses with their types."""

from __future__ import annotations

from typing import NamedTuple

from trunkline.carriers.dialect import PLAIN, Alphabet, Concatenation, Dialect, NumberForm
from trunkline.smpp.tlv import MESSAGE_PAYLOAD, SAR_MSG_REF_NUM, SAR_SEGMENT_SEQNUM, SAR_TOTAL_SEGMENTS, Tlvs
from trunkline.text import gsm0338, segment, udh
from trunkline.text.packed import pack

_UDHI = 0x40  # esm_class (SMPP 3.4 §5.2.12)
MAX_PARTS = 255  # one octet of the header


class Part(NamedTuple):
    """What a submit_sm carries of one part."""

    data_coding: int
    esm_class: int
    short_message: bytes
    tlvs: Tlvs = ()


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
    alphabet, bits = dialect.default_alphabet, dialect.reference_bits
    if alphabet.is_gsm7:
        coded = gsm0338.encode(text)
        if coded is not None:
            if len(coded) <= 160 and alphabet is Alphabet.GSM7:  # nearly every message
                return [Part(dialect.data_coding, 0, coded)]
            texts = segment.split(text, bits)
            return _written([gsm0338.encode(part) or b"" for part in texts], True, dialect, reference)
        if dialect.national_languages:
            shifted = segment.shifted(text, bits, dialect.national_languages)
            if shifted is not None:
                return _written(shifted.parts, True, dialect, reference, shifted.shift.elements)
    elif _has(alphabet, text):
        return _written([part.encode(alphabet) for part in segment.split(text, bits)], True, dialect, reference)
    texts = segment.split(text, bits, segment.Encoding.UCS2)
    # A lone surrogate cannot come in by the API; here it would go out as it is rather than stop a batch.
    return _written([part.encode("utf-16-be", "surrogatepass") for part in texts], False, dialect, reference)


def measured(text: str, dialect: Dialect = PLAIN) -> segment.Measure:
    """Encoding, units and parts of `text` as `encode_parts` writes it; by national language tables it is GSM-7."""
    found = _cut(text, dialect)
    if found.parts > 1 and dialect.concatenation is Concatenation.PAYLOAD:
        return found._replace(parts=1)
    return found


def _cut(text: str, dialect: Dialect) -> segment.Measure:
    found = segment.measure(text, dialect.reference_bits)
    if not dialect.default_alphabet.is_gsm7:
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


def _written(
    bodies: list[bytes], in_default: bool, dialect: Dialect, reference: int, elements: bytes = b""
) -> list[Part]:
    """The bodies of the parts as the dialect joins them. `in_default`: in the default alphabet (septets unpacked);
    `elements`: what the header of each has besides.
    """
    coding = dialect.data_coding if in_default else dialect.ucs2_data_coding
    packed = in_default and dialect.default_alphabet is Alphabet.GSM7_PACKED
    header = udh.with_elements(b"", elements) if elements else b""
    total, way = len(bodies), dialect.concatenation
    if total > MAX_PARTS:
        raise ValueError(f"the text needs {total} parts; a message has at most {MAX_PARTS}")
    if total == 1:
        return [_part(coding, header, bodies[0], packed)]
    if way is Concatenation.PAYLOAD:
        whole = _part(coding, header, b"".join(bodies), packed)
        return [whole._replace(short_message=b"", tlvs=((MESSAGE_PAYLOAD, whole.short_message),))]
    if way is Concatenation.SAR:
        return [
            _part(coding, header, body, packed)._replace(tlvs=_sar(reference, total, seq, dialect.reference_bits))
            for seq, body in enumerate(bodies, start=1)
        ]
    parts = []
    for seq, body in enumerate(bodies, start=1):
        header = udh.concat_header(reference, total, seq, dialect.reference_bits)
        parts.append(_part(coding, udh.with_elements(header, elements) if elements else header, body, packed))
    return parts


def _part(data_coding: int, header: bytes, body: bytes, packed: bool) -> Part:
    if packed:
        body = pack(body, len(header))
    return Part(data_coding, _UDHI if header else 0, header + body)


def _sar(reference: int, total: int, seq: int, bits: int) -> Tlvs:
    return (
        (SAR_MSG_REF_NUM, (reference & (1 << bits) - 1).to_bytes(2, "big")),
        (SAR_TOTAL_SEGMENTS, bytes((total,))),
        (SAR_SEGMENT_SEQNUM, bytes((seq,))),
    )


def source_address(sender: str, dialect: Dialect = PLAIN) -> Address:
    """The source address of a sender: "+" and digits, digits alone (a short code), or alphanumeric."""
    if sender[:1] == "+":
        return Address(*dialect.international, _number(sender[1:], dialect))
    if sender.isascii() and sender.isdecimal():
        return Address(*dialect.short_code, sender)
    return Address(*dialect.alphanumeric, sender)


def destination_address(recipient: str, dialect: Dialect = PLAIN) -> Address:
    """The destination address of an E.164 number: international, ISDN, digits without the "+", unless told."""
    return Address(*dialect.recipient, _number(recipient.removeprefix("+"), dialect))


_IN_FRONT = {NumberForm.DIGITS: "", NumberForm.PLUS: "+", NumberForm.ZEROS: "00"}


def _number(digits: str, dialect: Dialect) -> str:
    return _IN_FRONT[dialect.number_form] + digits
