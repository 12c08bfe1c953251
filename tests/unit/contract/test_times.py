"""RFC 3339 times: the forms that are read, those that are not, and the one that is written."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.contract.times import parse, spell, spell_ms, to_micros


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:00.5z", 500_000),
        ("1970-01-01T00:00:00.0000019Z", 1),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T23:59:59.999-00:00", -1000),
        ("2026-06-22T05:10:03.120Z", 1_782_105_003_120_000),
        ("2024-02-29T12:00:00Z", 1_709_208_000_000_000),
    ],
)
def test_read(text: str, micros: int) -> None:
    at = parse(text)
    assert at is not None
    assert to_micros(at) == micros
    assert at.tzinfo is dt.UTC


@pytest.mark.parametrize(
    "text",
    ["", "now", "2026-06-22", "2026-06-22T05:10:03", "2026-06-22 05:10:03Z", "2026-06-22T05:10Z",
     "2026-06-22T05:10:60Z",
     "2026-06-22T24:00:00Z", "2026-13-01T00:00:00Z", "2023-02-29T00:00:00Z", "2026-06-22T05:10:03+0100",
     "2026-06-22T05:10:03.Z", "2026-06-22T05:10:03,5Z", "2026-06-22T05:10:03Z\n", " 2026-06-22T05:10:03Z",
     "٢٠٢٦-06-22T05:10:03Z", "2026-06-22T05:10:03+25:00", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00",
     "20260622T051003Z", "2026-W26-1T05:10:03Z", "1782105003"],
)  # fmt: skip
def test_not_read(text: str) -> None:
    assert parse(text) is None


@given(st.integers(0, 253_402_300_799_999))
def test_what_is_written_is_read_back(ms: int) -> None:
    text = spell_ms(ms)
    at = parse(text)
    assert at is not None
    assert to_micros(at) == ms * 1000
    assert spell(at) == text
    assert spell(at + dt.timedelta(microseconds=999)) == text
