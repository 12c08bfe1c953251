"""Cursors: what is written is read back, and nothing else is read at all."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from trunkline.api.cursor import Cursor, CursorSigner
from trunkline.contract.listing import Listing, read_list
from trunkline.domain.filters import Filters
from trunkline.domain.status import Status

KEY = b"k" * 32
text = st.none() | st.text(max_size=21)
filters = st.builds(
    Filters,
    inbound=st.booleans(),
    sender=text,
    recipient=text,
    status=st.none() | st.sampled_from(Status),
    country=text,
    mccmnc=text,
    from_ms=st.integers(-(2**50), 2**50),
    to_ms=st.integers(-(2**50), 2**50),
)
cursors = st.builds(
    Cursor,
    plan=st.text("0123456789abcdef", min_size=24, max_size=24),
    filters=filters,
    after=st.builds(lambda number: UUID(int=number), st.integers(0, 2**128 - 1)),
    limit=st.integers(1, 100),
)


@given(cursors)
def test_round_trip(cursor: Cursor) -> None:
    signer = CursorSigner(KEY)
    written = signer.write(cursor)
    assert signer.read(written) == cursor
    query = f"servicePlanId={'2' * 24}&cursor={written}"
    read = read_list(query.encode())  # nothing in it needs escaping
    assert isinstance(read, Listing)
    assert read.cursor == written
    assert CursorSigner(b"K" * 32).read(written) is None


@given(cursors, st.data())
def test_a_changed_cursor_is_not_read(cursor: Cursor, data: st.DataObject) -> None:
    signer = CursorSigner(KEY)
    written = signer.write(cursor)
    # The last letter may carry unused bits, so it is left alone.
    place = data.draw(st.integers(0, len(written) - 2))
    letter = data.draw(st.sampled_from("ABCxyz019-_").filter(lambda one: one != written[place]))
    assert signer.read(written[:place] + letter + written[place + 1 :]) is None
    assert signer.read(written[:place]) is None


@given(st.text("ABCDEFGHabcdefgh0123456789-_=", max_size=200))
def test_nothing_made_up_is_read(made_up: str) -> None:
    assert CursorSigner(KEY).read(made_up) is None
