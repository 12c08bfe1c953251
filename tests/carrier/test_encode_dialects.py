"""One text for carriers of every kind: which alphabet, which data_coding, and how its parts hang together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.carriers import inbound
from trunkline.carriers.dialect import Dialect, from_mapping
from trunkline.carriers.encode import Address, Part, destination_address, encode_parts, measured, source_address

LONG = "a" * 200
SAR = [(0x020C, "0102"), (0x020E, "02"), (0x020F, "01")]


def parts(text: str, **settings: object) -> list[Part]:
    return encode_parts(text, from_mapping(settings), 0x0102)


def test_sar_has_no_header_in_the_text():
    one, two = parts(LONG, concatenation="sar", reference_bits=16)
    assert (one.esm_class, one.short_message) == (0, b"a" * 152)
    assert [(tag, value.hex()) for tag, value in one.tlvs] == SAR
    assert (two.short_message, two.tlvs[2]) == (b"a" * 48, (0x020F, b"\2"))
    assert parts(LONG, concatenation="sar")[0].tlvs[0] == (0x020C, b"\0\2")
    assert parts("short", concatenation="sar") == [Part(0, 0, b"short")]


def test_payload_is_one_submit_sm_whatever_the_length():
    (one,) = parts(LONG, concatenation="payload")
    assert one == Part(0, 0, b"", ((0x0424, b"a" * 200),))
    (one,) = parts("ж" * 100, concatenation="payload")
    assert (one.data_coding, one.tlvs) == (8, ((0x0424, ("ж" * 100).encode("utf-16-be")),))
    assert parts("short", concatenation="payload") == [Part(0, 0, b"short")]
    assert measured(LONG, from_mapping({"concatenation": "payload"}))[1:] == (200, 1)


def test_data_codings_of_the_carrier():
    assert parts("café", preset="latin1") == [Part(3, 0, b"caf\xe9")]
    assert parts("ж", ucs2_data_coding=0x18)[0].data_coding == 0x18
    assert parts("hi", data_coding=0xF1)[0].data_coding == 0xF1


def test_packed_septets():
    assert parts("hellohello", default_alphabet="gsm7_packed")[0].short_message.hex() == "e8329bfd4697d9ec37"
    one, two = parts(LONG, default_alphabet="gsm7_packed")
    assert [len(part.short_message) for part in (one, two)] == [140, 6 + 42]
    assert (one.esm_class, one.short_message[:6].hex()) == (0x40, "050003020201")
    assert parts("ж", default_alphabet="gsm7_packed") == parts("ж")


SETTINGS = [
    {},
    {"default_alphabet": "gsm7_packed"},
    {"default_alphabet": "gsm7_packed", "reference_bits": 16},
    {"default_alphabet": "gsm7_packed", "national_languages": ["tr"]},
    {"concatenation": "sar"},
    {"concatenation": "sar", "default_alphabet": "gsm7_packed", "national_languages": ["tr"]},
    {"concatenation": "payload"},
    {"preset": "latin1"},
    {"ucs2_data_coding": 0x18, "data_coding": 0xF1},
]
# A text that ends in @ or a carriage return and leaves seven bits over reads without it: the octets do not tell.
TEXTS = st.text(st.sampled_from("abc {€ğşжé\U0001f600"), max_size=300)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@given(text=TEXTS)
def test_read_back_as_it_was(settings, text):
    """As a message from a handset, by the same dialect."""
    dialect = from_mapping(settings)
    written = encode_parts(text, dialect, 7)
    assert len(written) == measured(text, dialect).parts
    read = [
        inbound.parse(part.esm_class, part.data_coding, part.short_message, "1", 1, "2", 1, part.tlvs, dialect)
        for part in written
    ]
    assert inbound.join(read) == (text, None)
    if len(written) > 1:
        assert [part.concat[1:3] for part in read] == [(len(written), n) for n in range(1, len(written) + 1)]


@pytest.mark.parametrize(
    ("form", "source", "destination"),
    [("digits", "15551230000", "31612345678"), ("plus", "+15551230000", "+31612345678"),
     ("zeros", "0015551230000", "0031612345678")],
)  # fmt: skip
def test_numbers_as_the_carrier_writes_them(form, source, destination):
    dialect = from_mapping({"number_form": form, "recipient": [0, 0], "international": [1, 8]})
    assert source_address("+15551230000", dialect) == Address(1, 8, source)
    assert destination_address("+31612345678", dialect) == Address(0, 0, destination)
    assert source_address("12345", dialect).addr == "12345"
    assert source_address("SHOP", dialect).addr == "SHOP"


def test_plain_is_as_it_was():
    assert destination_address("+31612345678") == Address(1, 1, "31612345678")
    assert encode_parts("hi", Dialect()) == [Part(0, 0, b"hi")]
