"""Readers of what carriers send take any octets; a usual receipt read the quick way is as read the long way."""

import json

from hypothesis import example, given
from hypothesis import strategies as st

from trunkline.carriers import inbound, receipt, receipt_text
from trunkline.carriers.dialect import PLAIN, Alphabet, Dialect, IdForm
from trunkline.domain.errors import DELIVERY_CODES
from trunkline.text import udh

WORDS = """id: id:1 sub:001 dlvrd:x submit date:2503140926 done date: stat: stat:DELIVRD stat:UNDELIV
err:027 err: text: text ID:2 mcc:310 mnc:26 : ::"""
words = st.sampled_from([*WORDS.split(), "", "\0", "\xa0", "\x85", "\n"])
octets = st.one_of(
    st.binary(max_size=300),
    st.lists(words, max_size=14).map(lambda found: " ".join(found).encode("latin-1")),
    st.lists(words, max_size=14).map(lambda found: " ".join(found).encode("utf-16-be")),
)
tags = st.sampled_from([0x001E, 0x0427, 0x0423, 0x0424, 0x0204, 0x020C, 0x020E, 0x020F, 0x1403, 0x9999])
tlvs = st.lists(st.tuples(tags, st.binary(max_size=70)), max_size=5)
dialects = st.builds(
    Dialect,
    response_id_form=st.sampled_from(list(IdForm)),
    receipt_id_form=st.sampled_from(list(IdForm)),
    default_alphabet=st.sampled_from(list(Alphabet)),
    err_profile=st.sampled_from([None, "gsm_map", "twilio_like"]),
    mcc_tlv=st.sampled_from([None, 0x1403]),
    mnc_tlv=st.sampled_from([None, 0x9999]),
    receipts_without_flag=st.booleans(),
    response_id_prefix=st.sampled_from(["", "", "1", "id:"]),
    receipt_id_prefix=st.sampled_from(["", "", "1"]),
    receipt_keys=st.sampled_from([{}, {}, {"stat": "id", "x y": "text", "dlvrd": "stat"}]),
    receipt_columns=st.sampled_from([(), (), ("id", "", "stat", "text"), ("",)]),
    receipt_separator=st.sampled_from([",", " ", "::"]),
    ignored_tlvs=st.sampled_from([frozenset(), frozenset({0x001E, 0x0424})]),
    network_tlv=st.sampled_from([None, 0x9999]),
    networks=st.sampled_from([{}, {"a": "26202"}]),
)
octet = st.integers(0, 255)


@given(octet, octets, tlvs, dialects)
@example(4, b"id:a\0b stat:DELIVRD err:0\0 text:\0x", [(0x001E, b"\0a")], Dialect())
@example(4, b"id:1 sub:" + b"9" * 5000, [(0x001E, b"f" * 5000)], Dialect(response_id_form=IdForm.HEX))
def test_receipt_parser_never_raises(esm_class, short_message, optional, dialect):
    receipt.kind_of(esm_class, short_message, optional, dialect)
    found = receipt.parse(esm_class, short_message, optional, dialect)
    assert DELIVERY_CODES[found.code].status == found.status or found.code == "000"
    if not dialect.response_id_prefix and not dialect.receipt_id_prefix:
        assert (found.canonical_id == "") == (found.message_id is None)
    assert found.canonical_id == "" or found.message_id is not None
    receipt.read_date(found.submit_date)
    receipt.read_date(found.done_date)
    strings = (found.message_id, found.canonical_id, found.text_id, found.stat, found.err, found.text, found.mccmnc)
    for string in (*strings, found.submit_date, found.done_date):
        assert "\0" not in (string or "")
        json.dumps(string).encode("utf-8")


@given(octet, octet, octets, tlvs, dialects, octet, octet, st.text(max_size=20))
def test_message_parser_never_raises(esm_class, data_coding, short_message, optional, dialect, ton, other, address):
    found = inbound.parse(esm_class, data_coding, short_message, address, ton, address, other, optional, dialect)
    body, _ = inbound.join([found, found])
    for text in (found.body, body, found.keyword):
        assert "\0" not in text
        text.encode("utf-8")
    assert found.binary is None or (found.body, found.keyword) == ("", "")


@given(st.binary(max_size=200))
def test_header_reader_never_raises(user_data):
    header = udh.read(user_data)
    assert header.error is None or header.elements == ()
    if header.error is None:
        size = 1 + sum(2 + len(value) for _, value in header.elements)
        assert len(user_data) == size + len(header.rest)


# Few characters, chosen for where the two ways could differ: what is white space to one and not to the other.
value = st.text(st.sampled_from("0aZ:/\xa0\x85\x1c \t\n\0é"), max_size=5)
filled = st.text(st.sampled_from("0aZ:/\xa0\x85\x1c\0é"), min_size=1, max_size=5)
one = st.one_of(filled, filled, filled, filled, value)


@given(
    *[one] * 7,
    st.sampled_from([" text:", " Text:", "", " stat:", "  err:"]),
    value,
)
@example("1", "001", "001", "2503140926", "2503140927", "DELIVRD", "000", " text:", " \tx")
@example("1", "001", "001", "2503140926", "2503140927", "DELIVRD", "000", " Text:", "\xa0x")
def test_usual_form_reads_as_the_search_does(message_id, sub, dlvrd, submit, done, stat, err, last, text):
    written = f"id:{message_id} sub:{sub} dlvrd:{dlvrd} submit date:{submit} done date:{done} stat:{stat} err:{err}"
    written += last + text
    searched = receipt_text._search(receipt_text._tidy(written), {})
    assert receipt_text.read_text(written.encode("latin-1"), PLAIN) == searched


@given(st.text(max_size=20))
def test_dates_never_raise(raw):
    receipt.read_date(raw)
