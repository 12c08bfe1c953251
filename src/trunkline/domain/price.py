"""What a part of a message costs: the prices of every price list, held in memory, the most specific one taken.

Of prices that fit, one for the recipient's network goes before one for its country, and that before one for everywhere;
of the same place, one for the kind of the sender goes before one for any sender.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple

MICRO_DIGITS = 6
_UNIT = 1_000_000


class SenderKind(IntEnum):
    """What a price may depend on of the sender."""

    ANY = 0
    NUMBER = 1
    SHORT_CODE = 2
    ALPHANUMERIC = 3


class Price(NamedTuple):
    """Of one part, in millionths of the currency; the pass-through fee comes on top."""

    price_micro: int
    ptf_micro: int
    currency: str


# By kind of sender; the first is for any.
_ByKind = tuple[Price | None, Price | None, Price | None, Price | None]
_EVERYWHERE = ""


class PriceBook:
    """Every price that is valid now: by list, then by place (MCC and MNC, country, or "" for everywhere)."""

    __slots__ = ("_lists",)

    def __init__(self, lists: Mapping[int, Mapping[str, _ByKind]]) -> None:
        self._lists = lists

    def __len__(self) -> int:
        return sum(map(len, self._lists.values()))

    def price_of(self, price_list_id: int, country: str | None, mccmnc: str | None, sender: str) -> Price | None:
        """What a part costs; None where the list has no price for it."""
        places = self._lists.get(price_list_id)
        if places is None:
            return None
        kind = kind_of(sender)
        for place in (mccmnc, country, _EVERYWHERE):
            by_kind = None if place is None else places.get(place)
            if by_kind is not None and (price := by_kind[kind] or by_kind[0]) is not None:
                return price
        return None


class PriceBookMaker:
    """Makes the book of prices that come in order of their beginning: a later one replaces an earlier one."""

    def __init__(self) -> None:
        self._lists: dict[int, dict[str, _ByKind]] = {}
        self._prices: dict[Price, Price] = {}  # few are different

    def add(self, price_list_id: int, country: str, mccmnc: str, sender_kind: int, price: Price) -> None:
        """`country` and `mccmnc` are empty where the price does not depend on them; of both, `mccmnc` counts."""
        places = self._lists.setdefault(price_list_id, {})
        place = mccmnc or country
        by_kind = list(places.get(place, (None, None, None, None)))
        by_kind[sender_kind] = self._prices.setdefault(price, price)
        places[place] = tuple(by_kind)  # type: ignore[assignment]

    def made(self) -> PriceBook:
        """The book of what was added."""
        return PriceBook(self._lists)


NO_PRICES = PriceBookMaker().made()


def kind_of(sender: str) -> SenderKind:
    """The kind of a sender in the contract's form: "+" and digits, digits alone (a short code), or letters."""
    if sender[:1] == "+":
        return SenderKind.NUMBER
    return SenderKind.SHORT_CODE if sender.isdecimal() else SenderKind.ALPHANUMERIC


def spelled(micro: int) -> str:
    """Micro-units as an exact decimal: 7500 → 0.0075."""
    whole, rest = divmod(abs(micro), _UNIT)
    return f"{'-' if micro < 0 else ''}{whole}" + (f".{rest:0{MICRO_DIGITS}d}".rstrip("0") if rest else "")


def micro_of(text: str) -> int:
    """The micro-units that a decimal such as 0.0075 is. Raises ValueError for anything else, signs included."""
    whole, point, rest = text.partition(".")
    digits = whole + rest
    if not (digits.isascii() and digits.isdecimal()) or not whole or (point and not rest):
        raise ValueError("a decimal number such as 0.0075")
    if len(rest.rstrip("0")) > MICRO_DIGITS or len(whole.lstrip("0")) > MICRO_DIGITS:
        raise ValueError(f"a number of up to {MICRO_DIGITS} digits before the point and {MICRO_DIGITS} after it")
    return int(whole) * _UNIT + int(rest[:MICRO_DIGITS].ljust(MICRO_DIGITS, "0"))
