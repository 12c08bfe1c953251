"""Octets of every PDU: against hand-made octets, against a foreign codec, and tables of what is wrong with a body."""

import json
from pathlib import Path

import pytest
import smpp34

from trunkline.smpp import pdu as p
from trunkline.smpp import status as s
from trunkline.smpp import tlv
from trunkline.smpp.codec import LAYOUTS, command_name, decode, encode, encode_short_message
from trunkline.smpp.errors import DecodeError, EncodeError

CORPUS = json.loads((Path(__file__).parents[2] / "corpus" / "deliver_sm.json").read_text())["rows"]

FULL = {
    "service_type": "WAP",
    "source_addr_ton": 5,
    "source_addr_npi": 0,
    "source_addr": "Trunkline",
    "dest_addr_ton": 1,
    "dest_addr_npi": 1,
    "destination_addr": "31612345678",
    "esm_class": 0x43,
    "protocol_id": 0x41,
    "priority_flag": 3,
    "schedule_delivery_time": "250314092653000+",
    "validity_period": "000003000000000R",
    "registered_delivery": 1,
    "replace_if_present_flag": 1,
    "data_coding": 8,
    "sm_default_msg_id": 7,
    "short_message": b"\x00h\x00i\x00\x00",
}
TLVS = ((0x0204, b"\x00\x07"), (0x1400, b""), (0x1400, b"vendor"), (0x0424, b"x" * 700))
OURS = {"SubmitSm": p.SubmitSm, "DeliverSm": p.DeliverSm}


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("tlvs", [(), TLVS], ids=["bare", "tlvs"])
@pytest.mark.parametrize("fields", [FULL, {"source_addr": "", "destination_addr": ""}], ids=["full", "empty"])
def test_short_message_equals_the_foreign_codec(name, tlvs, fields):
    foreign = getattr(smpp34, name)(
        **fields, tlvs=[smpp34.Tlv(tag, value) for tag, value in tlvs], sequence_number=0x7FFFFFFF
    ).encode()
    ours = OURS[name](sequence_number=0x7FFFFFFF, tlvs=tlvs, **fields)
    assert encode_short_message(ours, 0x7FFFFFFF) == encode(ours) == foreign
    assert decode(foreign) == ours
    read = smpp34.decode(encode(ours))
    assert {field: getattr(read, field) for field in FULL} == {field: getattr(ours, field) for field in FULL}
    assert [(t.tag, bytes(t.value)) for t in read.tlvs] == list(tlvs)


