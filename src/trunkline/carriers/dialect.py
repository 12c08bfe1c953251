"""How one carrier speaks SMPP: everything that differs between carriers and that no PDU says, as one frozen value.

The defaults are a carrier that does what SMPP 3.4 says.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import msgspec

from trunkline.carriers.dialect_fields import FIELDS
from trunkline.carriers.err_profiles import ERR_PROFILES
from trunkline.carriers.habits import (
    AddressType,
    Alphabet,
    Concatenation,
    NumberForm,
    ReceiptedParts,
    ValidityForm,
)
from trunkline.carriers.presets import PRESETS
from trunkline.carriers.refusal import Action, Refusal, own_refusal
from trunkline.carriers.smsc_ids import IdForm, canonical_id

__all__ = [
    "ERR_PROFILES",
    "PLAIN",
    "PRESETS",
    "AddressType",
    "Alphabet",
    "Concatenation",
    "Dialect",
    "IdForm",
    "NumberForm",
    "ReceiptedParts",
    "ValidityForm",
    "canonical_id",
    "from_mapping",
    "of_texts",
]

THROTTLED = "459"  # the delivery code of what the carrier slowed down until its validity ended
_NOTHING: Mapping[Any, Any] = MappingProxyType({})


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """One carrier's ways; what each field means to an operator is in `dialect_fields`.

    Source addresses are typed by kind of sender: alphanumeric (TON 5, NPI 0), international number (TON 1, NPI 1:
    ISDN), short code (TON 3: network specific, NPI 0). Recipients are always international numbers.
    """

    # Message ids. None for the TLV: as in the response (receipted_message_id repeats what the SMSC gave out).
    response_id_form: IdForm = IdForm.STR
    receipt_id_form: IdForm = IdForm.STR
    tlv_id_form: IdForm | None = None
    response_id_prefix: str = ""  # of the TLV's as well
    receipt_id_prefix: str = ""

    # Receipts.
    states: Mapping[str, int] = _NOTHING  # further words of `stat`, upper case -> message_state
    receipt_keys: Mapping[str, str] = _NOTHING  # the carrier's key in the text, lower case -> field
    receipt_columns: tuple[str, ...] = ()  # fields of a text without keys, in order, "" for one of no use
    receipt_separator: str = ","
    ignored_tlvs: frozenset[int] = frozenset()
    receipted_parts: ReceiptedParts = ReceiptedParts.ALL
    receipts_without_flag: bool = False  # a deliver_sm that reads like a receipt is one although esm_class is 0
    err_profile: str | None = None  # None, gsm_map, twilio_like or table
    err_table: Mapping[str, str] = _NOTHING  # err -> delivery code, of the profile "table"

    # The recipient's network, as receipts tell it.
    mcc_tlv: int | None = None
    mnc_tlv: int | None = None
    network_tlv: int | None = None
    networks: Mapping[str, str] = _NOTHING  # the carrier's own name of a network -> MCC and MNC

    # Texts.
    default_alphabet: Alphabet = Alphabet.GSM7
    data_coding: int = 0  # written for the default alphabet
    ucs2_data_coding: int = 8
    national_languages: tuple[int, ...] = ()  # whose shift tables (3GPP TS 23.038 annex A) the carrier takes
    concatenation: Concatenation = Concatenation.UDH
    reference_bits: int = 8  # width of the concatenation reference that we write: 8 or 16

    # Addresses.
    alphanumeric: AddressType = AddressType(5, 0)
    international: AddressType = AddressType(1, 1)
    short_code: AddressType = AddressType(3, 0)
    recipient: AddressType = AddressType(1, 1)
    number_form: NumberForm = NumberForm.DIGITS
    unknown_ton_is_international: bool = False  # TON 0 on a number to us means an international one without its "+"

    # Other fields of submit_sm.
    service_type: str = ""
    protocol_id: int = 0
    priority_flag: int = 0
    validity: ValidityForm = ValidityForm.RELATIVE
    submit_tlvs: tuple[tuple[int, bytes], ...] = ()
    user_message_reference: bool = False

    # The carrier's own command_status values.
    refusals: Mapping[int, Refusal] = _NOTHING

    @property
    def id_form_of_tlv(self) -> IdForm:
        """The form of receipted_message_id."""
        return self.tlv_id_form or self.response_id_form

    def response_id(self, raw: str) -> str:
        """The canonical form of an id in submit_sm_resp."""
        return canonical_id(raw, self.response_id_form, self.response_id_prefix)

    def tlv_id(self, raw: str) -> str:
        """The canonical form of an id in receipted_message_id."""
        return canonical_id(raw, self.id_form_of_tlv, self.response_id_prefix)

    def receipt_id(self, raw: str) -> str:
        """The canonical form of an id in a receipt's text."""
        return canonical_id(raw, self.receipt_id_form, self.receipt_id_prefix)

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


