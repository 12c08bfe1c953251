"""User data headers: the corpus, and our own header read back."""

import json
from pathlib import Path

import pytest

from trunkline.text import udh

ROWS = json.loads((Path(__file__).parents[2] / "corpus/udh.json").read_text(encoding="utf-8"))["rows"]


@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_corpus(row):
    header = udh.read(bytes.fromhex(row["user_data_hex"]))
    assert [{"iei": f"0x{iei:02X}", "data_hex": data.hex()} for iei, data in header.elements] == row["elements"]
    assert (header.concat and header.concat._asdict()) == row["concat"], row["why"]
    assert (None if header.rest is None else header.rest.hex()) == row["rest_hex"]
    assert header.error == row.get("error")


@pytest.mark.parametrize(("bits", "octets", "reference"), [(8, 6, 0xCD), (16, 7, 0xABCD)])
def test_our_header_reads_back(bits, octets, reference):
    header = udh.read(udh.concat_header(0x12ABCD, 3, 2, bits) + b"rest")
    assert header.concat == udh.Concat(reference, 3, 2, bits)
    assert header.rest == b"rest"
    assert len(udh.concat_header(1, 3, 2, bits)) == octets


def test_last_language_element_counts():
    header = udh.read(bytes.fromhex("09 240101 240102 250103"))
    assert header.language(udh.SINGLE_SHIFT) == 2
    assert header.language(udh.LOCKING_SHIFT) == 3
    assert udh.read(b"\x00").language(udh.SINGLE_SHIFT) == 0
