"""The search over ranges says what looking at each range says, whatever they are and however they overlap."""

from __future__ import annotations

from math import inf

from hypothesis import example, given
from hypothesis import strategies as st

from trunkline.numbering.ranges import ranges_of

# Few digits and few networks, so that ranges meet.
_DIGITS = st.text("13", min_size=1, max_size=6) | st.text("0129", max_size=14).map("1".__add__)
_NETWORK = st.sampled_from(["23410", "23415", "310260"])
_VALID_FROM = st.sampled_from([-inf, 0.0, 1.0])


@st.composite
def _range(draw: st.DrawFn) -> tuple[str, str, str, float]:
    first = draw(_DIGITS)
    last = draw(
        st.just(first) | st.text("0139", min_size=len(first), max_size=len(first)).filter(lambda d: d[0] != "0")
    )
    return min(first, last), max(first, last), draw(_NETWORK), draw(_VALID_FROM)


_RANGES = st.lists(_range(), max_size=12, unique_by=lambda r: (r[0], r[1], r[3]))
_NUMBER = st.text("0139", min_size=6, max_size=14).map("1".__add__)


def one_by_one(rows: list[tuple[str, str, str, float]], digits: str) -> str | None:
    """The network of a number of 15 digits: that of the narrowest range that it is in."""
    inside = []
    for first, last, network, valid_from in rows:
        low, high = int(first.ljust(15, "0")), int(last.ljust(15, "9"))
        if low <= int(digits) <= high:
            inside.append((high - low, -valid_from, -low, first, last, network))
    return min(inside)[-1] if inside else None


@given(_RANGES, _NUMBER)
@example([("1", "1", "23410", -inf)], "1" * 15)
@example([("1", "1", "23415", -inf), ("10", "19", "23410", -inf)], "1000000")
def test_the_search_is_as_looking_at_each(rows: list[tuple[str, str, str, float]], digits: str) -> None:
    ranges = ranges_of(rows)
    # A network may change only at an end of a range: all that begins with the digits is judged by those.
    low, high = int(digits.ljust(15, "0")), int(digits.ljust(15, "9"))
    ends = {low, high}
    for first, last, _, _ in rows:
        ends |= {int(first.ljust(15, "0")), int(last.ljust(15, "9")) + 1}
    found = {one_by_one(rows, str(end)) for end in ends if low <= end <= high}
    assert ranges.mccmnc_of("+" + digits) == (found.pop() if len(found) == 1 else None)
    assert len(ranges) <= 2 * len(rows) + 1
