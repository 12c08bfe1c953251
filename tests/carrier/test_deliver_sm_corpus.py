"""Messages from handsets: PDUs in, sender, recipient, text and place among parts out."""

import json
import struct
from pathlib import Path

import pytest

from trunkline.carriers import inbound
from trunkline.carriers.dialect import Alphabet, Dialect
from trunkline.text.udh import Concat

ROWS = json.loads((Path(__file__).parents[1] / "corpus/deliver_sm.json").read_text(encoding="utf-8"))["rows"]


def decoded(octets):
    """The fields of a deliver_sm (SMPP 3.4 §4.6.1) that reading it needs; a TLV that is cut off is dropped."""
    at = 16

    def string():
        nonlocal at
        end = octets.index(b"\0", at)
        value, at = octets[at:end], end + 1
        return value.decode("latin-1")

    string()  # service_type
    source_ton, at = octets[at], at + 2
    source = string()
    destination_ton, at = octets[at], at + 2
    destination = string()
    esm_class, at = octets[at], at + 3
    string()  # schedule_delivery_time
    string()  # validity_period
    data_coding, length, at = octets[at + 2], octets[at + 4], at + 5
    short_message, at = octets[at : at + length], at + length
    tlvs = []
    while at + 4 <= len(octets):
        tag, size = struct.unpack_from(">HH", octets, at)
        if at + 4 + size > len(octets):
            break
        tlvs.append((tag, octets[at + 4 : at + 4 + size]))
        at += 4 + size
    return esm_class, data_coding, short_message, source, source_ton, destination, destination_ton, tlvs


@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_corpus(row):
    expect = row["expect"]
    fields = decoded(bytes.fromhex(row["pdu_hex"]))
    found = inbound.parse(*fields, dialect=Dialect(default_alphabet=Alphabet(row["smsc_default_alphabet"])))
    assert found.source == expect["from"]
    assert found.destination == expect["to"]
    assert (found.concat and found.concat._asdict()) == expect["concat"], row["why"]
    assert found.binary == expect.get("binary_hex")
    if "body" in expect:
        assert found.body == expect["body"], row["why"]
    if "body_any_of" in expect:
        assert found.body in expect["body_any_of"], row["why"]
    assert found.body.startswith(expect.get("body_starts", ""))
    if "keyword" in expect:
        assert found.keyword == expect["keyword"]
    assert "\0" not in found.body
    found.body.encode("utf-8")  # no unpaired surrogate


def part(octets, seq, total=2, data_coding=0):
    header = bytes((5, 0, 3, 9, total, seq))
    return inbound.parse(0x40, data_coding, header + octets, "1", 1, "2", 1)


def test_escape_at_the_end_of_a_part_meets_its_letter_in_the_next():
    parts = [part(b"5 \x1b", 1), part(b"e!", 2)]
    assert inbound.join(parts) == ("5 €!", None)


def test_surrogate_pair_cut_by_the_end_of_a_part():
    whole = "ok \U0001f600 ok".encode("utf-16-be")
    parts = [part(whole[:8], 1, data_coding=8), part(whole[8:], 2, data_coding=8)]
    assert inbound.join(parts) == ("ok \U0001f600 ok", None)


def test_byte_order_mark_of_the_first_part_holds_for_all():
    whole = "\ufeffПривет".encode("utf-16-le")
    parts = [part(whole[:6], 1, data_coding=8), part(whole[6:], 2, data_coding=8)]
    assert inbound.join(parts) == ("Привет", None)


def test_parts_of_binary_and_of_different_codings():
    assert inbound.join([part(b"\1\2", 1, data_coding=4), part(b"\3", 2, data_coding=4)]) == ("", "010203")
    assert inbound.join([part(b"a\0", 1), part("ж".encode("utf-16-be"), 2, data_coding=8)]) == ("a@ж", None)
    assert inbound.join([part(b"a", 1), part(b"\xff", 2, data_coding=4)]) == ("", "61ff")


def test_pair_cut_before_a_part_of_another_coding():
    whole = "ok \U0001f600".encode("utf-16-be")
    parts = [part(whole[:8], 1, 3, data_coding=8), part(whole[8:], 2, 3, data_coding=8), part(b" end", 3, 3)]
    assert inbound.join(parts) == ("ok \U0001f600 end", None)


def test_what_stands_beside_a_part_that_never_came_does_not_meet():
    assert inbound.join([part(b"5 \x1b", 1, 3), None, part(b"e!", 3, 3)])[0].endswith("e!")
    assert "€" not in inbound.join([part(b"5 \x1b", 1, 3), None, part(b"e!", 3, 3)])[0]


def test_parts_have_their_place():
    assert part(b"x", 2, 3).concat == Concat(9, 3, 2, 8)


def test_header_that_is_none_leaves_all_octets_as_text():
    assert inbound.parse(0x40, 0, b"hello", "1", 1, "2", 1).body == "hello"


def test_dialect_reads_an_unknown_type_as_international():
    dialect = Dialect(unknown_ton_is_international=True)
    found = inbound.parse(0, 0, b"x", "15550001111", 0, "24680", 3, (), dialect)
    assert (found.source, found.destination) == ("+15550001111", "24680")
    assert inbound.parse(0, 0, b"x", "SHOP", 0, "", 1, (), dialect).source == "SHOP"


@pytest.mark.parametrize(("body", "keyword"), [("", ""), (" \n", ""), ("Stop", "Stop"), ("yes\tplease", "yes")])
def test_keyword_is_the_first_word(body, keyword):
    assert inbound.keyword_of(body) == keyword
