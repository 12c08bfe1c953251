"""Time zones of numbers: by area code, by country, several where it cannot be told; and that the table is made."""

from __future__ import annotations

import runpy
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from trunkline.numbering.plan import REGIONS
from trunkline.numbering.zones import zones_of

SCRIPT = runpy.run_path(str(Path(__file__).parents[3] / "scripts/compile_zones.py"))
TABLE = files("trunkline.numbering").joinpath("zones.tsv").read_text("utf-8")
ROWS = dict(line.split("\t") for line in TABLE.splitlines() if not line.startswith("#"))


@pytest.mark.parametrize(
    ("number", "zones"),
    [
        ("+12125550100", ("America/New_York",)),
        ("+14155550100", ("America/Los_Angeles",)),
        ("+18085550100", ("Pacific/Honolulu",)),
        ("+17875550100", ("America/Puerto_Rico",)),
        ("+33612345678", ("Europe/Paris",)),
        ("+31612345678", ("Europe/Amsterdam",)),
        ("+870773111632", ("Etc/UTC",)),
        ("nonsense", ("Etc/UTC",)),
    ],
)
def test_where_a_number_is(number: str, zones: tuple[str, ...]) -> None:
    assert zones_of(number) == zones


def test_where_it_cannot_be_told_it_is_every_zone_of_the_country() -> None:
    american = zones_of("+15550001111")
    assert {"America/New_York", "America/Los_Angeles", "Pacific/Honolulu"} < set(american)
    assert not {"Pacific/Guam", "America/Puerto_Rico", "America/Toronto"} & set(american)
    assert {"Europe/Moscow", "Asia/Kamchatka"} < set(zones_of("+79161234567"))


def test_every_zone_of_the_table_is_known_here() -> None:
    for zone in {zone for zones in ROWS.values() for zone in zones.split(",")}:
        assert ZoneInfo(zone)


def test_every_country_of_a_number_has_zones() -> None:
    without = set(REGIONS.split()) - {"ZZ"} - set(ROWS)
    assert without <= {"AC", "TA", "XK"}


def test_what_a_prefix_adds_is_kept_and_nothing_else() -> None:
    metadata = {"1": ("A", "B"), "12": ("A",), "123": ("A",), "124": ("B",), "44": ("C",), "4420": ("C",)}
    assert SCRIPT["prefixes_of"](metadata, ["1", "44"]) == {"12": ["A"], "124": ["B"], "4420": ["C"]}
    text = "# a comment\n\nUS\t+1\tAmerica/New_York\tEastern\nUS\t+2\tPacific/Honolulu\nNL\t+3\tEurope/Amsterdam\n"
    assert SCRIPT["countries_of"](text) == {"US": ["America/New_York", "Pacific/Honolulu"], "NL": ["Europe/Amsterdam"]}
