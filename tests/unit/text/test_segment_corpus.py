"""Encoding, size and parts of texts: the corpus, and the places where `smsutil` agrees."""

import json
from pathlib import Path

import pytest
import smsutil

from trunkline.text import gsm0338
from trunkline.text.segment import Encoding, Measure, measure, split

ROWS = json.loads((Path(__file__).parents[2] / "corpus/segments.json").read_text(encoding="utf-8"))["rows"]
ENCODINGS = {"GSM-7": Encoding.GSM7, "UCS-2": Encoding.UCS2}

# A grapheme may also be kept whole; the cut here falls between its code points.
CUT_DIFFERENTLY = {"zwj-at-boundary", "flag-at-boundary"}


def units_of(text, encoding):
    if encoding is Encoding.GSM7:
        return len(gsm0338.encode(text))
    return len(text.encode("utf-16-be")) // 2


@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_corpus(row):
    text = row["text"]
    encoding = ENCODINGS[row["encoding"]]
    assert measure(text) == Measure(encoding, row["units"], row["parts"]), row["why"]
    assert measure(text, 16) == Measure(encoding, row["units"], row["parts_16bit_ref"]), row["why"]
    for bits, sizes in ((8, row["part_units"]), (16, row["part_units_16bit_ref"])):
        parts = split(text, bits)
        assert "".join(parts) == text
        if row["id"] not in CUT_DIFFERENTLY:
            assert [units_of(part, encoding) for part in parts] == sizes, row["why"]
        assert len(parts) == len(sizes)
    assert [f"U+{ord(char):04X}" for char in gsm0338.outside(text)] == row["outside_gsm7"]


# smsutil sends U+001B in GSM-7, as an escape without a character.
@pytest.mark.parametrize("row", [row for row in ROWS if row["id"] != "escape-char"], ids=lambda row: row["id"])
def test_smsutil_cuts_alike(row):
    assert split(row["text"]) == [part.content for part in smsutil.split(row["text"]).parts]


def test_empty_text_is_one_empty_part():
    assert measure("") == Measure(Encoding.GSM7, 0, 1)
    assert split("") == [""]


def test_ucs2_can_be_asked_for_and_gsm7_cannot_be_forced():
    assert [len(part) for part in split("a" * 71, 8, Encoding.UCS2)] == [67, 4]
    assert [len(part) for part in split("a" * 71, 8, Encoding.GSM7)] == [71]
    with pytest.raises(ValueError, match="outside"):
        split("ж", 8, Encoding.GSM7)


def test_only_two_reference_widths_exist():
    with pytest.raises(KeyError):
        measure("a" * 161, 32)
