"""Receipts that only their carrier's dialect can read: keys of its own, columns, prefixes, TLVs that lie."""

from __future__ import annotations

import pytest

from trunkline.carriers import receipt
from trunkline.carriers.dialect import from_mapping
from trunkline.domain.status import Status


def parse(text: str, tlvs: tuple[tuple[int, bytes], ...] = (), **settings: object) -> receipt.Receipt:
    return receipt.parse(4, text.encode("latin-1"), tlvs, from_mapping(settings))


KEYS = {"message id": "id", "status": "stat", "reason": "err", "content": "text"}


@pytest.mark.parametrize(
    "text",
    [
        "message id:77 status:DELIVRD reason:000",
        "Message  ID: 77 Status: DELIVRD Reason: 000",
        "message id=77,status=DELIVRD,reason=000",
        "message id=77;status=DELIVRD;reason=000",
        "message id:77|status:delivrd|reason:000|content:id:9 status:FAILED",
        "id:1 message id:77 stat:UNDELIV status:DELIVRD err:9 reason:000",
        "status:DELIVRD reason:000 message id:77",
    ],
)
def test_keys_of_its_own_go_before_the_usual_ones(text):
    found = parse(text, receipt_keys=KEYS)
    assert (found.message_id, found.stat, found.err, found.status) == ("77", "DELIVRD", "000", Status.DELIVERED)


def test_the_usual_keys_are_still_read():
    found = parse("id:77 sub:001 submit date:2503140926 done date:2503140927 stat:EXPIRED err:5", receipt_keys=KEYS)
    assert (found.message_id, found.stat, found.done_date, found.code) == ("77", "EXPIRED", "2503140927", "701")
    assert parse("messageid:77 status:DELIVRD").message_id is None


COLUMNS = {
    "receipt_columns": ["stat", "done_date", "submit_date", "", "", "", "id"],
    "states": {"00": 2, "05": 5},
}


def test_columns():
    found = parse("00,2503140927,2503140926,,15550002222,15550001111,we2334567", **COLUMNS)
    assert (found.message_id, found.status, found.done_date) == ("we2334567", Status.DELIVERED, "2503140927")
    assert parse("05,,,,,,7", **COLUMNS).status is Status.FAILED
    assert parse("99,,,,,,7", **COLUMNS).understood is False
    assert parse("00,1", **COLUMNS).message_id is None
    assert parse("", **COLUMNS).message_id is None
    # The usual form from the same carrier is read as it is.
    assert parse("id:8 stat:DELIVRD err:000", **COLUMNS).message_id == "8"


def test_columns_with_a_text_at_the_end():
    found = parse("7 | DELIVRD | hi | there", receipt_columns=["id", "stat", "text"], receipt_separator="|")
    assert (found.message_id, found.stat, found.text) == ("7", "DELIVRD", "hi | there")


def test_a_tlv_that_holds_something_else_is_not_read():
    tlvs = ((0x001E, b"internal-9\0"), (0x0427, b"\5"))
    assert parse("id:7 stat:DELIVRD", tlvs).message_id == "internal-9"
    found = parse("id:7 stat:DELIVRD", tlvs, ignored_tlvs=["0x001E", "0x0427"])
    assert (found.message_id, found.status, found.mismatch) == ("7", Status.DELIVERED, False)


def test_prefixes_are_cut_off_on_their_side():
    settings = {"response_id_prefix": "A-", "receipt_id_prefix": "B-", "receipt_id_form": "hex"}
    dialect = from_mapping(settings)
    assert dialect.response_id("A-ff") == "ff"
    assert parse("id:B-ff stat:DELIVRD", **settings).canonical_id == "255"
    assert parse("", ((0x001E, b"A-ff\0"),), **settings).canonical_id == "ff"


def test_a_word_can_be_given_another_meaning():
    assert parse("id:7 stat:ACCEPTD", states={"acceptd": 2}).status is Status.DELIVERED


def test_presets():
    assert parse("id:7 stat:UNDELIV err:027", preset="operator").code == "101"
    assert parse("id:7 stat:UNDELIV err:027", preset="operator", err_profile="none").code == "306"
    tlvs = ((0x1403, b"262\0"), (0x1404, b"02\0"))
    assert parse("id:7 stat:DELIVRD", tlvs, preset="aggregator").mccmnc == "26202"
    assert receipt.kind_of(0, b"id:7 stat:DELIVRD", (), from_mapping({"preset": "aggregator"})) == "receipt"
