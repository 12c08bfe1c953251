"""Receipts of many dialects: octets in, id, state, dates, error and public status out."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from trunkline.carriers import inbound, receipt
from trunkline.carriers.dialect import Dialect
from trunkline.domain.status import Status

ROWS = json.loads((Path(__file__).parents[1] / "corpus/receipts.json").read_text(encoding="utf-8"))["rows"]
PLAIN_KEYS = ("sub", "dlvrd", "stat", "err", "text", "state", "message_id", "text_id", "code", "user_message_reference")


def fields_of(row):
    tlvs = [(int(tlv["tag"], 16), bytes.fromhex(tlv["value_hex"])) for tlv in row["tlvs"]]
    return row["esm_class"], bytes.fromhex(row.get("short_message_hex", "")), tlvs


@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_corpus(row):
    esm_class, short_message, tlvs = fields_of(row)
    expect = row["expect"]
    assert receipt.kind_of(esm_class, short_message, tlvs) == expect["kind"], row["why"]
    if expect["kind"] == "mo":
        read = inbound.parse(esm_class, row["data_coding"], short_message, "", 0, "", 0, tlvs)
        assert read.body == expect["body"]
    if expect["kind"] != "receipt":
        return
    found = receipt.parse(esm_class, short_message, tlvs)
    for key in PLAIN_KEYS:
        if key in expect:
            assert getattr(found, key) == expect[key], f"{key}: {row['why']}"
    for key in ("submit_date", "done_date"):
        if key in expect:
            date = receipt.read_date(getattr(found, key))
            assert date == (expect[key] and datetime.fromisoformat(expect[key])), key
    if "network_error" in expect:
        assert found.network_error == (expect["network_error"]["type"], expect["network_error"]["code"])
    if "status" in expect or "status_any_of" in expect:
        assert found.status.name in expect.get("status_any_of", [expect.get("status")]), row["why"]
    assert found.mismatch is expect.get("mismatch", row["id"] == "tlv-id-wins")  # its ids differ
    assert found.canonical_id == (found.message_id or "")


def parse(text, tlvs=(), **dialect):
    return receipt.parse(0x04, text.encode("latin-1"), tlvs, Dialect(**dialect))


@pytest.mark.parametrize(
    ("text", "understood"),
    [
        ("id:1 stat:ENROUTE", True),
        ("id:1 stat:ACCEPTD", True),
        ("id:1 stat:BUFFERED", True),
        ("id:1 stat:NOROUTE", False),
        ("id:1 err:000", False),
        ("delivered", False),
    ],
)
def test_understood_is_a_known_state(text, understood):
    found = parse(text)
    assert (found.status, found.understood) == (Status.SENT, understood)


def test_reserved_state_of_a_tlv_leaves_the_word():
    found = parse("id:1 stat:DELIVRD", [(0x0427, b"\xc8")])
    assert (found.state, found.status, found.mismatch) == (2, Status.DELIVERED, True)
    assert not parse("id:1", [(0x0427, b"\xc8")]).understood


def test_first_well_formed_tlv_counts():
    found = parse("", [(0x0427, b"\0\5"), (0x0427, b"\2"), (0x0427, b"\5"), (0x001E, b"a1\0x"), (0x001E, b"b2\0")])
    assert (found.state, found.message_id) == (2, "a1")


def test_dialect_adds_words():
    found = parse("id:1 stat:Acked", states={"ACKED": receipt.DELIVERED})
    assert (found.stat, found.status, found.understood) == ("ACKED", Status.DELIVERED, True)


@pytest.mark.parametrize(
    ("profile", "stat", "err", "code", "unmapped"),
    [
        ("gsm_map", "UNDELIV", "027", "101", False),
        ("gsm_map", "UNDELIV", "1", "103", False),
        ("gsm_map", "REJECTD", "032", "110", False),
        ("gsm_map", "UNDELIV", "000", "306", False),
        ("gsm_map", "UNDELIV", "099", "306", True),
        ("gsm_map", "REJECTD", "21b", "305", True),
        ("gsm_map", "EXPIRED", "027", "701", False),
        ("gsm_map", "DELIVRD", "027", "000", False),
        ("twilio_like", "UNDELIV", "007", "106", False),
        ("twilio_like", "FAILED", "012", "302", False),
        ("table", "UNDELIV", "21b", "203", False),
        ("table", "UNDELIV", "0021b", "203", False),
        (None, "UNDELIV", "027", "306", False),
    ],
)
def test_err_is_read_through_a_profile(profile, stat, err, code, unmapped):
    table = {"err_table": {"21b": "203"}} if profile == "table" else {}
    found = parse(f"id:1 stat:{stat} err:{err}", err_profile=profile, **table)
    assert (found.code, found.err_unmapped) == (code, unmapped)


def test_network_error_tlv_is_read_by_the_gsm_profile_only():
    tlvs = [(0x0427, b"\5"), (0x0423, b"\3\0\x1b")]
    assert parse("id:1", tlvs, err_profile="gsm_map").code == "101"
    assert parse("id:1 err:040", tlvs, err_profile="gsm_map").code == "102"
    assert parse("id:1", tlvs, err_profile="twilio_like").code == "306"
    assert parse("id:1", [(0x0427, b"\5"), (0x0423, b"\1\0\x1b")], err_profile="gsm_map").code == "306"


def test_network_of_the_recipient():
    assert parse("id:1 stat:DELIVRD err:000 mcc:310 mnc:260 text:x").mccmnc == "310260"
    assert parse("id:1 stat:DELIVRD mcc:310 mnc:2").mccmnc is None
    tlvs = [(0x1403, b"310\0"), (0x1404, b"26\0")]
    assert parse("id:1 stat:DELIVRD", tlvs, mcc_tlv=0x1403, mnc_tlv=0x1404).mccmnc == "31026"
    assert parse("id:1 stat:DELIVRD", tlvs).mccmnc is None


def test_receipt_without_flag_only_where_the_dialect_says_so():
    text = b"id:1 stat:DELIVRD err:000"
    assert receipt.kind_of(0, text) == "mo"
    forgetful = Dialect(receipts_without_flag=True)
    assert receipt.kind_of(0, text, (), forgetful) == "receipt"
    assert receipt.kind_of(0, b"stat:DELIVRD", (), forgetful) == "mo"
    assert receipt.kind_of(0, b"", [(0x001E, b"1\0"), (0x0427, b"\2")], forgetful) == "receipt"


@pytest.mark.parametrize("esm_class", [0x08, 0x0C, 0x10, 0x18, 0x2C, 0x3C])
def test_acknowledgements_and_reserved_types_are_neither(esm_class):
    assert receipt.kind_of(esm_class, b"id:1 stat:DELIVRD") == "other"


@pytest.mark.parametrize("esm_class", [0x04, 0x20, 0x24, 0x44, 0x87])
def test_receipt_flags(esm_class):
    assert receipt.kind_of(esm_class, b"") == "receipt"


def test_header_in_front_of_a_receipt_is_stepped_over():
    assert receipt.parse(0x44, bytes.fromhex("0500032c0101") + b"id:1 stat:DELIVRD").message_id == "1"


def test_the_text_and_the_tlv_have_forms_of_their_own():
    forms = {"response_id_form": "hex", "receipt_id_form": "dec"}
    dialect = Dialect(**{key: receipt.IdForm(form) for key, form in forms.items()})
    both = receipt.parse(4, b"id:0061211131 stat:DELIVRD", [(0x001E, b"3a601fb\0")], dialect)
    text = receipt.parse(4, b"id:0061211131 stat:DELIVRD", (), dialect)
    assert both.canonical_id == text.canonical_id == "61211131"
    assert not both.mismatch
