"""How one carrier speaks SMPP: everything that differs between carriers and that no PDU says, as one frozen value.

The defaults are a carrier that does what SMPP 3.4 says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import msgspec

from trunkline.carriers.refusal import Action, Refusal, own_refusal
from trunkline.domain.errors import DELIVERY_CODES
from trunkline.text.national import LANGUAGES


class IdForm(StrEnum):
    """How an SMSC writes its message ids on one side (in submit_sm_resp, in a receipt's text, in its TLV)."""

    STR = "str"  # the octets as they are, without trailing NULs and outer spaces
    STR_NOCASE = "str_nocase"  # the same with ASCII letters in lower case
    DEC = "dec"  # an unsigned decimal number; leading zeros mean nothing
    HEX = "hex"  # an unsigned hexadecimal number; case, leading zeros and 0x mean nothing


class Alphabet(StrEnum):
    """What data_coding 0 is on a carrier (SMPP 3.4 §5.2.19: "SMSC Default Alphabet")."""

    GSM7 = "gsm7"  # one septet an octet
    LATIN1 = "latin1"
    ASCII = "ascii"


class ReceiptedParts(StrEnum):
    """Of which parts of a long text receipts come."""

    ALL = "all"
    FIRST = "first"
    LAST = "last"


class AddressType(NamedTuple):
    """Type of number and numbering plan (SMPP 3.4 §5.2.5, §5.2.6)."""

    ton: int
    npi: int


_HEX_ID = re.compile("(?:0[xX])?([0-9a-fA-F]{1,1024})").fullmatch
_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


def canonical_id(raw: str, form: IdForm) -> str:
    """The value that ids are compared by; ids of two sides with different numeric forms come out equal.

    `raw` holds the octets as Latin-1 or as text. Numbers become decimal without leading zeros; a value that is not of
    its numeric form is taken as it is. "" is no id and matches nothing.
    """
    text = raw.strip("\0 ")
    if form is IdForm.STR:
        return text
    if form is IdForm.STR_NOCASE:
        return text.lower() if text.isascii() else text.translate(_LOWER)
    if form is IdForm.DEC:
        if text.isascii() and text.isdecimal():
            return text.lstrip("0") or "0"
        return text
    found = _HEX_ID(text)
    return str(int(found[1], 16)) if found else text


# `err` of a receipt is the network's own (SMPP 3.4 Appendix B), so a number is read only under a profile: err, as a
# decimal without leading zeros -> delivery code.
ERR_PROFILES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        # The MAP errors of GSM (3GPP TS 29.002) and of SM delivery.
        "gsm_map": MappingProxyType(
            {
                **dict.fromkeys(("1", "5"), "103"),
                **dict.fromkeys(("6", "27"), "101"),
                "8": "109",
                **dict.fromkeys(("9", "12"), "108"),
                **dict.fromkeys(("11", "21", "22", "42"), "106"),
                **dict.fromkeys(("13", "15"), "105"),
                "31": "107",
                **dict.fromkeys(("32", "41"), "110"),
                "34": "302",
                **dict.fromkeys(("35", "36"), "301"),
                "40": "102",
                "51": "303",
            }
        ),
        "twilio_like": MappingProxyType(
            {
                "1": "101",
                "2": "102",
                "3": "110",
                **dict.fromkeys(("4", "7", "10"), "106"),
                "5": "103",
                **dict.fromkeys(("6", "8"), "108"),
                "9": "105",
                "11": "107",
                "12": "302",
            }
        ),
    }
)


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """One carrier's ways.

    Source addresses are typed by kind of sender: alphanumeric (TON 5, NPI 0), international number (TON 1, NPI 1:
    ISDN), short code (TON 3: network specific, NPI 0). Recipients are always international numbers.
    """

    # Message ids. None for the TLV: as in the response (receipted_message_id repeats what the SMSC gave out).
    response_id_form: IdForm = IdForm.STR
    receipt_id_form: IdForm = IdForm.STR
    tlv_id_form: IdForm | None = None

    # Texts.
    default_alphabet: Alphabet = Alphabet.GSM7
    reference_bits: int = 8  # width of the concatenation reference that we write: 8 or 16
    national_languages: tuple[int, ...] = ()  # whose shift tables (3GPP TS 23.038 annex A) the carrier takes

    # Addresses.
    alphanumeric: AddressType = AddressType(5, 0)
    international: AddressType = AddressType(1, 1)
    short_code: AddressType = AddressType(3, 0)
    unknown_ton_is_international: bool = False  # TON 0 on a number to us means an international one without its "+"

    # Receipts.
    err_profile: str | None = None  # None, gsm_map, twilio_like or table
    err_table: Mapping[str, str] = MappingProxyType({})  # err -> delivery code, of the profile "table"
    states: Mapping[str, int] = MappingProxyType({})  # further words of `stat`, upper case -> message_state
    receipted_parts: ReceiptedParts = ReceiptedParts.ALL
    receipts_without_flag: bool = False  # a deliver_sm that reads like a receipt is one although esm_class is 0
    mcc_tlv: int | None = None  # tags of TLVs that carry the recipient's network
    mnc_tlv: int | None = None

    # The carrier's own command_status values.
    refusals: Mapping[int, Refusal] = MappingProxyType({})

    @property
    def id_form_of_tlv(self) -> IdForm:
        """The form of receipted_message_id."""
        return self.tlv_id_form or self.response_id_form

    def code_of_err(self, err: str) -> str | None:
        """The delivery code for a receipt's `err`, or None where the profile has none."""
        if self.err_profile is None:
            return None
        table = self.err_table if self.err_profile == "table" else ERR_PROFILES[self.err_profile]
        return table.get(err) or table.get(err.lstrip("0") or "0")

    def is_receipted(self, part_no: int, parts: int) -> bool:
        """Whether a receipt comes of this part of a message of so many."""
        match self.receipted_parts:
            case ReceiptedParts.ALL:
                return True
            case ReceiptedParts.FIRST:
                return part_no == 1
        return part_no == parts


