"""A carrier's dialect from its settings: defaults, every key, and errors that say what is allowed."""

import re
import tomllib

import pytest

from trunkline.carriers.dialect import PLAIN, PRESETS, Alphabet, Dialect, IdForm, from_mapping, of_texts
from trunkline.carriers.dialect_fields import FIELDS
from trunkline.carriers.refusal import Action


def test_no_settings_are_a_carrier_that_follows_the_specification():
    assert from_mapping({}) == PLAIN == Dialect()


def test_every_field_can_be_set():
    settings = {
        "response_id_form": "hex",
        "receipt_id_form": "dec",
        "tlv_id_form": "str_nocase",
        "default_alphabet": "latin1",
        "reference_bits": 16,
        "alphanumeric": [5, 1],
        "international": [1, 0],
        "short_code": [6, 9],
        "unknown_ton_is_international": True,
        "err_profile": "table",
        "err_table": {"21b": "101", "7": "103"},
        "states": {"Acked": 2},
        "receipted_parts": "last",
        "receipts_without_flag": True,
        "mcc_tlv": "0x1403",
        "mnc_tlv": 0x1404,
        "network_tlv": 0x1405,
        "networks": {"VODA": "26202"},
        "response_id_prefix": "m",
        "receipt_id_prefix": "r",
        "receipt_keys": {"Message ID": "id"},
        "receipt_separator": "|",
        "ignored_tlvs": ["0x001E", 1063],
        "data_coding": "0x03",
        "ucs2_data_coding": 0x18,
        "concatenation": "sar",
        "recipient": [0, 0],
        "number_form": "plus",
        "service_type": "CMT",
        "protocol_id": 64,
        "priority_flag": 1,
        "validity": "absolute",
        "submit_tlvs": {"0x1400": "3100"},
        "user_message_reference": True,
        "throttle_statuses": ["0x401"],
        "refusals": {"1040": {"action": "final", "code": "451"}},
    }
    alone = {"national_languages", "receipt_columns"}
    assert {*settings, *alone} == set(FIELDS) == {*Dialect.__struct_fields__, "throttle_statuses"}
    found = from_mapping(settings)
    unchanged = [key for key in set(settings) - {"throttle_statuses"} if getattr(found, key) == getattr(PLAIN, key)]
    assert unchanged == []
    assert found.receipt_keys == {"message id": "id"}
    assert found.submit_tlvs == ((0x1400, b"1\0"),)
    assert found.response_id_form is IdForm.HEX
    assert found.default_alphabet is Alphabet.LATIN1
    assert found.states == {"ACKED": 2}
    assert (found.mcc_tlv, found.mnc_tlv) == (0x1403, 0x1404)
    assert found.code_of_err("0007") == "103"
    assert {status: refusal.action for status, refusal in found.refusals.items()} == {
        0x410: Action.FINAL,
        0x401: Action.SLOW_DOWN,
    }


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"alphabet": "gsm7"}, "dialect.alphabet: no such key; there are preset, response_id_form, "),
        ({"receipt_id_form": "octal"}, "dialect.receipt_id_form: 'octal' is not one of str, str_nocase, dec, hex"),
        ({"default_alphabet": 3}, "dialect.default_alphabet: 3 is not one of gsm7, gsm7_packed, latin1, ascii"),
        ({"reference_bits": 32}, "dialect.reference_bits: 32 is not 8 or 16"),
        ({"national_languages": ["de"]}, "dialect.national_languages: ['de'] is not a list of tr, es, pt"),
        ({"national_languages": "tr"}, "dialect.national_languages: 'tr' is not a list of tr, es, pt"),
        ({"national_languages": [1]}, "dialect.national_languages: [1] is not a list of tr, es, pt"),
        (
            {"national_languages": ["tr"], "default_alphabet": "ascii"},
            'dialect.national_languages: their tables need default_alphabet = "gsm7"',
        ),
        ({"short_code": [3]}, "dialect.short_code: [3] is not [TON, NPI], each 0 to 255"),
        ({"short_code": [3, 300]}, "dialect.short_code: [3, 300] is not"),
        ({"receipts_without_flag": 1}, "dialect.receipts_without_flag: 1 is not true or false"),
        ({"err_profile": "gsm-map"}, "dialect.err_profile: 'gsm-map' is not one of none, gsm_map, twilio_like, table"),
        ({"err_profile": "table"}, 'dialect.err_table: goes with err_profile = "table"'),
        ({"err_table": {"1": "101"}}, 'dialect.err_table: goes with err_profile = "table"'),
        ({"err_profile": "table", "err_table": {"1": "100"}}, "dialect.err_table.1: '100' is not a delivery code"),
        ({"err_profile": "table", "err_table": {"1": "000"}}, "dialect.err_table.1: '000' is not a delivery code"),
        ({"states": {"ACKED": 10}}, "dialect.states.ACKED: 10 is not a message_state, 0 to 9"),
        ({"mcc_tlv": 0x10000}, "dialect.mcc_tlv: 65536 is not a TLV tag, 0 to 0xFFFF"),
        ({"mcc_tlv": "tag"}, "dialect.mcc_tlv: 'tag' is not a TLV tag"),
        ({"refusals": {"0x0": {}}}, "dialect.refusals.0x0: '0x0' is not a command_status"),
        ({"refusals": {"0x410": {"action": "final"}}}, "is not a table of action and code"),
        ({"refusals": {"0x410": {"action": "sent", "code": "451"}}}, "'sent' is not an action for a refusal"),
        (
            {"refusals": {"0x410": {"action": "wait", "code": "451"}}},
            "dialect.refusals.0x410.action: 'wait' is not one",
        ),
        (
            {"refusals": {"0x410": {"action": "final", "code": "1"}}},
            "dialect.refusals.0x410.code: '1' is not a delivery",
        ),
        ({"refusals": 5}, "dialect.refusals: 5 is not a table"),
        ({"preset": "kannel"}, "dialect.preset: 'kannel' is not one of smpp34, hex_to_dec, "),
        ({"preset": ["smpp34"]}, "dialect.preset: ['smpp34'] is not one of"),
        ({"receipt_id_prefix": "é"}, "dialect.receipt_id_prefix: 'é' is not 0 to 32 ASCII characters"),
        ({"receipt_separator": ""}, "dialect.receipt_separator: '' is not 1 to 4 ASCII characters"),
        ({"service_type": "CALLME"}, "dialect.service_type: 'CALLME' is not 0 to 5 ASCII characters"),
        ({"receipt_keys": {"nr": "number"}}, "dialect.receipt_keys.nr: 'number' is not one of id, sub, "),
        ({"receipt_columns": ["id", "id"]}, "dialect.receipt_columns: ['id', 'id'] is not a list of different ones"),
        ({"receipt_columns": "id"}, "dialect.receipt_columns: 'id' is not a list"),
        ({"receipt_columns": ["id"], "receipt_keys": {"nr": "id"}}, "dialect.receipt_columns: a text has either keys"),
        ({"networks": {"V": "26202"}}, "dialect.networks: names what network_tlv holds, which is not set"),
        ({"networks": {"V": "262"}, "network_tlv": 1}, "dialect.networks.V: '262' is not MCC and MNC"),
        ({"ignored_tlvs": [70000]}, "dialect.ignored_tlvs: 70000 is not a TLV tag"),
        ({"submit_tlvs": {"0x1400": "zz"}}, "dialect.submit_tlvs.0x1400: 'zz' is not octets in hexadecimal"),
        ({"submit_tlvs": {"0x1400": 5}}, "dialect.submit_tlvs.0x1400: 5 is not octets in hexadecimal"),
        ({"submit_tlvs": {"tag": "00"}}, "dialect.submit_tlvs.tag: 'tag' is not a TLV tag"),
        ({"data_coding": 256}, "dialect.data_coding: 256 is not 0 to 255"),
        ({"throttle_statuses": ["0x0"]}, "dialect.throttle_statuses: '0x0' is not a command_status"),
        (
            {"throttle_statuses": [1040], "refusals": {"0x410": {"action": "final", "code": "451"}}},
            "dialect.throttle_statuses: 0x410 is in refusals as well",
        ),
    ],
)
def test_errors_name_the_key_and_what_is_allowed(settings, message):
    with pytest.raises(ValueError, match="^" + (".*" if message.startswith(("is", "'")) else "") + re.escape(message)):
        from_mapping(settings)