# Octets written by hand from SMPP 3.4 §4; the first eight digits (the length) and the sequence number 1 are added.
HAND_MADE = [
    (
        p.BindTransceiver(system_id="SMPP3TEST", password="secret08", system_type="SUBMIT1", addr_ton=1, addr_npi=1),
        "00000009 00000000",
        b"SMPP3TEST\0secret08\0SUBMIT1\0\x34\x01\x01\0",
    ),
    (p.BindReceiver(system_id="a", address_range="^1555"), "00000001 00000000", b"a\0\0\0\x34\0\0^1555\0"),
    (p.BindTransmitter(interface_version=0x33), "00000002 00000000", b"\0\0\0\x33\0\0\0"),
    (
        p.BindTransceiverResp(system_id="SMSC", tlvs=((tlv.SC_INTERFACE_VERSION, b"\x34"),)),
        "80000009 00000000",
        b"SMSC\0\x02\x10\0\x01\x34",
    ),
    (p.BindReceiverResp(system_id="SMSC"), "80000001 00000000", b"SMSC\0"),
    (p.BindTransmitterResp(), "80000002 00000000", b"\0"),
    (p.Outbind(system_id="SMSC", password="pw"), "0000000b 00000000", b"SMSC\0pw\0"),
    (p.Unbind(), "00000006 00000000", b""),
    (p.UnbindResp(), "80000006 00000000", b""),
    (p.EnquireLink(), "00000015 00000000", b""),
    (p.EnquireLinkResp(), "80000015 00000000", b""),
    (p.GenericNack(command_status=3), "80000000 00000003", b""),
    (p.SubmitSmResp(message_id="00Ab "), "80000004 00000000", b"00Ab \0"),
    (p.DeliverSmResp(), "80000005 00000000", b"\0"),
    (
        p.DataSm(
            source_addr_ton=1,
            source_addr_npi=1,
            source_addr="1555",
            dest_addr_ton=2,
            dest_addr_npi=8,
            destination_addr="1556",
            esm_class=4,
            registered_delivery=1,
            data_coding=8,
            tlvs=((tlv.MESSAGE_PAYLOAD, b"hi"),),
        ),
        "00000103 00000000",
        b"\0\1\0011555\0\2\0101556\0\4\1\x08\x04\x24\0\2hi",
    ),
    (p.DataSmResp(message_id="9"), "80000103 00000000", b"9\0"),
    (
        p.SubmitMulti(
            source_addr="s",
            dest_addresses=(p.SmeDest(1, 1, "1555"), p.ListDest("friends")),
            data_coding=3,
            short_message=b"hey",
        ),
        "00000021 00000000",
        b"\0\0\0s\0\x02\x01\1\0011555\0\x02friends\0\0\0\0\0\0\0\0\x03\0\x03hey",
    ),
    (
        p.SubmitMultiResp(message_id="7", unsuccess_smes=(p.UnsuccessSme(1, 1, "1555", 0x0B),)),
        "80000021 00000000",
        b"7\0\x01\1\0011555\0\0\0\0\x0b",
    ),
    (
        p.QuerySm(message_id="m1", source_addr_ton=1, source_addr_npi=2, source_addr="1555"),
        "00000003 00000000",
        b"m1\0\1\0021555\0",
    ),
    (
        p.QuerySmResp(message_id="m1", final_date="250314092653000+", message_state=2, error_code=9),
        "80000003 00000000",
        b"m1\x00250314092653000+\0\2\t",
    ),
    (
        p.CancelSm(service_type="CMT", message_id="m1", source_addr="1", dest_addr_npi=1, destination_addr="2"),
        "00000008 00000000",
        b"CMT\0m1\0\0\x001\0\0\x012\0",
    ),
    (p.CancelSmResp(), "80000008 00000000", b""),
    (
        p.ReplaceSm(message_id="m1", validity_period="000000000500000R", registered_delivery=1, short_message=b"new"),
        "00000007 00000000",
        b"m1\0\0\0\0\x00000000000500000R\0\1\0\3new",
    ),
    (p.ReplaceSmResp(), "80000007 00000000", b""),
    (
        p.AlertNotification(
            source_addr_ton=1, source_addr="1555", esme_addr_npi=1, esme_addr="e", tlvs=((0x0422, b"\0"),)
        ),
        "00000102 00000000",
        b"\1\x001555\0\0\1e\0\x04\x22\0\1\0",
    ),
]


@pytest.mark.parametrize(("pdu", "head", "body"), HAND_MADE, ids=[type(row[0]).__name__ for row in HAND_MADE])
def test_octets_of_the_specification(pdu, head, body):
    octets = (16 + len(body)).to_bytes(4, "big") + bytes.fromhex(head) + b"\0\0\0\1" + body
    assert encode(pdu, 1) == octets
    read = decode(octets)
    assert (type(read), read.sequence_number) == (type(pdu), 1)
    assert encode(read) == octets
    foreign = smpp34.decode(octets)
    assert (foreign.command_id, foreign.sequence_number) == (pdu.command_id, 1)


def test_every_pdu_has_a_row():
    made = {type(row[0]) for row in HAND_MADE} | {p.SubmitSm, p.DeliverSm}
    assert made == {layout.pdu for layout in LAYOUTS.values()}
    assert len(LAYOUTS) == 27  # SMPP 3.4 §5.1.2.1: 12 requests with a response, outbind, alert_notification, the nack


