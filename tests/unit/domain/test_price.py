"""Which price is taken, and money as decimals."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.domain.price import Price, PriceBookMaker, SenderKind, kind_of, micro_of, spelled

LIST = 7
NUMBER, SHORT_CODE, LETTERS = "+46700000001", "12345", "Trunkline"


def price(micro: int) -> Price:
    return Price(micro, 0, "EUR")


def taken(*rows: tuple[str, str, int, int], sender: str = NUMBER, country: str | None = "GB") -> int | None:
    """The price that a message to network 23410 of a country costs, of rows (country, mccmnc, kind, micro)."""
    maker = PriceBookMaker()
    for row_country, mccmnc, kind, micro in rows:
        maker.add(LIST, row_country, mccmnc, kind, price(micro))
    found = maker.made().price_of(LIST, country, "23410", sender)
    return None if found is None else found.price_micro


EVERYWHERE, COUNTRY, NETWORK = ("", "", 0, 1), ("GB", "", 0, 2), ("", "23410", 0, 3)


def test_the_most_specific_place_is_taken() -> None:
    assert taken(EVERYWHERE) == 1
    assert taken(EVERYWHERE, COUNTRY) == 2
    assert taken(NETWORK, EVERYWHERE, COUNTRY) == 3
    assert taken(COUNTRY, EVERYWHERE, country=None) == 1
    assert taken(("", "23411", 0, 4), ("FR", "", 0, 5)) is None


def test_of_one_place_the_kind_of_sender_goes_before_any() -> None:
    both = (COUNTRY, ("GB", "", SenderKind.ALPHANUMERIC, 9))
    assert taken(*both, sender=LETTERS) == 9
    assert taken(*both, sender=NUMBER) == 2
    # A place that has only other kinds says nothing; the next one does.
    assert taken(EVERYWHERE, ("GB", "", SenderKind.SHORT_CODE, 8), sender=LETTERS) == 1
    assert taken(("", "23410", SenderKind.SHORT_CODE, 8), COUNTRY, sender=SHORT_CODE) == 8


def test_a_later_price_replaces_an_earlier_one() -> None:
    assert taken(COUNTRY, ("GB", "", 0, 6)) == 6


def test_lists_know_nothing_of_each_other() -> None:
    maker = PriceBookMaker()
    maker.add(1, "", "", 0, price(1))
    book = maker.made()
    assert book.price_of(2, "GB", None, NUMBER) is None
    assert book.price_of(1, "GB", None, NUMBER) == price(1)


def test_nothing_may_cost_nothing() -> None:
    assert taken(("", "", 0, 5), ("GB", "", 0, 0)) == 0


def test_kinds_of_senders() -> None:
    assert [kind_of(one) for one in (NUMBER, SHORT_CODE, LETTERS, "1ab", "77766")] == [
        SenderKind.NUMBER, SenderKind.SHORT_CODE, SenderKind.ALPHANUMERIC, SenderKind.ALPHANUMERIC,
        SenderKind.SHORT_CODE,
    ]  # fmt: skip


@given(st.integers(0, 10**12 - 1))
def test_amounts_are_exact_both_ways(micro: int) -> None:
    assert Decimal(spelled(micro)) * 10**6 == micro
    assert micro_of(spelled(micro)) == micro


@pytest.mark.parametrize(
    ("text", "micro"), [("0", 0), ("0.0075", 7500), ("1.000000", 10**6), ("007.50", 7_500_000), ("1.0000000", 10**6)]
)
def test_amounts_as_people_write_them(text: str, micro: int) -> None:
    assert micro_of(text) == micro


@pytest.mark.parametrize(
    "text", ["", ".", ".5", "5.", "-1", "+1", "1e3", "1,5", " 1", "0.0000001", "1000000.1", "٣", "1.2.3", "NaN"]
)
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(ValueError):
        micro_of(text)