def test_profile_none_is_no_profile():
    assert from_mapping({"err_profile": "none"}).code_of_err("1") is None


def test_national_languages_in_their_order():
    assert from_mapping({"national_languages": ["pt", "tr", "pt"]}).national_languages == (3, 1)
    assert from_mapping({"national_languages": []}) == PLAIN


def test_the_part_that_texts_need_is_the_same_dialect():
    assert of_texts({"states": {"ACKED": 2}, "reference_bits": 8}) is PLAIN
    for settings in ({}, {"reference_bits": 16, "national_languages": ["es"]}, {"default_alphabet": "latin1"}):
        assert of_texts({**settings}) == from_mapping(settings)
    assert of_texts({"states": {"ACKED": 2}, "reference_bits": 16}) == Dialect(reference_bits=16)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_dialects_whose_fields_a_carrier_may_set_otherwise(name):
    preset = PRESETS[name]
    assert from_mapping({"preset": name}) == from_mapping(preset.fields)
    for key in preset.fields:
        default = getattr(PLAIN, key)
        if isinstance(default, str | bool):
            assert getattr(from_mapping({"preset": name, key: default}), key) == default


@pytest.mark.parametrize("name", FIELDS)
def test_the_example_of_a_field_is_one(name):
    example = tomllib.loads(f"{name} = {FIELDS[name].example}")[name]
    FIELDS[name].read(name, example)
    assert FIELDS[name].example != FIELDS[name].default


def test_texts_follow_the_preset_too():
    assert of_texts({"preset": "payload"}).concatenation == "payload"
    assert of_texts({"preset": "hex_to_dec"}) is PLAIN
    assert of_texts({"preset": "latin1", "default_alphabet": "gsm7"}) is PLAIN
