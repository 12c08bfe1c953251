"""Which network a number belongs to: an operator's own ranges, as sorted arrays that are searched by halving.

Numbers are compared as 15 digits, the longest that E.164 has: a range of fewer covers all that begins with its digits,
so the range 447911 to 447913 goes from 447911000000000 to 447913999999999, and a prefix is a range of one.

Of ranges that overlap the narrower wins; of equally wide ones the one that is valid from later on, then the one that
begins later, then the one that is written with fewer digits. That is decided once, when the table is made: it holds
spans that do not overlap, each with its network or none, so a look-up is one search.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable
from heapq import heappop, heappush

DIGITS = 15
_END = 10**DIGITS
# By the length of a number, "+" included: how many numbers of 15 digits begin with it.
_BLOCKS = tuple(10 ** max(DIGITS + 1 - length, 0) for length in range(DIGITS + 2))


class Ranges:
    """The table: `RangesMaker` makes it. 12 octets a span, of which n ranges make at most 2n + 1."""

    __slots__ = ("_networks", "_spans", "_starts")

    def __init__(self, starts: array[int], spans: array[int], networks: list[str | None]) -> None:
        """`starts`: where each span begins, and the end; `spans`: the place of each one's network in `networks`."""
        self._starts = starts
        self._spans = spans
        self._networks = networks

    def __len__(self) -> int:
        return len(self._spans)

    @property
    def octets(self) -> int:
        """Memory that the arrays take."""
        return sum(one.buffer_info()[1] * one.itemsize for one in (self._starts, self._spans))

    def mccmnc_of(self, number: str) -> str | None:
        """The network of a number that is `e164.well_formed`; None where no range covers it.

        A number with fewer digits than the ranges around it is known where all that begins with it is one network's.
        """
        block = _BLOCKS[len(number)]
        first = int(number) * block
        after = bisect_right(self._starts, first)
        if first + block > self._starts[after]:
            return None
        return self._networks[self._spans[after - 1]]


class RangesMaker:
    """Makes the table of ranges that come in order of their first digits: a sweep that keeps those it is inside of."""

    def __init__(self) -> None:
        self._starts = array("Q", [0])
        self._spans = array("I", [0])
        self._networks: dict[str | None, int] = {None: 0}
        self._at = 0  # up to here it is decided
        # (width, less its valid_from, less its first number, place, last number, network): the first one wins.
        self._inside: list[tuple[int, float, int, int, int, int]] = []
        self._count = 0

    def add(self, first: str, last: str, mccmnc: str, valid_from: float) -> None:
        """A range of E.164 digits without "+", both ends of one length; it must not begin before the one added last.

        `valid_from`: seconds since 1970, -inf for always.
        """
        low, high = int(first.ljust(DIGITS, "0")), int(last.ljust(DIGITS, "9"))
        self._decide(low)
        self._count += 1
        network = self._networks.setdefault(mccmnc, len(self._networks))
        heappush(self._inside, (high - low, -valid_from, -low, self._count, high, network))

    def made(self) -> Ranges:
        """The table of what was added."""
        self._decide(_END)
        self._starts.append(_END)
        return Ranges(self._starts, self._spans, list(self._networks))

    def _decide(self, end: int) -> None:
        """Spans up to `end`, where something new begins."""
        inside = self._inside
        while self._at < end:
            while inside and inside[0][4] < self._at:
                heappop(inside)
            if not inside:
                self._begin(0)
                self._at = end
            else:
                self._begin(inside[0][5])
                self._at = min(inside[0][4] + 1, end)

    def _begin(self, network: int) -> None:
        """A span of this network from here on, unless the one before is the same network's."""
        if self._spans[-1] != network:
            self._starts.append(self._at)
            self._spans.append(network)


NO_RANGES = RangesMaker().made()


def ranges_of(rows: Iterable[tuple[str, str, str, float]]) -> Ranges:
    """The table of rows as `RangesMaker.add` takes them, in any order."""
    maker = RangesMaker()
    for row in sorted(rows):
        maker.add(*row)
    return maker.made()
