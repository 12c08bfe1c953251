"""The search over an operator's ranges: edges, lengths, what wins where ranges overlap."""

from __future__ import annotations

from math import inf

import pytest

from trunkline.numbering.ranges import NO_RANGES, RangesMaker, ranges_of

ALWAYS = -inf


def prefixes(**networks: str):
    """A table of prefixes; keyword p4479="23410"."""
    return ranges_of([(name[1:], name[1:], network, ALWAYS) for name, network in networks.items()])


def test_nothing_is_known_without_ranges():
    assert NO_RANGES.mccmnc_of("+447911123456") is None


@pytest.mark.parametrize(
    ("number", "network"),
    [
        ("+447911000000", "23410"), ("+447911999999", "23410"),  # both ends belong to it
        ("+447910999999", None), ("+447912000000", None),  # their neighbours do not
        ("+44791100000", "23410"), ("+4479119", "23410"),  # shorter: all that begins with it is the range's
        ("+4479110000000", "23410"), ("+447911999999999", "23410"),  # longer, up to 15 digits
        ("+447912000000000", None), ("+447910999999999", None),
    ],
)  # fmt: skip
def test_the_ends_of_a_range(number: str, network: str | None):
    assert ranges_of([("447911000000", "447911999999", "23410", ALWAYS)]).mccmnc_of(number) == network


def test_a_range_of_15_digits_is_a_range_of_single_numbers():
    ranges = ranges_of([("100000000000000", "100000000000000", "31026", ALWAYS),
                        ("999999999999999", "999999999999999", "310260", ALWAYS)])  # fmt: skip
    assert ranges.mccmnc_of("+100000000000000") == "31026"
    assert ranges.mccmnc_of("+100000000000001") is None
    assert ranges.mccmnc_of("+10000000000000") is None  # the range has one of the ten
    assert ranges.mccmnc_of("+999999999999999") == "310260"
    assert ranges.mccmnc_of("+999999999999998") is None


def test_a_number_shorter_than_the_ranges_is_known_if_they_agree():
    agreed = prefixes(p44791112345="23410", p4479111234="23410", p44791112346="23410")
    assert agreed.mccmnc_of("+4479111234") == "23410"
    split = prefixes(p4479111234="23410", p44791112345="23415")
    assert split.mccmnc_of("+4479111234") is None
    assert split.mccmnc_of("+44791112345") == "23415"
    assert split.mccmnc_of("+44791112346") == "23410"


def test_the_narrower_range_wins_whatever_the_order():
    rows = [("44", "44", "23400", ALWAYS), ("4479", "4479", "23410", ALWAYS), ("447911", "447913", "23415", ALWAYS),
            ("4479125", "4479125", "23420", ALWAYS)]  # fmt: skip
    for turn in range(len(rows)):
        ranges = ranges_of(rows[turn:] + rows[:turn])
        found = [ranges.mccmnc_of(f"+{digits}00000") for digits in ("4420", "4479", "447911", "4479125", "4479126")]
        assert found == ["23400", "23410", "23415", "23420", "23415"]
        assert ranges.mccmnc_of("+447914000000") == "23410"
        assert ranges.mccmnc_of("+450000000") is None


def test_of_equally_wide_ranges_the_later_one_wins():
    rows = [("4471", "4475", "23410", ALWAYS), ("4473", "4477", "23415", ALWAYS)]  # begins later
    assert [ranges_of(rows).mccmnc_of(f"+447{n}00000") for n in range(1, 8)] == ["23410"] * 2 + ["23415"] * 5
    rows = [("4471", "4475", "23410", 2.0), ("4473", "4477", "23415", 1.0)]  # valid from later on
    assert [ranges_of(rows).mccmnc_of(f"+447{n}00000") for n in range(1, 8)] == ["23410"] * 5 + ["23415"] * 2
    rows = [("4479", "4479", "23410", ALWAYS), ("4479", "4479", "23415", 1.0)]
    assert ranges_of(rows).mccmnc_of("+447911123456") == "23415"


def test_neighbours_of_one_network_are_one_span():
    maker = RangesMaker()
    for n in range(1000):
        maker.add(f"4479{n:03}", f"4479{n:03}", "23410", ALWAYS)
    ranges = maker.made()
    assert len(ranges) == 3  # before, inside, behind
    assert ranges.mccmnc_of("+4479500") == "23410"


def test_five_and_six_digits_stay_what_they_are():
    assert prefixes(p1="00101").mccmnc_of("+1555000") == "00101"
    assert prefixes(p1="001001").mccmnc_of("+1555000") == "001001"