@pytest.mark.parametrize("row", CORPUS, ids=[row["id"] for row in CORPUS])
def test_corpus_of_deliver_sm(row):
    octets = bytes.fromhex(row["pdu_hex"])
    expect = row["expect"]
    if expect["kind"] == "error":
        with pytest.raises(DecodeError):
            decode(octets)
        return
    pdu = decode(octets)
    if isinstance(pdu, p.DeliverSm):
        foreign = smpp34.decode(octets) if row["id"] != "truncated-tlv" else None
        if foreign is not None:
            assert foreign.short_message == pdu.short_message
            assert (foreign.source_addr, foreign.destination_addr) == (pdu.source_addr, pdu.destination_addr)
            assert [(t.tag, bytes(t.value)) for t in foreign.tlvs] == list(pdu.tlvs)
    if "from" in expect:
        assert pdu.source_addr.lstrip("+0") == expect["from"].lstrip("+0")


def frame(command_id, body, sequence=7, status=0):
    return p_head(16 + len(body), command_id, status, sequence) + body


def p_head(length, command_id, status, sequence):
    return b"".join(number.to_bytes(4, "big") for number in (length, command_id, status, sequence))


SM_HEAD = b"\0\1\0011555\0\1\0011556\0"  # service type and both addresses
BAD_BODIES = [
    ("no body", 4, b"", s.ESME_RINVCMDLEN),
    ("service type without an end", 4, b"ABC", s.ESME_RINVCMDLEN),
    ("service type too long", 4, b"ABCDEF\0" + SM_HEAD, s.ESME_RINVSERTYP),
    ("source address too long", 4, b"\0\1\1" + b"1" * 21 + b"\0\1\0012\0" + b"\0" * 10, s.ESME_RINVSRCADR),
    ("destination address too long", 4, b"\0\1\0011\0\1\1" + b"1" * 21 + b"\0" * 10, s.ESME_RINVDSTADR),
    ("ends inside an address", 4, b"\0\1\00115", s.ESME_RINVCMDLEN),
    ("ends before esm_class", 4, SM_HEAD, s.ESME_RINVCMDLEN),
    ("schedule too long", 4, SM_HEAD + b"\0\0\0" + b"1" * 17 + b"\0" * 8, s.ESME_RINVSCHED),
    ("validity too long", 4, SM_HEAD + b"\0\0\0\0" + b"1" * 17 + b"\0" * 8, s.ESME_RINVEXPIRY),
    ("no sm_length", 4, SM_HEAD + b"\0" * 9, s.ESME_RINVCMDLEN),
    ("sm_length too big", 4, SM_HEAD + b"\0" * 9 + b"\x05hell", s.ESME_RINVMSGLEN),
    ("sm_length too big, deliver_sm", 5, SM_HEAD + b"\0" * 9 + b"\xffhell", s.ESME_RINVMSGLEN),
    ("TLV cut short", 4, SM_HEAD + b"\0" * 9 + b"\0\x02\x04\0\x02\0", s.ESME_RINVOPTPARSTREAM),
    ("octets behind the message", 4, SM_HEAD + b"\0" * 9 + b"\0\0\0\0", s.ESME_RINVOPTPARSTREAM),
    ("payload cut short", 5, SM_HEAD + b"\0" * 9 + b"\0\x04\x24\0\x09hello", s.ESME_RINVOPTPARSTREAM),
    ("payload cut short, data_sm", 0x103, SM_HEAD + b"\0\0\0\x04\x24\0\x09hello", s.ESME_RINVOPTPARSTREAM),
    ("password too long", 9, b"me\0" + b"x" * 65 + b"\0\0\x34\0\0\0", s.ESME_RINVPASWD),
    ("system_id too long", 9, b"x" * 65 + b"\0\0\0\x34\0\0\0", s.ESME_RINVSYSID),
    ("system_type too long", 9, b"me\0\0" + b"x" * 13 + b"\0\x34\0\0\0", s.ESME_RINVSYSTYP),
    ("bind with more behind", 9, b"me\0\0\0\x34\0\0\0\0", s.ESME_RINVCMDLEN),
    ("enquire_link with a body", 0x15, b"\0", s.ESME_RINVCMDLEN),
    ("message_id too long", 3, b"1" * 65 + b"\0\1\0011\0", s.ESME_RINVMSGID),
    ("no destinations", 0x21, b"\0\0\0s\0\0", s.ESME_RINVNUMDESTS),
    ("destinations missing", 0x21, b"\0\0\0s\0\x02\x01\1\0011555\0", s.ESME_RINVCMDLEN),
    ("unknown dest_flag", 0x21, b"\0\0\0s\0\x01\x03\1\0011555\0", s.ESME_RINVDESTFLAG),
    ("list name too long", 0x21, b"\0\0\0s\0\x01\x02" + b"x" * 21 + b"\0", s.ESME_RINVDLNAME),
    ("no such command", 0x0A, b"", s.ESME_RINVCMDID),
    ("no such response", 0x8000000A, b"", s.ESME_RINVCMDID),
]


