"""Parts of any text, in any order and repeated, make the text again, once; whatever comes, no part is lost or counted
twice."""

from __future__ import annotations

import datetime as dt
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from trunkline.carriers import inbound
from trunkline.carriers.encode import encode_parts
from trunkline.domain.ids import MsgIds
from trunkline.domain.provisioning import CarrierId
from trunkline.mo import parts
from trunkline.store.inbound import StoredPart
from trunkline.text.udh import Concat, concat_header

_NOW = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
_IDS = MsgIds()
texts = st.one_of(
    st.text(st.sampled_from("a€{é"), max_size=700),
    st.text(st.sampled_from("ж\U0001f600a"), max_size=400),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff"), max_size=300),
)


class Kept:
    """The table of parts: a part is there once; joined ones stay, without their octets."""

    def __init__(self) -> None:
        self.rows: dict[tuple[Any, ...], StoredPart] = {}
        self.texts: list[str] = []

    def comes(self, message: inbound.Inbound) -> None:
        assert message.concat is not None
        row = parts.row(CarrierId(1), 1, message, message.concat)
        self.rows.setdefault((row.set_key, row.part_no, row.digest), StoredPart(*row, _NOW, None, None, False))
        mine = [stored for stored in self.rows.values() if stored.set_key == row.set_key]
        for found in parts.sort(mine).messages:
            if len(found) == found[0].total:
                self.texts.append(parts.text_of(found)[0])
                msg_id = _IDS.new(1)
                for part in found:
                    key = (part.set_key, part.part_no, part.digest)
                    self.rows[key] = part._replace(octets=None, msg_id=msg_id, joined_at=_NOW)


def read(esm_class: int, data_coding: int, octets: bytes) -> inbound.Inbound:
    return inbound.parse(esm_class, data_coding, octets, "1555", 1, "12345", 3)


@given(texts, st.data())
def test_any_text_in_any_order_with_repeats(text: str, data: st.DataObject) -> None:
    pieces = [read(p.esm_class, p.data_coding, p.short_message) for p in encode_parts(text, reference=7)]
    if len(pieces) == 1:
        return
    repeated = data.draw(st.lists(st.sampled_from(pieces), max_size=5))
    kept = Kept()
    for piece in data.draw(st.permutations(pieces + repeated)):
        kept.comes(piece)
    assert kept.texts == [text]


@given(st.text(st.sampled_from("ж\U0001f600a"), min_size=2, max_size=60), st.data())
def test_cut_anywhere(text: str, data: st.DataObject) -> None:
    """Handsets cut where they like, also inside a character."""
    octets = text.encode("utf-16-be")
    cuts = data.draw(st.lists(st.integers(0, len(octets)), min_size=1, max_size=6).map(sorted))
    ends = list(zip([0, *cuts], [*cuts, len(octets)], strict=True))
    pieces = [
        read(0x40, 8, concat_header(7, len(ends), n, 8) + octets[start:end]) for n, (start, end) in enumerate(ends, 1)
    ]
    kept = Kept()
    for piece in data.draw(st.permutations(pieces)):
        kept.comes(piece)
    assert kept.texts == [text]


def stored_part(number: int, letter: str, msg_id: Any) -> StoredPart:
    octets, joined_at = (letter.encode(), None) if msg_id is None else (None, _NOW)
    return StoredPart(
        b"key",
        number,
        letter.encode(),
        CarrierId(1),
        1,
        "",
        "",
        3,
        "gsm7",
        0,
        0,
        octets,
        _NOW,
        msg_id,
        joined_at,
        False,
    )


stored = st.builds(
    stored_part,
    st.integers(1, 3),
    st.sampled_from("abc"),
    st.sampled_from([None, None, _IDS.new(1), _IDS.new(2)]),
)


@given(st.lists(stored, max_size=12))
def test_every_open_part_has_one_place(rows: list[StoredPart]) -> None:
    found = parts.sort(rows)
    placed = [part for message in found.messages for part in message] + [late.part for late in found.late]
    assert sorted(map(repr, placed)) == sorted(repr(row) for row in rows if row.msg_id is None)
    for message in found.messages:
        assert len({part.part_no for part in message}) == len(message)


@given(st.integers(0, 255), st.integers(1, 255), st.integers(0, 255))
def test_what_belongs_together_says_the_same(ref: int, total: int, number: int) -> None:
    """Reference, width and total tell sets apart; the number does not."""
    message = read(0, 0, b"x")
    one = parts.row(CarrierId(1), 1, message, Concat(ref, total, number, 8))
    for other in (Concat(ref ^ 1, total, number, 8), Concat(ref, total + 1, number, 8), Concat(ref, total, number, 16)):
        assert parts.row(CarrierId(1), 1, message, other).set_key != one.set_key
    assert parts.row(CarrierId(1), 2, message, Concat(ref, total, number + 1, 8)).set_key == one.set_key
