"""What a file of prices may look like, and what is said of each line that is wrong."""

from __future__ import annotations

import datetime as dt

import pytest

from trunkline.admin.document import Mistaken
from trunkline.admin.lines import BadLines
from trunkline.admin.prices import read_prices
from trunkline.domain.price import SenderKind
from trunkline.store.prices import IncomingPrice

UTC = dt.UTC


def read(*lines: str) -> tuple[list[IncomingPrice], list[str]]:
    bad = BadLines("f.csv")
    return list(read_prices([f"{line}\n" for line in lines], bad)), bad.mistaken().lines


def test_the_forms_of_a_file() -> None:
    assert read("price", "0.05") == ([IncomingPrice(2, "", "", 0, 50_000, 0, None, None)], [])
    assert read(
        "\ufeffCountry;MCC;MNC;sender;price;ptf;valid_from;valid_until",
        "GB;234;10;Alphanumeric;0.03;0.001;2026-12-01;2027-01-01T00:00:00+01:00",
        "GB;;;;0.04;;;",
        ";;;short code;1;0;;",
    ) == (
        [
            # Which country the network is of its code says.
            IncomingPrice(
                2, "", "23410", SenderKind.ALPHANUMERIC, 30_000, 1000, dt.datetime(2026, 12, 1, tzinfo=UTC),
                dt.datetime(2026, 12, 31, 23, tzinfo=UTC),
            ),
            IncomingPrice(3, "GB", "", SenderKind.ANY, 40_000, 0, None, None),
            IncomingPrice(4, "", "", SenderKind.SHORT_CODE, 10**6, 0, None, None),
        ],
        [],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("XX,,,1,,,", "country must be an ISO 3166-1 alpha-2 code"),
        ("gb,,,1,,,", "country must be an ISO 3166-1 alpha-2 code"),
        ("GB,2341,,1,,,", "mccmnc must be 5 or 6 digits"),
        ("GB,,long,1,,,", "sender must be number, short code, alphanumeric, or empty"),
        ("GB,,,,,,", "price must be a decimal number"),
        ("GB,,,0.0000001,,,", "price must be a number of up to 6 digits"),
        ("GB,,,1,-1,,", "ptf must be a decimal number"),
        ("GB,,,1,,tomorrow,", "valid_from must be a date"),
        ("GB,,,1,,2026-12-01,2026-12-01", "valid_until must be after valid_from"),
        ("GB,,,1", "4 fields where the header has 7"),
    ],
)
def test_wrong_lines(line: str, why: str) -> None:
    prices, mistakes = read("country,mccmnc,sender,price,ptf,valid_from,valid_until", line, "NL,,,1,,,")
    assert [one.country for one in prices] == ["NL"]
    assert len(mistakes) == 1
    assert mistakes[0].startswith(f"f.csv:2: {why}")


def test_wrong_headers() -> None:
    with pytest.raises(Mistaken) as mistaken:
        read("country,cost,country", "GB,1,")
    assert mistaken.value.lines[:3] == [
        "f.csv:1: a column `price` has to be there",
        "f.csv:1: the column 'country' is there twice",
        "f.csv:1: there is no column 'cost': the first line names the columns, of country, mccmnc, mcc, mnc, sender,"
        " price, ptf, valid_from, valid_until",
    ]
