"""The kinds of values that a set-up file has beyond those of the settings."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import Any

from trunkline.contract.send import SENDER
from trunkline.domain.consent import words_of
from trunkline.domain.price import micro_of, spelled
from trunkline.domain.quiet import QuietHours
from trunkline.numbering.plan import REGIONS
from trunkline.runtime.kinds import Kind

_ID = re.compile(r"[0-9a-fA-F]{24}").fullmatch
_NAME = re.compile(r"[^\s/\x00-\x1f\x7f](?:[^/\x00-\x1f\x7f]{0,62}[^\s/\x00-\x1f\x7f])?").fullmatch
_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[1-9][0-9]{0,4})?").fullmatch
_RATE_LIMIT = 1_000_000
_TEXT_LIMIT = 1600
COUNTRY_CODES = frozenset(REGIONS.split()) - {"ZZ"}


def _id(value: Any) -> str:
    if not isinstance(value, str) or not _ID(value):
        raise ValueError("24 hexadecimal digits")
    return value.lower()


def _name(value: Any) -> str:
    # No names that look like ids: references take either.
    if not isinstance(value, str) or not _NAME(value) or _ID(value):
        raise ValueError("a name of 1 to 64 characters, without / and line ends")
    return value


def _reference(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a name or an id")
    return value.lower() if _ID(value) else value


def _address(value: Any) -> str:
    if not isinstance(value, str) or not SENDER(value):
        raise ValueError("a short code of 3 to 8 digits, a number such as +15551230000, or 1 to 11 letters and digits")
    return value


def _countries(value: Any) -> list[str]:
    if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
        raise ValueError('a list of countries such as ["NL", "BE"]')
    for item in value:
        if item not in COUNTRY_CODES:
            raise ValueError(f"a list of countries by ISO 3166-1 alpha-2 code, such as NL; {item} is none")
    return sorted(set(value))


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError('a list of texts such as ["https://example.com"]')
    return value


def _headers(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(item, str) and item for item in value.values()):
        raise ValueError('a table of texts by header such as { X-Tenant = "acme" }')
    return value


def _country(value: Any) -> str:
    if not isinstance(value, str) or value not in COUNTRY_CODES:
        raise ValueError("a country by ISO 3166-1 alpha-2 code, such as NL")
    return value


def _mccmnc(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{5,6}", value):
        raise ValueError("5 or 6 digits in quotes: MCC 3, MNC 2 or 3")
    return value


def _prefix(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"\+[1-9][0-9]{0,14}", value):
        raise ValueError("what numbers begin with, such as +8821")
    return value


def _prefixes(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise ValueError('a list of what numbers begin with, such as ["+8821"]')
    return sorted(set(map(_prefix, value)))


def _currency(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Z]{3}", value):
        raise ValueError("a currency by ISO 4217 code, such as EUR")
    return value


def _money(value: Any) -> int:
    # A number of TOML is binary; its shortest spelling is what was written, for as many digits as money has here.
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = format(Decimal(str(value)), "f")
    if not isinstance(value, str):
        raise ValueError("a decimal number such as 0.0075")
    return micro_of(value)


def _time(value: Any) -> dt.datetime:
    if isinstance(value, str):
        try:
            value = dt.datetime.fromisoformat(value)
        except ValueError:
            value = None
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        value = dt.datetime.combine(value, dt.time())
    if not isinstance(value, dt.datetime):
        raise ValueError("a date (2026-12-01, UTC), or a time as in RFC 3339")
    try:
        return (value if value.tzinfo else value.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)
    except OverflowError:
        raise ValueError("a time of our era") from None


def text(limit: int, *, empty: bool = False) -> Kind:
    """ASCII text of up to `limit` characters without control characters: a C-octet string of SMPP less its NUL."""

    def read(value: Any) -> str:
        if (
            not isinstance(value, str)
            or len(value) > limit
            or not re.fullmatch(r"[ -~]*", value)
            or not (value or empty)
        ):
            raise ValueError(f"{0 if empty else 1} to {limit} ASCII characters")
        return value

    return Kind(f"text, up to {limit} characters", read)


def _table(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("a table")
    return value


def _hosts(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) and _HOST(item) for item in value):
        raise ValueError('a list of hosts such as ["smsc2.example.com", "192.0.2.7:2776", "[2001:db8::1]:2775"]')
    return value


def _rate(value: Any) -> int:
    if value == "unlimited":
        return 0
    # No 0: it would be read as "nothing" by one and as "no limit" by another.
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _RATE_LIMIT:
        raise ValueError(f'a whole number from 1 to {_RATE_LIMIT}, or "unlimited"')
    return value


def _word(value: Any) -> str:
    words = words_of(value) if isinstance(value, str) else []
    if len(words) != 1 or len(words[0]) > 64:
        raise ValueError("one word of letters and digits")
    return words[0]


def _reply(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _TEXT_LIMIT or "\0" in value:
        raise ValueError(f"a text of up to {_TEXT_LIMIT} characters, or empty")
    return value


def _hours(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("hours such as 21:00-08:00")
    QuietHours.read(value)
    return value


ID = Kind("24 hexadecimal digits", _id)
NAME = Kind("name", _name)
REFERENCE = Kind("name or id", _reference)
ADDRESS = Kind("sender", _address)
COUNTRIES = Kind("list of countries", _countries)
COUNTRY = Kind("country", _country)
MCCMNC = Kind("5 or 6 digits", _mccmnc)
PREFIX = Kind("prefix", _prefix)
PREFIXES = Kind("list of prefixes", _prefixes)
CURRENCY = Kind("currency", _currency)
MONEY = Kind("amount", _money, spelled)
TIME = Kind("date or time", _time)
TABLE = Kind("table", _table)
TEXTS = Kind("list of texts", _texts)
HEADERS = Kind("table of texts", _headers)
HOSTS = Kind("list of hosts", _hosts)
RATE = Kind('integer, 1 to 1000000, or `"unlimited"`', _rate)
WORD = Kind("word", _word)
REPLY = Kind(f"text, up to {_TEXT_LIMIT} characters", _reply)
HOURS = Kind("hours", _hours)
