"""Readers of a dialect's fields: what TOML gives becomes what the dialect holds, or a ValueError that names the key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeVar

from trunkline.carriers.err_profiles import ERR_PROFILES
from trunkline.carriers.habits import AddressType
from trunkline.carriers.refusal import Action, Refusal, own_refusal
from trunkline.domain.errors import DELIVERY_CODES
from trunkline.text.national import LANGUAGES

# Fields of a receipt's text, by the names that parsing has for them.
RECEIPT_FIELDS = ("id", "sub", "dlvrd", "submit_date", "done_date", "stat", "err", "text", "mcc", "mnc")

_Word = TypeVar("_Word", bound=StrEnum)
Reader = Callable[[str, Any], Any]


def _fault(key: str, value: object, wanted: str) -> ValueError:
    return ValueError(f"dialect.{key}: {value!r} is not {wanted}")


def one_of(words: type[_Word]) -> Callable[[str, Any], _Word]:
    def read(key: str, value: Any) -> _Word:
        try:
            return words(value)
        except ValueError:
            raise _fault(key, value, "one of " + ", ".join(words)) from None

    return read


def flag(key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _fault(key, value, "true or false")
    return value


def bits(key: str, value: Any) -> int:
    if value not in (8, 16) or isinstance(value, bool):
        raise _fault(key, value, "8 or 16")
    return int(value)


def text(limit: int, *, least: int = 0) -> Callable[[str, Any], str]:
    """ASCII without control characters: what a C-octet string of SMPP takes."""

    def read(key: str, value: Any) -> str:
        if not isinstance(value, str) or not least <= len(value) <= limit or not (value.isascii() and _shows(value)):
            raise _fault(key, value, f"{least} to {limit} ASCII characters")
        return value

    return read


def _shows(text: str) -> bool:
    return not text or text.isprintable()


def languages(key: str, value: Any) -> tuple[int, ...]:
    if not isinstance(value, list | tuple) or not all(name in LANGUAGES for name in map(str, value)):
        raise _fault(key, value, "a list of " + ", ".join(LANGUAGES))
    return tuple(LANGUAGES[name] for name in dict.fromkeys(value))


def _number(value: Any, limit: int) -> int | None:
    """An integer from 0 to `limit`, written as such or as a string in any base ("0x1403"); None for anything else."""
    if isinstance(value, str):
        try:
            value = int(value, 0)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= limit:
        return None
    return value


def octet(key: str, value: Any) -> int:
    number = _number(value, 0xFF)
    if number is None:
        raise _fault(key, value, "0 to 255")
    return number


def tag(key: str, value: Any) -> int:
    tag = _number(value, 0xFFFF)
    if tag is None:
        raise _fault(key, value, "a TLV tag, 0 to 0xFFFF")
    return tag


def tags(key: str, value: Any) -> frozenset[int]:
    return frozenset(tag(key, one) for one in _list(key, value))


def statuses(key: str, value: Any) -> frozenset[int]:
    return frozenset(_status(key, one) for one in _list(key, value))


def _status(key: str, value: Any) -> int:
    status = _number(value, 0xFFFFFFFF)
    if not status:
        raise _fault(key, value, "a command_status, 0x1 to 0xFFFFFFFF")
    return status


def _list(key: str, value: Any) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise _fault(key, value, "a list")
    return list(value)


def address_type(key: str, value: Any) -> AddressType:
    parts = [_number(part, 255) for part in value] if isinstance(value, list | tuple) else []
    if len(parts) != 2 or parts[0] is None or parts[1] is None:
        raise _fault(key, value, "[TON, NPI], each 0 to 255")
    return AddressType(parts[0], parts[1])


def _table(key: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _fault(key, value, "a table")
    return value


def profile(key: str, value: Any) -> str | None:
    if value == "none":
        return None
    if value not in (*ERR_PROFILES, "table"):
        raise _fault(key, value, "one of none, " + ", ".join((*ERR_PROFILES, "table")))
    return str(value)


def delivery_code(key: str, value: Any) -> str:
    """The code of a failure. Raises ValueError for anything else."""
    if not isinstance(value, str) or value not in DELIVERY_CODES or value == "000":
        raise _fault(key, value, 'a delivery code of a failure, such as "101"')
    return value


def err_table(key: str, value: Any) -> Mapping[str, str]:
    return MappingProxyType({str(err): delivery_code(f"{key}.{err}", code) for err, code in _table(key, value).items()})


def states(key: str, value: Any) -> Mapping[str, int]:
    states: dict[str, int] = {}
    for word, written in _table(key, value).items():
        state = _number(written, 9)
        if state is None:
            raise _fault(f"{key}.{word}", written, "a message_state, 0 to 9")
        states[word.upper()] = state
    return MappingProxyType(states)


def receipt_keys(key: str, value: Any) -> Mapping[str, str]:
    keys: dict[str, str] = {}
    for word, field in _table(key, value).items():
        if field not in RECEIPT_FIELDS:
            raise _fault(f"{key}.{word}", field, "one of " + ", ".join(RECEIPT_FIELDS))
        if not word.strip() or not word.isprintable():
            raise _fault(f"{key}.{word}", word, "a key of a receipt's text")
        keys[word.lower()] = field
    return MappingProxyType(keys)


def receipt_columns(key: str, value: Any) -> tuple[str, ...]:
    columns = _list(key, value)
    for column in columns:
        if column != "" and (column not in RECEIPT_FIELDS or columns.count(column) > 1):
            raise _fault(key, value, 'a list of different ones of "", ' + ", ".join(RECEIPT_FIELDS))
    return tuple(columns)


def networks(key: str, value: Any) -> Mapping[str, str]:
    for name, network in _table(key, value).items():
        if not is_network(network):
            raise _fault(f"{key}.{name}", network, "MCC and MNC, 5 or 6 digits")
    return MappingProxyType(dict(value))


def is_network(value: object) -> bool:
    """Whether it is an MCC and MNC as records write them."""
    return isinstance(value, str) and len(value) in (5, 6) and value.isascii() and value.isdecimal()


def tlvs(key: str, value: Any) -> tuple[tuple[int, bytes], ...]:
    """{"0x1400": "hex of its value", …}, in that order."""
    tlvs = []
    for written, octets in _table(key, value).items():
        try:
            tlvs.append((tag(f"{key}.{written}", written), bytes.fromhex(octets)))
        except (ValueError, TypeError) as error:
            if str(error).startswith("dialect."):
                raise
            raise _fault(f"{key}.{written}", octets, "octets in hexadecimal") from None
    return tuple(tlvs)


def refusals(key: str, value: Any) -> Mapping[int, Refusal]:
    """{"0x410": {"action": "slow_down", "code": "459"}, …}."""
    refusals: dict[int, Refusal] = {}
    for written, entry in _table(key, value).items():
        where = f"{key}.{written}"
        status = _status(where, written)
        fields = _table(where, entry)
        if set(fields) != {"action", "code"}:
            raise _fault(where, dict(fields), "a table of action and code")
        action = one_of(Action)(f"{where}.action", fields["action"])
        if action is Action.SENT:
            raise _fault(f"{where}.action", "sent", "an action for a refusal")
        refusals[status] = own_refusal(status, action, delivery_code(f"{where}.code", fields["code"]))
    return MappingProxyType(refusals)
