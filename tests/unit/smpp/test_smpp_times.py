"""SMPP times, by the table of cases."""

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from trunkline.smpp.times import read_absolute, read_relative, write_absolute, write_relative

ROWS = json.loads((Path(__file__).parents[2] / "corpus" / "smpp_times.json").read_text())["rows"]


@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_smpp_time(row):
    if "write" in row:
        assert write_relative(row["seconds"]) == row["value"]
        years, months, days, hours, minutes, seconds = read_relative(row["value"])
        assert ((days * 24 + hours) * 60 + minutes) * 60 + seconds == row["seconds"]
        assert (years, months) == (0, 0)
    elif row["read"] == "absolute":
        expected = None if row["utc"] is None else datetime.fromisoformat(row["utc"])
        assert read_absolute(row["value"]) == expected
    else:
        assert read_relative(row["value"]) == tuple(row["fields"])


def test_absolute_time_is_written_in_utc():
    at = datetime(2025, 3, 14, 9, 26, 53, 999_999, timezone(timedelta(hours=5, minutes=45)))
    assert write_absolute(at) == "250314034153900+"
    assert read_absolute(write_absolute(at)) == at.replace(microsecond=900_000)


@pytest.mark.parametrize("seconds", [-1, 32 * 86400])
def test_relative_time_that_cannot_be_written(seconds):
    with pytest.raises(ValueError):
        write_relative(seconds)


@pytest.mark.parametrize("at", [datetime(2025, 1, 1), datetime(1999, 12, 31, tzinfo=timezone.utc)])  # noqa: UP017
def test_absolute_time_that_cannot_be_written(at):
    with pytest.raises(ValueError):
        write_absolute(at)


def test_trailing_newline_is_no_time():
    assert read_absolute("250314092653000+\n") is None
    assert read_relative("000000000500000R\n") is None
