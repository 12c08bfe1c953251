"""Quiet hours: where it is quiet, until when, in one zone or many, and when clocks are moved."""

from __future__ import annotations

import datetime as dt

import pytest

from trunkline.domain.quiet import QuietHours, opens_at

NIGHT = QuietHours.read("21:00-08:00")


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def opens(at: str, *zones: str, hours: QuietHours = NIGHT) -> str | None:
    found = opens_at(utc(at), zones, hours)
    return None if found is None else found.astimezone(dt.UTC).strftime("%d %H:%M")


@pytest.mark.parametrize(
    ("at", "until"),
    [
        ("2026-06-10T18:59:59.9", None),
        ("2026-06-10T19:00", "11 06:00"),
        ("2026-06-10T19:30:30", "11 06:00"),
        ("2026-06-11T05:59:59", "11 06:00"),
        ("2026-06-11T06:00", None),
    ],
)
def test_a_night_in_paris(at: str, until: str | None) -> None:
    assert opens(at, "Europe/Paris") == until


@pytest.mark.parametrize(("at", "until"), [("2026-06-10T11:59", None), ("2026-06-10T12:00", "10 14:00")])
def test_hours_within_a_day(at: str, until: str | None) -> None:
    assert opens(at, "Etc/UTC", hours=QuietHours.read("12:00-14:00")) == until


@pytest.mark.parametrize(
    ("at", "until"),
    [
        ("2026-06-10T17:30", None),  # 13:30 in New York, 10:30 in Los Angeles
        ("2026-06-10T14:00", "10 15:00"),  # 10:00, and 07:00
        ("2026-06-11T01:30", "11 15:00"),  # 21:30, and 18:30
    ],
)
def test_a_country_of_several_zones(at: str, until: str | None) -> None:
    """It is quiet where it is quiet anywhere: until the last one is awake."""
    assert opens(at, "America/New_York", "America/Los_Angeles") == until


def test_zones_without_a_common_moment_go_by_the_one_in_the_middle() -> None:
    zones = ("Asia/Kamchatka", "Europe/Kaliningrad", "Europe/Moscow")
    hours = QuietHours.read("20:00-11:00")  # nine hours, and ten between the zones
    assert opens("2026-06-10T09:00", *zones, hours=hours) is None  # noon in Moscow
    assert opens("2026-06-10T17:00", *zones, hours=hours) == "11 08:00"


@pytest.mark.parametrize(
    ("at", "until"),
    [
        # The Sunday when clocks go from 2:00 to 3:00: the night is an hour shorter.
        ("2026-03-28T22:00", "29 06:00"),
        # And from 3:00 back to 2:00: longer.
        ("2026-10-24T22:00", "25 07:00"),
    ],
)
def test_clocks_that_are_moved_within_the_night(at: str, until: str) -> None:
    assert opens(at, "Europe/Paris") == until


def test_an_end_that_the_clocks_show_twice() -> None:
    """02:30 comes, goes back to 02:00, and comes again: it is quiet until each of them."""
    hours = QuietHours.read("21:00-02:30")
    assert opens("2026-10-25T00:10", "Europe/Paris", hours=hours) == "25 00:30"
    assert opens("2026-10-25T00:40", "Europe/Paris", hours=hours) is None
    assert opens("2026-10-25T01:10", "Europe/Paris", hours=hours) == "25 01:30"


def test_an_end_that_the_clocks_leave_out() -> None:
    assert opens("2026-03-29T00:10", "Europe/Paris", hours=QuietHours.read("21:00-02:30")) == "29 01:30"


@pytest.mark.parametrize("text", ["", "21-8", "21:00", "24:00-08:00", "21:60-08:00", "08:00-08:00", "9:00-10:00"])
def test_what_are_no_hours(text: str) -> None:
    with pytest.raises(ValueError, match="hours such as"):
        QuietHours.read(text)
