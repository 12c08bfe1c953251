"""What a file of number ranges may look like, and what is said of each line that is wrong."""

from __future__ import annotations

import datetime as dt

import pytest

from trunkline.admin.document import Mistaken
from trunkline.admin.lines import BadLines
from trunkline.admin.ranges import read_ranges
from trunkline.store.numbers import IncomingRange


def read(*lines: str) -> tuple[list[IncomingRange], list[str]]:
    """The ranges of a file, and its mistakes."""
    bad = BadLines("f.csv")
    ranges = list(read_ranges([f"{line}\n" for line in lines], bad))
    return ranges, bad.mistaken().lines


@pytest.mark.parametrize(
    "lines",
    [
        ("prefix,mccmnc", "+4479,23410"),
        ("\ufeffPrefix;MCC;MNC", "4479;234;10"),
        ("mccmnc\tfirst\tlast\tsource", "23410\t4479\t4479\tf.csv"),
        ("prefix,first,last,mccmnc,valid_from", '"4479",,,23410,', "", ",4479,4479,23410,"),
        ("first,last,mccmnc,valid_from", "4479,4479,23410,2020-02-29"),
        ("first,last,mccmnc,valid_from", "4479,4479,23410,2020-02-29T12:00:00+02:00"),
    ],
)
def test_the_forms_of_a_file(lines: tuple[str, ...]) -> None:
    ranges, mistakes = read(*lines)
    assert mistakes == []
    assert {one._replace(line=0, valid_from=None) for one in ranges} == {
        IncomingRange(0, "4479", "4479", "23410", None, "f.csv")
    }


def test_a_time_is_utc_unless_it_says_otherwise() -> None:
    ranges, _ = read(
        "prefix,mccmnc,valid_from,source",
        "1,31026,,",
        "1,310260,2026-12-01,a",
        '"+1",00101,2026-12-01T01:00:00+02:00,"b,c"',
    )
    assert ranges == [
        IncomingRange(2, "1", "1", "31026", None, "f.csv"),
        IncomingRange(3, "1", "1", "310260", dt.datetime(2026, 12, 1, tzinfo=dt.UTC), "a"),
        IncomingRange(4, "1", "1", "00101", dt.datetime(2026, 11, 30, 23, tzinfo=dt.UTC), "b,c"),
    ]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("04,,,23410,,", "prefix must be 1 to 15 digits"),
        ("1234567890123456,,,23410,,", "prefix must be 1 to 15 digits"),
        ("44x,,,23410,,", "prefix must be 1 to 15 digits"),
        ("٤٤,,,23410,,", "prefix must be 1 to 15 digits"),
        ("+,,,23410,,", "prefix must be 1 to 15 digits"),
        (",44,,23410,,", "last must be 1 to 15 digits"),
        (",44,445,23410,,", "the same number of digits"),
        (",45,44,23410,,", "first is greater than last"),
        ("44,44,45,23410,,", "either prefix, or first and last"),
        (",,,23410,,", "either prefix, or first and last"),
        ("44,,,2341,,", "5 or 6 digits"),
        ("44,,,2341000,,", "5 or 6 digits"),
        ("44,,,٢٣٤١٠,,", "5 or 6 digits"),
        ("44,,,,,", "either mccmnc, or mcc and mnc"),
        ("44,,,23410,01-02-2026,", "valid_from must be a date"),
        ("44,,,23410,0001-01-01T00:00:00+14:00,", "valid_from must be a date"),
        ("44,,,23410,,a\0b", "printable"),
        ("44,,,23410,," + "s" * 201, "up to 200"),
        ("44,,,23410", "4 fields where the header has 6"),
        ('44,,,23410,,"x" y', "expected after"),
        ('44,,,23410,,"x', "unexpected end"),
    ],
)
def test_a_bad_line_is_named_with_what_is_wrong(line: str, why: str) -> None:
    ranges, (told,) = read("prefix,first,last,mccmnc,valid_from,source", "4479,,,23410,,", line)
    assert [one.line for one in ranges] == [2]
    assert told.startswith("f.csv:3: ")
    assert why in told


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("prefix,operator,mccmnc", "there is no column 'operator'"),
        ("prefix,prefix,mccmnc", "the column 'prefix' is there twice"),
        ("first,mccmnc", "a column `prefix`, or `first` and `last`"),
        ("prefix,mcc", "a column `mccmnc`, or `mcc` and `mnc`"),
        ("", "there is no column ''"),
    ],
)
def test_a_header_that_does_not_say_what_follows(header: str, why: str) -> None:
    with pytest.raises(Mistaken) as raised:
        read(header, "44,44,23410")
    assert raised.value.lines[0].startswith("f.csv:1: ")
    assert any(why in line for line in raised.value.lines)


def test_what_stands_after_a_bad_line_has_its_own_number() -> None:
    ranges, mistakes = read("prefix,mccmnc,source", "0,23410,", '44,23410,"two', 'lines"', "", "45,23410,")
    assert [one.line for one in ranges] == [6]
    assert [line.split(": ")[0] for line in mistakes] == ["f.csv:2", "f.csv:4"]