def from_mapping(settings: Mapping[str, Any]) -> Dialect:
    """The dialect of a carrier's settings table (as TOML gives it); keys that are absent keep the preset's values or
    the defaults.

    Raises ValueError that names the key and what is allowed: an unknown key or preset, a value that is not allowed, an
    `err_table` without `err_profile = "table"` or the other way round, `national_languages` with another alphabet, a
    field that needs another one.
    """
    own = dict(settings)
    name = own.pop("preset", "smpp34")
    if not isinstance(name, str) or name not in PRESETS:
        raise ValueError(f"dialect.preset: {name!r} is not one of {', '.join(PRESETS)}")
    fields: dict[str, Any] = {}
    for key, value in {**PRESETS[name].fields, **own}.items():
        field = FIELDS.get(key)
        if field is None:
            raise ValueError(f"dialect.{key}: no such key; there are preset, {', '.join(FIELDS)}")
        fields[key] = field.read(key, value)
    _fold_throttling(fields)
    found = Dialect(**fields)
    _check(found)
    return found


def _fold_throttling(fields: dict[str, Any]) -> None:
    """Statuses that only say "less" are refusals like others."""
    throttled = fields.pop("throttle_statuses", ())
    refusals = fields.get("refusals", _NOTHING)
    for status in throttled:
        if status in refusals:
            raise ValueError(f"dialect.throttle_statuses: {status:#x} is in refusals as well")
    if throttled:
        slow = {status: own_refusal(status, Action.SLOW_DOWN, THROTTLED) for status in throttled}
        fields["refusals"] = MappingProxyType({**refusals, **slow})


def _check(dialect: Dialect) -> None:
    if dialect.national_languages and not dialect.default_alphabet.is_gsm7:
        raise ValueError('dialect.national_languages: their tables need default_alphabet = "gsm7"')
    if (dialect.err_profile == "table") != bool(dialect.err_table):
        raise ValueError('dialect.err_table: goes with err_profile = "table", and only with it')
    if dialect.networks and dialect.network_tlv is None:
        raise ValueError("dialect.networks: names what network_tlv holds, which is not set")
    if dialect.receipt_columns and dialect.receipt_keys:
        raise ValueError("dialect.receipt_columns: a text has either keys or columns")


# The fields that texts depend on: the first is the preset.
_OF_TEXTS = ("preset", "default_alphabet", "national_languages", "concatenation", "reference_bits")


def of_texts(settings: Mapping[str, Any]) -> Dialect:
    """The dialect of a settings table that `from_mapping` takes, as far as the number of a text's parts goes: at the
    cost of a few look-ups.

    Where that is what SMPP 3.4 says, it is `PLAIN` itself.
    """
    if not settings:
        return PLAIN
    languages = settings.get("national_languages")
    return _of_texts(
        settings.get("preset"),
        settings.get("default_alphabet"),
        None if languages is None else tuple(languages),
        settings.get("concatenation"),
        settings.get("reference_bits"),
    )


@lru_cache(maxsize=64)
def _of_texts(*values: Any) -> Dialect:
    given = {key: value for key, value in zip(_OF_TEXTS, values, strict=True) if value is not None}
    whole = from_mapping(given)
    found = Dialect(**{key: getattr(whole, key) for key in _OF_TEXTS[1:]})
    return PLAIN if found == PLAIN else found