@pytest.mark.parametrize(("why", "command_id", "body", "status"), BAD_BODIES, ids=[row[0] for row in BAD_BODIES])
def test_bad_body(why, command_id, body, status):
    with pytest.raises(DecodeError) as caught:
        decode(frame(command_id, body))
    assert caught.value.command_status == status, caught.value.reason


TOLERATED = [
    ("no body with an error", 0x80000004, b"", p.SubmitSmResp(7, 0)),
    ("id without its NUL", 0x80000004, b"abc", p.SubmitSmResp(7, 0, "abc")),
    ("id padded with NULs", 0x80000004, b"abc\0\0\0", p.SubmitSmResp(7, 0, "abc")),
    ("id of 200 octets", 0x80000004, b"a" * 200 + b"\0", p.SubmitSmResp(7, 0, "a" * 200)),
    ("id and TLVs", 0x80000004, b"a\0\x14\x01\0\1x\x14\x01\0\0",
     p.SubmitSmResp(7, 0, "a", ((0x1401, b"x"), (0x1401, b"")))),
    ("no system_id", 0x80000009, b"", p.BindTransceiverResp(7, 0)),
    ("system_id without its NUL", 0x80000009, b"SMSC", p.BindTransceiverResp(7, 0, "SMSC")),
    ("TLV cut short in deliver_sm", 5, SM_HEAD + b"\0" * 9 + b"\1h\x14\x01\0\1x\0\x1e\0\x09i",
     p.DeliverSm(7, 0, "", 1, 1, "1555", 1, 1, "1556", short_message=b"h", tlvs=((0x1401, b"x"),))),
    ("TLV cut short by one octet", 5, SM_HEAD + b"\0" * 9 + b"\1h\x14\x01\0\2x",
     p.DeliverSm(7, 0, "", 1, 1, "1555", 1, 1, "1556", short_message=b"h")),
    ("payload cut short beside a message", 5, SM_HEAD + b"\0" * 9 + b"\1h\x04\x24\0\x09i",
     p.DeliverSm(7, 0, "", 1, 1, "1555", 1, 1, "1556", short_message=b"h")),
    ("address of 20 octets", 5, b"\0\1\1" + b"1" * 20 + b"\0\1\0011556\0" + b"\0" * 10,
     p.DeliverSm(7, 0, "", 1, 1, "1" * 20, 1, 1, "1556")),
    ("message of 255 octets", 4, SM_HEAD + b"\0" * 9 + b"\xff" + b"x" * 255,
     p.SubmitSm(7, 0, "", 1, 1, "1555", 1, 1, "1556", short_message=b"x" * 255)),
]  # fmt: skip


@pytest.mark.parametrize(("why", "command_id", "body", "pdu"), TOLERATED, ids=[row[0] for row in TOLERATED])
def test_tolerated_body(why, command_id, body, pdu):
    assert decode(frame(command_id, body)) == pdu


