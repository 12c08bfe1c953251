"""The fields of a dialect as an operator writes them: how each is read from TOML, what it says, and an example."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from trunkline.carriers import dialect_readers as readers
from trunkline.carriers.habits import Alphabet, Concatenation, NumberForm, ReceiptedParts, ValidityForm
from trunkline.carriers.presets import PRESETS
from trunkline.carriers.smsc_ids import IdForm


class Field(NamedTuple):
    """One field: `default` and `example` as TOML writes them."""

    read: readers.Reader
    default: str
    example: str
    sentence: str


_FORMS = readers.one_of(IdForm)
# By the headings of the documentation.
GROUPS: Mapping[str, Mapping[str, Field]] = {
    "Message ids": {
        "response_id_form": Field(
            _FORMS,
            '"str"',
            '"hex"',
            "How ids in `submit_sm_resp` are written: `str` (compared as they are), `str_nocase` (whatever the case),"
            " `dec` or `hex` (numbers: leading zeros, case and `0x` mean nothing).",
        ),
        "receipt_id_form": Field(_FORMS, '"str"', '"dec"', "The same of the `id` in the text of receipts."),
        "tlv_id_form": Field(
            _FORMS,
            "that of responses",
            '"dec"',
            "The same of the TLV `receipted_message_id`, which goes before the text.",
        ),
        "response_id_prefix": Field(
            readers.text(32), "empty", '"smsc1-"', "What is cut off the front of an id in a response or that TLV."
        ),
        "receipt_id_prefix": Field(
            readers.text(32), "empty", '"smsc1-"', "What is cut off the front of an id in a text."
        ),
    },
    "Receipts": {
        "states": Field(
            readers.states,
            "none",
            "{ ACKED = 2, NOROUTE = 5 }",
            "Further words of `stat`, each with its `message_state` (SMPP 3.4 §5.2.28): 1 on its way, 2 delivered,"
            " 3 expired, 4 deleted, 5 undeliverable, 6 accepted, 7 unknown, 8 rejected. One that is known can be given"
            " another meaning.",
        ),
        "receipt_keys": Field(
            readers.receipt_keys,
            "none",
            '{ "message id" = "id", status = "stat" }',
            "Keys of the carrier's own in the text, each with the field that it stands for (`id`, `sub`, `dlvrd`,"
            " `submit_date`, `done_date`, `stat`, `err`, `text`, `mcc`, `mnc`); they go before the usual ones. Behind a"
            " key is `:` or `=`; fields end at a space, comma, semicolon or bar.",
        ),
        "receipt_columns": Field(
            readers.receipt_columns,
            "none",
            '["stat", "done_date", "submit_date", "", "", "", "id"]',
            'The fields of a text without keys, in their order; `""` for one of no use.',
        ),
        "receipt_separator": Field(readers.text(4, least=1), '","', '"|"', "What stands between those."),
        "ignored_tlvs": Field(
            readers.tags,
            "none",
            '["0x001E"]',
            "TLVs of receipts that are not read, because this carrier fills them with something else.",
        ),
        "receipted_parts": Field(
            readers.one_of(ReceiptedParts),
            '"all"',
            '"last"',
            "Of which parts of a long message receipts come: `all`, `first` or `last`. That part's receipt then decides"
            " about the message, once the carrier has accepted the others.",
        ),
        "receipts_without_flag": Field(
            readers.flag,
            "false",
            "true",
            "Take a `deliver_sm` with an id and a state for a receipt although `esm_class` says that it is a message."
            " A handset could write such a text.",
        ),
        "err_profile": Field(
            readers.profile,
            '"none"',
            '"gsm_map"',
            "What `err` means, where a receipt says undeliverable or rejected: `none` (nothing), `gsm_map`,"
            " `twilio_like`, or `table`.",
        ),
        "err_table": Field(
            readers.err_table,
            "none",
            '{ "021" = "106", "21b" = "203" }',
            'With `err_profile = "table"`: error codes and their'
            " [delivery codes](../api/error-codes.md#delivery-codes). Leading zeros of an error mean nothing.",
        ),
    },
    "The recipient's network": {
        "mcc_tlv": Field(readers.tag, "none", '"0x1403"', "The TLV of receipts that holds the MCC, in digits."),
        "mnc_tlv": Field(readers.tag, "none", '"0x1404"', "The one that holds the MNC."),
        "network_tlv": Field(readers.tag, "none", '"0x1405"', "The one that holds both, or a name of `networks`."),
        "networks": Field(
            readers.networks, "none", '{ VODA = "26202" }', "The carrier's own names of networks, with MCC and MNC."
        ),
    },
    "Texts": {
        "default_alphabet": Field(
            readers.one_of(Alphabet),
            '"gsm7"',
            '"latin1"',
            "What the carrier's default alphabet is: `gsm7` (a septet an octet), `gsm7_packed` (eight septets in seven"
            " octets), `latin1` or `ascii`. What it lacks goes out as UCS-2.",
        ),
        "data_coding": Field(readers.octet, "0", "3", "The `data_coding` of texts in it."),
        "ucs2_data_coding": Field(readers.octet, "8", '"0x18"', "The `data_coding` of texts in UCS-2."),
        "national_languages": Field(
            readers.languages,
            "none",
            '["tr"]',
            "Languages whose shift tables (3GPP TS 23.038 annex A) carrier and handsets take: `tr`, `es`, `pt`.",
        ),
        "concatenation": Field(
            readers.one_of(Concatenation),
            '"udh"',
            '"sar"',
            "How parts of a long text say that they are: `udh` (a header in each), `sar` (TLVs), `payload` (no parts:"
            " one `message_payload`, which counts as one).",
        ),
        "reference_bits": Field(
            readers.bits,
            "8",
            "16",
            "Width of the reference that they have in common, 8 or 16. With 16 a part has 152 septets or 66 UTF-16"
            " units.",
        ),
    },
    "Addresses": {
        "alphanumeric": Field(readers.address_type, "[5, 0]", "[5, 1]", "TON and NPI of an alphanumeric sender."),
        "international": Field(readers.address_type, "[1, 1]", "[1, 0]", "TON and NPI of a number with `+` as sender."),
        "short_code": Field(readers.address_type, "[3, 0]", "[6, 0]", "TON and NPI of a short code."),
        "recipient": Field(readers.address_type, "[1, 1]", "[0, 0]", "TON and NPI of recipients."),
        "number_form": Field(
            readers.one_of(NumberForm),
            '"digits"',
            '"plus"',
            "How numbers are written: `digits`, `plus` or `zeros` (00).",
        ),
        "unknown_ton_is_international": Field(
            readers.flag, "false", "true", "Read a number with TON 0 in a message to us as an international one."
        ),
    },
    "Other fields of submit_sm": {
        "service_type": Field(readers.text(5), "empty", '"CMT"', "Its `service_type`."),
        "protocol_id": Field(readers.octet, "0", "64", "Its `protocol_id`."),
        "priority_flag": Field(readers.octet, "0", "1", "Its `priority_flag`."),
        "validity": Field(
            readers.one_of(ValidityForm),
            '"relative"',
            '"absolute"',
            "How what is left of a message's validity is passed on: `relative`, `absolute` (UTC) or `none`.",
        ),
        "submit_tlvs": Field(
            readers.tlvs,
            "none",
            '{ "0x1400" = "3132333400" }',
            "TLVs that each `submit_sm` gets, their values in hex.",
        ),
        "user_message_reference": Field(
            readers.flag,
            "false",
            "true",
            "Send a `user_message_reference`, which this carrier's receipts repeat: it tells which message a receipt is"
            " about whose `submit_sm_resp` was lost.",
        ),
    },
    "Refusals": {
        "throttle_statuses": Field(
            readers.statuses, "none", '["0x401", "0x402"]', "Further statuses that say: send less. The message waits."
        ),
        "refusals": Field(
            readers.refusals,
            "none",
            '{ "0x410" = { action = "final", code = "451" } }',
            "What other statuses mean: an action (`final`, `retry_1`, `retry_3`, `slow_down`, `other_bind_once`,"
            " `link_state`, `final_or_pause`, `without_tlvs_once`) and the delivery code that the message ends with.",
        ),
    },
}
FIELDS: Mapping[str, Field] = {name: field for group in GROUPS.values() for name, field in group.items()}


def reference() -> str:
    """The presets and every field, in Markdown: the generated part of docs/carriers.md."""
    lines = ["### Presets", "", "| Preset | What it is | Its fields |", "|---|---|---|"]
    for name, preset in PRESETS.items():
        fields = ", ".join(f"`{key} = {_shown(value)}`" for key, value in preset.fields.items())
        lines.append(f"| `{name}` | {preset.sentence} | {fields or '-'} |")
    for title, group in GROUPS.items():
        lines += ["", f"### {title}", "", "| Field | Default | Example | What it says |", "|---|---|---|---|"]
        for name, field in group.items():
            default = field.default if field.default[0].isalpha() and " " in field.default else None
            default = default or (field.default if field.default in ("none", "empty") else f"`{field.default}`")
            example = field.example.replace("|", "\\|")
            lines.append(f"| `{name}` | {default} | `{example}` | {field.sentence} |")
    return "\n".join(lines) + "\n"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else f"0x{value:04X}" if value > 255 else str(value)
