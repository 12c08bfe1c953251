"""Whatever the values, a PDU comes back as it was; whatever the octets, decoding ends in a PDU or in DecodeError."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.smpp import pdu as p
from trunkline.smpp.codec import LAYOUTS, Tail, decode, decode_body, decode_short_message, encode, encode_short_message
from trunkline.smpp.errors import DecodeError, EncodeError
from trunkline.smpp.fields import Destinations, Int, Message, Text, Unsuccess
from trunkline.smpp.times import read_absolute, read_relative

OCTET = st.integers(0, 255)
TLVS = st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=40)), max_size=5).map(tuple)


def latin(size, least=0):
    return st.text(st.characters(min_codepoint=1, max_codepoint=255), min_size=least, max_size=size)


def value_of(field):
    match field:
        case Text(fixed=True):
            return st.one_of(st.just(""), latin(field.size - 1, field.size - 1))
        case Text():
            return latin(field.size - 1)
        case Int():
            return OCTET
        case Message():
            return st.binary(max_size=254)
        case Destinations():
            sme = st.builds(p.SmeDest, OCTET, OCTET, latin(20))
            return st.lists(st.one_of(sme, st.builds(p.ListDest, latin(20))), min_size=1, max_size=4).map(tuple)
        case Unsuccess():
            sme = st.builds(p.UnsuccessSme, OCTET, OCTET, latin(20), st.integers(0, 0xFFFFFFFF))
            return st.lists(sme, max_size=4).map(tuple)
    raise AssertionError(field)


@st.composite
def pdus(draw, layout):
    values = {field.name: draw(value_of(field)) for field in layout.fields}
    if "tlvs" in layout.pdu.__struct_fields__:
        values["tlvs"] = draw(TLVS)
    status = draw(st.integers(0, 0xFFFFFFFF)) if layout.pdu.command_id & p.RESPONSE else 0
    return layout.pdu(sequence_number=draw(st.integers(0, 0xFFFFFFFF)), command_status=status, **values)


ANY_PDU = st.sampled_from(list(LAYOUTS.values())).flatmap(pdus)
SHORT_MESSAGES = st.sampled_from([LAYOUTS[4], LAYOUTS[5]]).flatmap(pdus)


@settings(deadline=None)
@given(ANY_PDU)
def test_pdu_comes_back(pdu):
    octets = encode(pdu)
    assert len(octets) == int.from_bytes(octets[:4], "big")
    assert decode(octets) == pdu
    assert type(decode(octets)) is type(pdu)


@settings(deadline=None)
@given(SHORT_MESSAGES)
def test_fast_way_equals_the_table(pdu):
    octets = encode(pdu)
    assert encode_short_message(pdu, pdu.sequence_number) == octets
    assert decode_short_message(type(pdu), 0, pdu.sequence_number, octets, 16, len(octets)) == pdu


@settings(deadline=None)
@given(SHORT_MESSAGES, st.data())
def test_fast_way_equals_the_table_on_damaged_octets(pdu, data):
    octets = bytearray(encode(pdu))
    for _ in range(data.draw(st.integers(1, 4))):
        octets[data.draw(st.integers(16, len(octets) - 1))] = data.draw(OCTET)
    end = data.draw(st.integers(16, len(octets)))

    def outcome(read, first):
        try:
            return read(first, 0, 1, bytes(octets), 16, end)
        except DecodeError as error:
            return error.command_status, error.reason

    assert outcome(decode_short_message, type(pdu)) == outcome(decode_body, pdu.command_id)


@settings(deadline=None)
@given(st.sampled_from(list(LAYOUTS.values())), st.binary(max_size=120))
def test_any_body_is_a_pdu_or_an_error(layout, body):
    try:
        pdu = decode_body(layout.pdu.command_id, 0, 1, b"head" + body, 4, 4 + len(body))
    except DecodeError as error:
        pdu, status = None, error.command_status
    else:
        status = 0
    assert isinstance(pdu, layout.pdu) or status != 0
    # The answers to a bind and to a message are tolerant throughout: the session relies on it.
    tolerant = layout.pdu.command_id in (0x80000001, 0x80000002, 0x80000009, 0x80000004, 0x80000005, 0x80000103)
    assert pdu is not None or not tolerant


@settings(deadline=None)
@given(ANY_PDU, st.data())
def test_any_cut_pdu_is_a_pdu_or_an_error(pdu, data):
    octets = encode(pdu)
    cut = octets[: data.draw(st.integers(16, len(octets)))]
    with suppress(DecodeError):
        assert decode(len(cut).to_bytes(4, "big") + cut[4:]).command_id == pdu.command_id


@settings(deadline=None)
@given(st.text(max_size=25), st.text(max_size=25), st.binary(max_size=300), st.integers(-2, 300))
def test_fast_way_refuses_what_the_table_refuses(source, destination, message, coding):
    pdu = p.SubmitSm(source_addr=source, destination_addr=destination, short_message=message, data_coding=coding)
    try:
        octets = encode(pdu, 1)
    except EncodeError:
        with pytest.raises(EncodeError):
            encode_short_message(pdu, 1)
    else:
        assert encode_short_message(pdu, 1) == octets
        assert decode(octets).source_addr == source


@settings(deadline=None)
@given(st.text(max_size=20))
def test_times_never_raise(text):
    assert read_absolute(text) is None or len(text) == 16
    assert read_relative(text) is None or len(text) == 16


def test_tails_are_used():
    assert {layout.tail for layout in LAYOUTS.values()} == set(Tail)
