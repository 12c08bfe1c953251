"""Texts as submit_sm carries them: data_coding, esm_class and octets by the carrier's default alphabet."""

import json
from pathlib import Path

import pytest

from trunkline.carriers import inbound
from trunkline.carriers.dialect import AddressType, Alphabet, Dialect
from trunkline.carriers.encode import Address, Part, destination_address, encode_parts, source_address
from trunkline.text import segment, udh

CORPUS = Path(__file__).parents[1] / "corpus"
ROWS = json.loads((CORPUS / "encode.json").read_text(encoding="utf-8"))["rows"]
TEXTS = [row["text"] for row in json.loads((CORPUS / "segments.json").read_text(encoding="utf-8"))["rows"]]


@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_corpus(row):
    parts = encode_parts(row["text"], Dialect(default_alphabet=Alphabet(row["smsc_default_alphabet"])))
    octets = bytes.fromhex(row["short_message_hex"])
    assert parts == [Part(row["data_coding"], row["esm_class"], octets)], row["why"]
    assert len(octets) == row["sm_length"]


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("alphabet", list(Alphabet))
def test_parts_read_back_and_fit(alphabet, bits):
    """Every text of the corpus, through our own reader of messages; what goes on the air fits 140 octets."""
    dialect = Dialect(default_alphabet=alphabet, reference_bits=bits)
    for text in TEXTS:
        if alphabet is Alphabet.GSM7_PACKED and set(text) & {"@", "\r"}:
            continue  # an eighth septet that is one of these looks like none
        parts = encode_parts(text, dialect, 0x1234567)
        read = [
            inbound.parse(part.esm_class, part.data_coding, part.short_message, "", 0, "", 0, (), dialect)
            for part in parts
        ]
        assert inbound.join(read)[0] == text.removeprefix("\ufeff")
        if len(parts) > 1:
            places = [(p.concat.ref, p.concat.total, p.concat.seq, p.concat.bits) for p in read]
            reference = 0x67 if bits == 8 else 0x4567
            assert places == [(reference, len(parts), seq, bits) for seq in range(1, len(parts) + 1)]
        for part in parts:
            header = part.short_message[0] + 1 if part.esm_class else 0
            units = len(part.short_message) - header
            septets = 160 - (header * 8 + 6) // 7
            assert units <= (140 - header if part.data_coding == 8 else septets)


@pytest.mark.parametrize("bits", [8, 16])
def test_gsm7_carriers_send_as_many_parts_as_were_measured(bits):
    for text in TEXTS:
        assert len(encode_parts(text, Dialect(reference_bits=bits))) == segment.measure(text, bits).parts


def test_latin1_parts_are_cut_as_measured():
    text = "¿Cómo estás? " * 20  # not GSM-7: on the air it is UCS-2
    parts = encode_parts(text, Dialect(default_alphabet=Alphabet.LATIN1))
    assert len(parts) == segment.measure(text).parts
    assert {part.data_coding for part in parts} == {0}


def test_first_header_is_the_specifications():
    assert encode_parts("a" * 161, reference=300)[0].short_message[:7] == bytes.fromhex("0500032c0201") + b"a"
    assert encode_parts("a" * 161)[1].esm_class == 0x40


def test_more_than_255_parts_cannot_be_sent():
    assert len(encode_parts("a" * (255 * 153))) == 255
    with pytest.raises(ValueError, match="256 parts"):
        encode_parts("a" * (255 * 153 + 1))


@pytest.mark.parametrize(
    ("sender", "address"),
    [
        ("+15550001111", Address(1, 1, "15550001111")),
        ("24680", Address(3, 0, "24680")),
        ("12345678", Address(3, 0, "12345678")),
        ("SHOP-1", Address(5, 0, "SHOP-1")),
        ("1a", Address(5, 0, "1a")),
    ],
)
def test_source_address_by_kind_of_sender(sender, address):
    assert source_address(sender) == address


def test_dialect_types_senders_its_own_way():
    dialect = Dialect(short_code=AddressType(0, 1), alphanumeric=AddressType(5, 9))
    assert source_address("24680", dialect) == Address(0, 1, "24680")
    assert source_address("SHOP", dialect) == Address(5, 9, "SHOP")


def test_destination_address_is_international():
    assert destination_address("+15550002222") == Address(1, 1, "15550002222")


def test_no_user_data_header_is_left_for_a_single_part():
    assert udh.read(encode_parts("\x05", Dialect(default_alphabet=Alphabet.ASCII))[0].short_message).error
