"""Encoding, size and parts of texts: the corpus, and the places where `smsutil` agrees."""

import json
from pathlib import Path

import pytest
import smsutil

from trunkline.text import gsm0338, national
from trunkline.text.segment import Encoding, Measure, measure, septets_beside, shifted, split

ROWS = json.loads((Path(__file__).parents[2] / "corpus/segments.json").read_text(encoding="utf-8"))["rows"]
ENCODINGS = {"GSM-7": Encoding.GSM7, "UCS-2": Encoding.UCS2}

# The corpus cuts these between code points and calls that debatable: we keep what a reader sees as one character whole.
KEPT_WHOLE = {"zwj-at-boundary": ([60, 21], [60, 21]), "flag-at-boundary": ([65, 7], [65, 7])}
TABLES = {("single",): (0, 1), ("locking",): (1, 0), ("locking", "single"): (1, 1)}


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
    wanted = KEPT_WHOLE.get(row["id"], (row["part_units"], row["part_units_16bit_ref"]))
    for bits, sizes in zip((8, 16), wanted, strict=True):
        parts = split(text, bits)
        assert "".join(parts) == text
        assert [units_of(part, encoding) for part in parts] == sizes, row["why"]
    assert [f"U+{ord(char):04X}" for char in gsm0338.outside(text)] == row["outside_gsm7"]


NATIONAL = [row for row in ROWS if "national" in row]


@pytest.mark.parametrize("row", NATIONAL, ids=[row["id"] for row in NATIONAL])
def test_national_language_tables(row):
    wanted = row["national"]
    locking, single = (used * wanted["language"] for used in TABLES[tuple(wanted["tables"])])
    shift = national.Shift(locking, single)
    coded = national.encode(row["text"], shift)
    if wanted["septets"] is None:
        assert coded is None
        return
    assert len(coded) == wanted["septets"]
    assert national.tables(locking, single).decode(coded) == row["text"]
    header = 1 + len(shift.elements)
    assert (septets_beside(header), septets_beside(header + 5)) == (wanted["single_limit"], wanted["multi_limit"])
    # Of all tables of the language those are taken that need least: never more than these.
    cheapest = shifted(row["text"], 8, (wanted["language"],))
    assert len(cheapest.parts) <= wanted["parts"]
    if cheapest.shift == shift:
        assert [len(part) for part in cheapest.parts] == wanted["part_septets"]


@pytest.mark.parametrize(
    ("text", "shift", "sizes", "sizes_16"),
    [
        ("ş" * 155, (1, 0), [155], [155]),
        ("ş" * 156, (1, 0), [149, 7], [148, 8]),
        ("ş" + "ì" * 300, (0, 1), [149, 149, 4], [148, 148, 6]),
        ("ì" * 148 + "ş" * 2 + "ì" * 140, (0, 1), [148, 144], [148, 144]),  # no table's escape ends a part
        ("ãª" * 100 + "ê~" * 20 + "Φ" * 10, (3, 3), [146, 114], [145, 115]),
    ],
)
def test_sizes_of_parts_by_national_tables(text, shift, sizes, sizes_16):
    for bits, wanted in ((8, sizes), (16, sizes_16)):
        found = shifted(text, bits, (1, 3))
        assert (found.shift, [len(part) for part in found.parts]) == (shift, wanted)


def test_tables_are_taken_by_parts_and_then_by_octets():
    def taken(text, *languages):
        found = shifted(text, 8, languages)
        return found and found.shift

    assert taken("ş" + "ì" * 40, 1) == (0, 1)  # the locking table has no ì
    assert taken("ş" * 40, 1) == (1, 0)
    assert taken("şşşşşş" + "ığ" * 40 + "\u20ac" * 3, 2, 1) == (1, 0)
    assert taken("ação" * 30, 1, 3) == (3, 0)
    assert taken("ж", 1, 2, 3) is None  # no table has it
    assert taken("ş", 1) is None  # a header of four octets costs more than UCS-2
    assert taken("ş" * 200, 3) is None
    assert taken("ş" * 200) is None


# smsutil sends U+001B in GSM-7, as an escape without a character, and cuts between code points.
@pytest.mark.parametrize(
    "row", [row for row in ROWS if row["id"] not in {"escape-char", *KEPT_WHOLE}], ids=lambda row: row["id"]
)
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


FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"  # 11 units


@pytest.mark.parametrize(
    ("cluster", "units"),
    [
        (FAMILY, 11),
        ("\U0001f44d\U0001f3fd", 4),
        ("\U0001f1f3\U0001f1f1", 4),
        ("1\ufe0f\u20e3", 3),
        ("e\u0301\u0323", 3),
        ("\u1112\u1161\u11ab", 3),
        ("\u0938\u094d\u0924\u0947", 4),
        ("\r\n", 2),
    ],
    ids=["family", "skin-tone", "flag", "keycap", "marks", "jamo", "conjunct", "crlf"],
)
def test_what_a_reader_sees_as_one_character_is_not_divided(cluster, units):
    for before in range(67 - units + 1, 67):
        parts = split("ж" * before + cluster + "ж" * 20)
        assert parts == ["ж" * before, cluster + "ж" * 20]
    assert split("ж" * (67 - units) + cluster + "ж" * 20)[0] == "ж" * (67 - units) + cluster


def test_flags_are_paired_from_the_first():
    flags = "\U0001f1f3\U0001f1f1" * 40
    assert [len(part) for part in split(flags)] == [32, 32, 16]
    assert [len(part) for part in split("ж" + flags)] == [33, 32, 16]


def test_a_cluster_longer_than_a_part_is_cut_where_the_part_ends():
    assert [len(part) for part in split("жж" + "a" + "\u0301" * 100)] == [67, 36]


def test_no_text_takes_more_parts_than_a_message_can_have():
    hostile = ("a" + "\U0001e8d0" * 17) * 88  # clusters of 35 units: kept whole, each would take a part
    assert len(hostile) <= 1600
    assert measure(hostile).parts <= 62
    assert len(split(hostile)) == measure(hostile).parts


def test_only_two_reference_widths_exist():
    with pytest.raises(KeyError):
        measure("a" * 161, 32)