@pytest.mark.parametrize("octets", [b"", b"\0" * 15, p_head(17, 0x15, 0, 1), p_head(16, 0x15, 0, 1) + b"x"])
def test_not_one_pdu(octets):
    with pytest.raises(DecodeError) as caught:
        decode(octets)
    assert caught.value.command_status == s.ESME_RINVCMDLEN


UNWRITABLE = [
    {"source_addr": "1" * 21},
    {"destination_addr": "1" * 21},
    {"source_addr": "15\x0055"},
    {"destination_addr": "\0"},
    {"source_addr": "€uro"},
    {"service_type": "ABCDEF"},
    {"service_type": "A\0"},
    {"validity_period": "000003000000000"},
    {"schedule_delivery_time": "0" * 17},
    {"schedule_delivery_time": "0" * 15},
    {"validity_period": "00000300000000\0R"},
    {"short_message": b"x" * 255},
    {"short_message": "text"},
    {"data_coding": 256},
    {"esm_class": -1},
    {"protocol_id": None},
    {"tlvs": ((0x10000, b""),)},
    {"tlvs": ((0x0424, b"x" * 65536),)},
    {"tlvs": ((0x0424, "text"),)},
    {"command_status": -1},
]


@pytest.mark.parametrize(
    "fields", UNWRITABLE, ids=lambda fields: f"{next(iter(fields))}-{str(next(iter(fields.values())))[:12]!a}"
)
@pytest.mark.parametrize(
    "write", [lambda pdu: encode(pdu, 1), lambda pdu: encode_short_message(pdu, 1)], ids=["table", "fast"]
)
def test_unwritable_field(fields, write):
    with pytest.raises(EncodeError):
        write(p.SubmitSm(**{"source_addr": "1", "destination_addr": "2", **fields}))


@pytest.mark.parametrize(
    "pdu",
    [
        p.SubmitMulti(dest_addresses=()),
        p.SubmitMulti(dest_addresses=(p.SmeDest(),) * 255),
        p.SubmitMulti(dest_addresses=("1555",)),
        p.SubmitMulti(dest_addresses=(p.ListDest("x" * 21),)),
        p.SubmitMultiResp(unsuccess_smes=("1555",)),
        p.SubmitMultiResp(unsuccess_smes=(p.UnsuccessSme(error_status_code=-1),)),
        p.BindReceiver(password="x" * 65),
    ],
    ids=repr,
)
def test_unwritable_pdu(pdu):
    with pytest.raises(EncodeError):
        encode(pdu)


def test_password_is_not_in_the_repr():
    assert "hunter2" not in repr(p.BindReceiver(password="hunter2")) + repr(p.Outbind(password="hunter2"))


def test_names():
    assert command_name(0x80000004) == "submit_sm_resp"
    assert command_name(0x80000000) == "generic_nack"
    assert command_name(0x0A) == "0x0000000A"
    assert s.status_name(0x58) == "ESME_RTHROTTLED"
    assert "vendor" in s.status_name(0x400)
    assert "reserved" in s.status_name(0x7777)


def test_constants_equal_the_foreign_codec():
    for name in dir(smpp34):
        if name.startswith("TLV_"):
            assert getattr(tlv, name[4:]) == getattr(smpp34, name)
        elif name.startswith("ESME_"):
            assert getattr(s, name) == getattr(smpp34, name)


def test_tlv_look_ups():
    tlvs = ((1, b"a\0b"), (2, b"\1\2"), (1, b"second"))
    assert tlv.first(tlvs, 1) == b"a\0b"
    assert tlv.first(tlvs, 3) is None
    assert list(tlv.every(tlvs, 1)) == [b"a\0b", b"second"]
    assert tlv.first_int(tlvs, 2, 2) == 0x102
    assert tlv.first_int(tlvs, 2, 1) is None
    assert tlv.first_int(tlvs, 3, 1) is None
    assert tlv.first_text(tlvs, 1) == "a"
    assert tlv.first_text(tlvs, 3) is None
