"""What is odd about a carrier's receipts, counted: text and TLV that disagree, errors that its profile lacks."""

from __future__ import annotations

from collections.abc import Iterable

from trunkline.carriers.receipt import Receipt
from trunkline.runtime import log, metrics

_ODD = metrics.counter("trunkline_receipt_oddities", "Receipts with something odd about them.", "carrier", "kind")

# The alarm goes by so many receipts at a time: on once one in a hundred of them had an unknown error, off after as many
# that had fewer.
_LOOKED_AT, _TOO_MANY = 1000, 10


class Oddities:
    """Of one carrier."""

    def __init__(self, carrier: str) -> None:
        self._carrier = carrier
        self._mismatched = _ODD.of(carrier, "mismatch")
        self._unmapped = _ODD.of(carrier, "err_unmapped")
        self._seen = self._bad = 0

    def count(self, receipts: Iterable[Receipt]) -> None:
        """Takes note of receipts that were stored."""
        for receipt in receipts:
            self._seen += 1
            if receipt.mismatch:
                self._mismatched.value += 1
            if receipt.err_unmapped:
                self._unmapped.value += 1
                self._bad += 1
                if self._bad == _TOO_MANY:
                    log.alarm("receipt_errors_unmapped", self._carrier, True, err=receipt.err)
            if self._seen == _LOOKED_AT:
                if self._bad < _TOO_MANY:
                    log.alarm("receipt_errors_unmapped", self._carrier, False)
                self._seen = self._bad = 0
