"""Named sets of a dialect's fields: habits that come together. A carrier's own fields go before those of its preset."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


class Preset(NamedTuple):
    """`fields` are settings as TOML gives them, read as those of a carrier are."""

    sentence: str
    fields: Mapping[str, Any]


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "smpp34": Preset("What SMPP 3.4 says: the defaults.", {}),
        "hex_to_dec": Preset(
            "Ids are numbers: hexadecimal in responses and TLVs, decimal in the text of receipts.",
            {"response_id_form": "hex", "receipt_id_form": "dec"},
        ),
        "dec_to_hex": Preset(
            "Ids are numbers: decimal in responses and TLVs, hexadecimal in the text of receipts.",
            {"response_id_form": "dec", "receipt_id_form": "hex"},
        ),
        "any_case": Preset(
            "Ids are texts whose case differs between response and receipt.",
            {"response_id_form": "str_nocase", "receipt_id_form": "str_nocase"},
        ),
        "operator": Preset(
            "A mobile operator's own SMSC: the errors of its receipts are those of MAP.",
            {"err_profile": "gsm_map"},
        ),
        "aggregator": Preset(
            "A hub over many carriers: MCC and MNC come in TLVs, numbers without their type are international, and a"
            " receipt may lack its flag.",
            {
                "mcc_tlv": 0x1403,
                "mnc_tlv": 0x1404,
                "unknown_ton_is_international": True,
                "receipts_without_flag": True,
            },
        ),
        "latin1": Preset(
            "An SMSC whose default alphabet is Latin-1 and wants it named.",
            {"default_alphabet": "latin1", "data_coding": 3},
        ),
        "sar": Preset(
            "An SMSC that writes the header of long texts itself, from the SAR parameters.",
            {"concatenation": "sar"},
        ),
        "payload": Preset("An SMSC that cuts long texts itself.", {"concatenation": "payload"}),
    }
)
