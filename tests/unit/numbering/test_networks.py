"""Names of mobile networks: codes of five and six digits, what the source lists oddly, and that the table is made."""

from __future__ import annotations

import hashlib
import re
import runpy
from importlib.resources import files
from pathlib import Path

import pytest

from trunkline.numbering.networks import Network, network_of

ROOT = Path(__file__).parents[3]
SCRIPT = runpy.run_path(str(ROOT / "scripts/compile_networks.py"))
FOLDER = files("trunkline.numbering").joinpath("mccmnc")


def entry(mnc: str, brand: str | None, country: str = "US", status: str = "Operational", mcc: str = "310") -> dict:
    return {"mcc": mcc, "mnc": mnc, "brand": brand, "operator": "Inc.", "countryCode": country, "status": status}


def test_a_network_has_a_name_and_its_countries():
    assert network_of("23410") == Network("23410", "O2 (UK)", ("GB",))
    assert network_of("310260") == Network("310260", "T-Mobile", ("PR", "US", "VI"))
    assert network_of("90101") == Network("90101", "ICO", ())  # satellites


@pytest.mark.parametrize("mccmnc", ["31026", "3102600", "310", "", "2341", "234010", "+23410", "99998"])
def test_what_the_list_lacks_is_none(mccmnc: str):
    assert network_of(mccmnc) is None


def test_mnc_01_and_001_are_two_networks():
    rows = SCRIPT["rows_of"]([entry("01", "two"), entry("001", "three")])
    assert rows == [("310001", "US", "three"), ("31001", "US", "two")]


def test_a_span_names_each_of_its_codes_unless_one_has_an_entry_of_its_own():
    rows = SCRIPT["rows_of"]([entry("100 - 102", "span"), entry("101", "own", status="Unknown")])
    assert rows == [("310100", "US", "span"), ("310101", "US", "own"), ("310102", "US", "span")]


@pytest.mark.parametrize("mnc", ["", "?", "50144", "5", None])
def test_an_entry_without_an_mnc_is_left_out(mnc: str | None):
    assert SCRIPT["rows_of"]([entry(mnc, "x")]) == []


def test_of_several_entries_the_operational_ones_tell():
    rows = SCRIPT["rows_of"](
        [entry("77", None, "BE", "Unknown", "270"), entry("77", "Tango", "LU", "Operational", "270")]
    )
    assert rows == [("27077", "LU", "Tango")]
    rows = SCRIPT["rows_of"]([entry("410", "AT&T"), entry("410", "Liberty", "VI"), entry("410", "AT&T", "PR/GE-AB")])
    assert rows == [("310410", "GE,PR,US,VI", "AT&T / Liberty")]


def test_the_table_is_codes_countries_and_names_in_order():
    lines = FOLDER.joinpath("networks.tsv").read_text("utf-8").split("\n")
    assert lines.pop() == ""
    assert all(re.fullmatch(r"\d{5,6}\t([A-Z]{2}(,[A-Z]{2})*)?\t\S.*", line) for line in lines)
    codes = [line.split("\t")[0] for line in lines]
    assert codes == sorted(set(codes))
    assert len(codes) > 3000


def test_the_table_was_not_written_by_hand():
    for line in FOLDER.joinpath("SHA256SUMS").read_text("utf-8").splitlines():
        expected, name = line.split("  ")
        assert hashlib.sha256(FOLDER.joinpath(name).read_bytes()).hexdigest() == expected, name


def test_the_table_is_what_the_package_makes(tmp_path: Path):
    """If not: python scripts/compile_networks.py."""
    try:
        package = SCRIPT["packed"](tmp_path)
    except SCRIPT["Unreachable"] as error:
        pytest.skip(f"the package cannot be had from npm here: {error}")
    made = SCRIPT["files_of"](package)
    assert {name: FOLDER.joinpath(name).read_bytes() for name in made} == made
