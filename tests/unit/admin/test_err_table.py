"""An operator's file of error codes: forms that are read, and mistakes that are told with their line."""

from __future__ import annotations

import pytest

from trunkline.admin.err_table import read


@pytest.mark.parametrize(
    "text",
    [
        "err,code\n021,106\n21b,203\n",
        "\ufeff021;106;absent\n\n21b;203;\n",
        "Err , Code , note\r\n021, 106 ,x\r\n21b,203\r\n",
    ],
)
def test_forms(text: str) -> None:
    assert read(text) == ({"021": "106", "21b": "203"}, [])


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("", "line 1: there is no error in it"),
        ("err,code\n021\n", "line 2: an error and its delivery code are wanted"),
        (",106\n", "line 1: an error and its delivery code are wanted"),
        ("021,106\n021,203\n", "line 2: 021 has another code above"),
        ("021,000\n", "line 1: dialect.err_table.021: '000' is not a delivery code of a failure, such as \"101\""),
        ("021,106\n1," + "x" * 200_000, "line 2: field larger than field limit (131072)"),
    ],
)
def test_mistakes(text: str, mistake: str) -> None:
    assert read(text)[1] == [mistake]


def test_not_more_mistakes_than_anybody_reads() -> None:
    assert len(read("x,y\n" * 1000)[1]) == 20
