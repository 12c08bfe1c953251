"""The GSM 7-bit alphabet, against the packages `gsm0338` and `smsutil` and against its own specification."""

import pytest
import smsutil
from gsm0338 import Codec

from trunkline.text import gsm0338, national

ORACLE = Codec()
EVERY_CHARACTER = gsm0338.BASIC.replace("\x1b", "") + "".join(gsm0338.EXTENSION.values())


def test_table_has_127_characters_and_the_escape():
    assert len(gsm0338.BASIC) == 128
    assert len(set(gsm0338.BASIC)) == 128
    assert len(set(EVERY_CHARACTER)) == 137


def test_every_character_encodes_as_the_oracles_say():
    for char in EVERY_CHARACTER:
        assert gsm0338.encode(char) == ORACLE.encode(char)[0] == smsutil.encode(char), char
    assert gsm0338.encode(EVERY_CHARACTER) == ORACLE.encode(EVERY_CHARACTER)[0]


def test_every_character_decodes_as_the_oracle_says():
    octets = ORACLE.encode(EVERY_CHARACTER)[0]
    assert gsm0338.decode(octets) == EVERY_CHARACTER


def test_ascii_and_other_texts_take_different_ways_to_the_same_codes():
    for char in EVERY_CHARACTER:
        if char.isascii():
            assert gsm0338.codes(char + "é") == (gsm0338.codes(char) or b"") + b"\x05", char


def test_every_other_character_of_the_basic_plane_is_outside():
    inside = set(EVERY_CHARACTER)
    wrong = [
        code
        for code in range(0x10000)
        if (gsm0338.encode(chr(code)) is not None or gsm0338.encode("é" + chr(code)) is not None)
        != (chr(code) in inside)
    ]
    assert wrong == []


def test_outside_lists_each_character_once_by_code_point():
    assert gsm0338.outside("ça \U0001f600ça\x1b") == ["\x1b", "ç", "\U0001f600"]
    assert gsm0338.outside(EVERY_CHARACTER) == []


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"a\x1bAb", "aAb"),  # no such extension: the letter
        (b"a\x1b\x1bb", "a b"),  # a further table: a space
        (b"abc\x1b", "abc"),  # an escape at the end
        (b"\x1b\x1b\x1b\x65", " €"),
        (b"\x1b\x0d\x1b\x0a", "\r\f"),
        (b"caf\xe9\x93", "café\ufffd"),  # not septets
        (b"\x00", "@"),
        (b"", ""),
    ],
)
def test_escapes_and_octets_that_are_no_septets(octets, text):
    assert gsm0338.decode(octets) == text


def test_national_tables_differ_from_the_default_where_the_specification_says():
    turkish = national.tables(national.TURKISH, 0).decode(bytes(range(128)).replace(b"\x1b", b""))
    assert {c for c in turkish if c not in gsm0338.BASIC} == set("ıĞğŞşİç€")
    single = national.tables(0, national.SPANISH)
    assert single.decode(b"\x1b\x41\x1b\x09\x1b\x65\x1b\x62a") == "Áç€ba"
    assert national.tables(0, 0) is gsm0338.DEFAULT
    assert national.tables(99, 99) is gsm0338.DEFAULT


@pytest.mark.parametrize("language", [national.TURKISH, national.PORTUGUESE])
def test_locking_tables_have_128_places_and_the_escape_in_its_own(language):
    letters = national._LOCKING_SHIFT[language]
    assert len(letters) == len(set(letters)) == 128
    assert letters.index("\x1b") == gsm0338.ESCAPE