PLAIN = Dialect()

# --- from the settings' table ----------------------------------------------------------------------------------------

_Word = TypeVar("_Word", bound=StrEnum)


def _fault(key: str, value: object, wanted: str) -> ValueError:
    return ValueError(f"dialect.{key}: {value!r} is not {wanted}")


def _one_of(words: type[_Word]) -> Callable[[str, Any], _Word]:
    def read(key: str, value: Any) -> _Word:
        try:
            return words(value)
        except ValueError:
            raise _fault(key, value, "one of " + ", ".join(words)) from None

    return read


def _flag(key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _fault(key, value, "true or false")
    return value


def _bits(key: str, value: Any) -> int:
    if value not in (8, 16) or isinstance(value, bool):
        raise _fault(key, value, "8 or 16")
    return int(value)


def _languages(key: str, value: Any) -> tuple[int, ...]:
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


def _tag(key: str, value: Any) -> int:
    tag = _number(value, 0xFFFF)
    if tag is None:
        raise _fault(key, value, "a TLV tag, 0 to 0xFFFF")
    return tag


def _address_type(key: str, value: Any) -> AddressType:
    parts = [_number(part, 255) for part in value] if isinstance(value, list | tuple) else []
    if len(parts) != 2 or parts[0] is None or parts[1] is None:
        raise _fault(key, value, "[TON, NPI], each 0 to 255")
    return AddressType(parts[0], parts[1])


def _table_of(key: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _fault(key, value, "a table")
    return value


def _profile(key: str, value: Any) -> str | None:
    if value == "none":
        return None
    if value not in (*ERR_PROFILES, "table"):
        raise _fault(key, value, "one of none, " + ", ".join((*ERR_PROFILES, "table")))
    return str(value)


def _delivery_code(key: str, value: Any) -> str:
    if not isinstance(value, str) or value not in DELIVERY_CODES or value == "000":
        raise _fault(key, value, 'a delivery code of a failure, such as "101"')
    return value


def _err_table(key: str, value: Any) -> Mapping[str, str]:
    table = {str(err): _delivery_code(f"{key}.{err}", code) for err, code in _table_of(key, value).items()}
    return MappingProxyType(table)


def _states(key: str, value: Any) -> Mapping[str, int]:
    states: dict[str, int] = {}
    for word, written in _table_of(key, value).items():
        state = _number(written, 9)
        if state is None:
            raise _fault(f"{key}.{word}", written, "a message_state, 0 to 9")
        states[word.upper()] = state
    return MappingProxyType(states)


def _refusals(key: str, value: Any) -> Mapping[int, Refusal]:
    """{"0x410": {"action": "slow_down", "code": "459"}, …}."""
    refusals: dict[int, Refusal] = {}
    for written, entry in _table_of(key, value).items():
        where = f"{key}.{written}"
        status = _number(written, 0xFFFFFFFF)
        if not status:
            raise _fault(where, written, "a command_status, 0x1 to 0xFFFFFFFF")
        fields = _table_of(where, entry)
        if set(fields) != {"action", "code"}:
            raise _fault(where, dict(fields), "a table of action and code")
        action = _one_of(Action)(f"{where}.action", fields["action"])
        if action is Action.SENT:
            raise _fault(f"{where}.action", "sent", "an action for a refusal")
        refusals[status] = own_refusal(status, action, _delivery_code(f"{where}.code", fields["code"]))
    return MappingProxyType(refusals)


_READERS: Mapping[str, Callable[[str, Any], Any]] = {
    "response_id_form": _one_of(IdForm),
    "receipt_id_form": _one_of(IdForm),
    "tlv_id_form": _one_of(IdForm),
    "default_alphabet": _one_of(Alphabet),
    "reference_bits": _bits,
    "national_languages": _languages,
    "alphanumeric": _address_type,
    "international": _address_type,
    "short_code": _address_type,
    "unknown_ton_is_international": _flag,
    "err_profile": _profile,
    "err_table": _err_table,
    "states": _states,
    "receipted_parts": _one_of(ReceiptedParts),
    "receipts_without_flag": _flag,
    "mcc_tlv": _tag,
    "mnc_tlv": _tag,
    "refusals": _refusals,
}


def from_mapping(settings: Mapping[str, Any]) -> Dialect:
    """The dialect of a carrier's settings table (as TOML gives it); keys that are absent keep their defaults.

    Raises ValueError that names the key and what is allowed: an unknown key, a value that is not allowed, an
    `err_table` without `err_profile = "table"` or the other way round, `national_languages` with another alphabet.
    """
    fields: dict[str, Any] = {}
    for key, value in settings.items():
        reader = _READERS.get(key)
        if reader is None:
            raise ValueError(f"dialect.{key}: no such key; there are {', '.join(_READERS)}")
        fields[key] = reader(key, value)
    if fields.get("national_languages") and fields.get("default_alphabet", Alphabet.GSM7) is not Alphabet.GSM7:
        raise ValueError('dialect.national_languages: their tables need default_alphabet = "gsm7"')
    if (fields.get("err_profile") == "table") != ("err_table" in fields):
        raise ValueError('dialect.err_table: goes with err_profile = "table", and only with it')
    return Dialect(**fields)


def of_texts(settings: Mapping[str, Any]) -> Dialect:
    """The dialect of a settings table that `from_mapping` takes, as far as texts go: at the cost of three look-ups.

    Where that is what SMPP 3.4 says, it is `PLAIN` itself.
    """
    return _of_texts(
        settings.get("default_alphabet", Alphabet.GSM7),
        settings.get("reference_bits", 8),
        tuple(settings.get("national_languages", ())),
    )


@lru_cache(maxsize=64)
def _of_texts(alphabet: str, bits: int, languages: tuple[str, ...]) -> Dialect:
    found = from_mapping({"default_alphabet": alphabet, "reference_bits": bits, "national_languages": languages})
    return PLAIN if found == PLAIN else found
