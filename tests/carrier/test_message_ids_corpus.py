"""Whether the id of a response and the id of a receipt are one, by the forms of both sides."""

import json
from pathlib import Path

import pytest

from trunkline.carriers import receipt
from trunkline.carriers.dialect import Dialect, IdForm, canonical_id

ROWS = json.loads((Path(__file__).parents[1] / "corpus/message_ids.json").read_text(encoding="utf-8"))["rows"]


def form_of(written):
    return IdForm(written.replace("-", "_"))


@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_corpus(row):
    ours = canonical_id(row["resp_id"], form_of(row["resp_form"]))
    theirs = canonical_id(row["receipt_id"], form_of(row["receipt_form"]))
    assert (ours == theirs and ours != "") is row["match"], row["why"]


SPACES_ARE_FIELDS = {"space-inside"}  # a text's fields end at a space
NOT_LATIN1 = {"dec-arabic-digits"}


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row["id"] not in SPACES_ARE_FIELDS | NOT_LATIN1], ids=lambda row: row["id"]
)
def test_corpus_through_a_receipt(row):
    """The same as a carrier's link sees it: the id in the text or in the TLV, the forms from the dialect."""
    form = form_of(row["receipt_form"])
    dialect = Dialect(response_id_form=form_of(row["resp_form"]), receipt_id_form=form, tlv_id_form=form)
    octets = row["receipt_id"].encode("latin-1")
    if row["receipt_in"] == "text":
        found = receipt.parse(4, b"id:" + octets + b" stat:DELIVRD", (), dialect)
    else:
        found = receipt.parse(4, b"", [(0x001E, octets), (0x0427, b"\2")], dialect)
    ours = canonical_id(row["resp_id"], dialect.response_id_form)
    assert (ours == found.canonical_id and ours != "") is row["match"], row["why"]


def test_case_folding_leaves_what_is_not_ascii():
    assert canonical_id("ÀB", IdForm.STR_NOCASE) == "Àb"


def test_numbers_of_any_length_are_read():
    assert canonical_id("0" * 5000 + "7" * 5000, IdForm.DEC) == "7" * 5000
    assert canonical_id("f" * 5000, IdForm.HEX) == "f" * 5000  # no id is that long: not a number
    assert canonical_id("0١", IdForm.DEC) == "0١"
    assert canonical_id("f_f", IdForm.HEX) == "f_f"


def test_form_of_the_tlv_is_the_responses_unless_told():
    assert Dialect(response_id_form=IdForm.HEX).id_form_of_tlv is IdForm.HEX
    assert Dialect(response_id_form=IdForm.HEX, tlv_id_form=IdForm.DEC).id_form_of_tlv is IdForm.DEC
