"""When an operator hears of errors that a carrier's profile lacks: at one receipt in a hundred, and no longer."""

from __future__ import annotations

from uuid import uuid4

from trunkline.carriers import receipt
from trunkline.carriers.dialect import from_mapping
from trunkline.dlr.oddities import _ODD, Oddities
from trunkline.runtime import log

DIALECT = from_mapping({"preset": "operator"})
KNOWN = receipt.parse(4, b"id:1 stat:UNDELIV err:027", (), DIALECT)
UNKNOWN = receipt.parse(4, b"id:1 stat:UNDELIV err:099", (), DIALECT)
MISMATCH = receipt.parse(4, b"id:1 stat:UNDELIV err:027", [(0x0427, b"\2")], DIALECT)


def holds(carrier: str) -> bool:
    return log._ALARMS.of("receipt_errors_unmapped", carrier).value == 1


def test_one_in_a_hundred() -> None:
    carrier = str(uuid4())
    oddities = Oddities(carrier)
    oddities.count([KNOWN] * 991 + [UNKNOWN] * 9)
    assert not holds(carrier)
    oddities.count([UNKNOWN] * 10)
    assert holds(carrier)  # not only once a thousand have come
    oddities.count([KNOWN] * 990)
    assert holds(carrier)  # of this thousand ten were unknown
    oddities.count([UNKNOWN] * 9 + [KNOWN] * 990)
    assert holds(carrier)
    oddities.count([KNOWN])
    assert not holds(carrier)


def test_each_is_counted() -> None:
    carrier = str(uuid4())
    Oddities(carrier).count([KNOWN, UNKNOWN, MISMATCH, UNKNOWN])
    assert {kind: _ODD.of(carrier, kind).value for kind in ("err_unmapped", "mismatch")} == {
        "err_unmapped": 2, "mismatch": 1,
    }  # fmt: skip
