"""Step 4: which parts of a claimed message are submitted, and in what text."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

import pytest

from trunkline.carriers.dialect import PLAIN, Dialect, from_mapping
from trunkline.domain.provisioning import PlanId
from trunkline.mt.submit import submits, tickets
from trunkline.smpp.pdu import SubmitSm
from trunkline.store.queue import Claimed, Content
from trunkline.text.segment import Encoding

NOW = dt.datetime(2026, 6, 22, tzinfo=dt.UTC)
MSG_ID = UUID("019ee2da-e515-7322-805f-1ac6ce82f20f")
TWO_OR_THREE = "a" * 306  # parts with an 8-bit and with a 16-bit reference


def claimed(missing: int) -> Claimed:
    return Claimed(PlanId(1), 0, MSG_ID, missing, 0, False, NOW + dt.timedelta(hours=1), NOW)


def content(body: str, parts: int, encoding: int = Encoding.GSM7) -> Content:
    return Content("12345", "+15550002222", body, "US", encoding, parts, None)


def places(missing: int, body: str, parts: int, dialect: Dialect = PLAIN) -> list[tuple[int, int]]:
    found = submits(claimed(missing), content(body, parts), dialect, NOW)
    return [(ticket.part_no, ticket.parts) for _, ticket in found]


def test_the_missing_parts_and_no_others() -> None:
    assert places(0b10, TWO_OR_THREE, 2) == [(2, 2)]
    assert places(0b101, TWO_OR_THREE, 3, Dialect(reference_bits=16)) == [(1, 3), (3, 3)]


@pytest.mark.parametrize("counted", [1, 2, 4])
def test_cut_otherwise_than_was_counted_every_part_comes(counted: int) -> None:
    found = places((1 << counted) - 1, TWO_OR_THREE, counted, Dialect(reference_bits=16))
    assert found == [(1, 3), (2, 3), (3, 3)]


def test_cut_otherwise_after_a_part_was_submitted_it_cannot_go_on() -> None:
    with pytest.raises(ValueError, match="3 parts here, and some of 2 were submitted before"):
        places(0b10, TWO_OR_THREE, 2, Dialect(reference_bits=16))


def test_a_message_accepted_so_goes_out_transliterated() -> None:
    written = "“It’s…”"
    ((pdu, _),) = submits(claimed(1), content(written, 1, Encoding.TRANSLITERATED), PLAIN, NOW)
    assert (pdu.data_coding, pdu.short_message) == (0, b'"It\'s..."')
    ((pdu, _),) = submits(claimed(1), content(written, 1, Encoding.UCS2), PLAIN, NOW)
    assert (pdu.data_coding, pdu.short_message) == (8, written.encode("utf-16-be"))


def test_every_part_has_the_messages_own_reference() -> None:
    body = content(TWO_OR_THREE, 2)._replace(reference=0x1234)
    headers = [pdu.short_message[:6] for pdu, _ in submits(claimed(0b11), body, PLAIN, NOW)]
    assert headers == [b"\5\0\3\x34\2\1", b"\5\0\3\x34\2\2"]
    ((again, _),) = submits(claimed(0b10), body, PLAIN, NOW)
    assert again.short_message[:6] == headers[1]


def test_tickets_of_what_is_not_submitted_here() -> None:
    found = tickets(claimed(0b101), content(TWO_OR_THREE, 3))
    assert [(t.part_no, t.parts, t.recipient) for t in found] == [(1, 3, "+15550002222"), (3, 3, "+15550002222")]
    assert [(t.part_no, t.parts, t.recipient) for t in tickets(claimed(1), None)] == [(1, 1, "")]


def submitted(missing: int, body: str, parts: int, *, bare: bool = False, **settings: object) -> list[SubmitSm]:
    dialect = from_mapping(settings)
    found = submits(claimed(missing), content(body, parts), dialect, NOW, bare=bare)
    return [pdu for pdu, _ in found]


def test_what_the_carrier_wants_in_each_submit_sm() -> None:
    (pdu,) = submitted(
        1, "hi", 1, service_type="CMT", protocol_id=64, priority_flag=2, submit_tlvs={"0x1400": "3100", "0x1401": "32"}
    )
    assert (pdu.service_type, pdu.protocol_id, pdu.priority_flag) == ("CMT", 64, 2)
    assert pdu.tlvs == ((0x1400, b"1\0"), (0x1401, b"2"))


@pytest.mark.parametrize(
    ("form", "written"), [("relative", "000000010000000R"), ("absolute", "260622010000000+"), ("none", "")]
)
def test_what_is_left_of_the_validity(form: str, written: str) -> None:
    (pdu,) = submitted(1, "hi", 1, validity=form)
    assert pdu.validity_period == written


@pytest.mark.parametrize(("receipted", "asked"), [("all", [1, 1]), ("first", [1, 0]), ("last", [0, 1])])
def test_receipts_are_asked_for_where_they_come(receipted: str, asked: list[int]) -> None:
    assert [pdu.registered_delivery for pdu in submitted(0b11, TWO_OR_THREE, 2, receipted_parts=receipted)] == asked
    assert submitted(1, "hi", 1, receipted_parts=receipted)[0].registered_delivery == 1


def test_the_reference_tells_parts_apart() -> None:
    """0xF20F and 0x805F of the id, exclusive or, by 40503; one more for each part: as resolve_doubts compares it."""
    one, two = submitted(0b11, TWO_OR_THREE, 2, user_message_reference=True)
    assert [pdu.tlvs for pdu in (one, two)] == [((0x0204, b"\xef\x30"),), ((0x0204, b"\xef\x31"),)]


def test_once_more_without_what_the_text_can_do_without() -> None:
    """SAR parameters are not among it: without them a part would be a message of its own."""
    settings = {"user_message_reference": True, "submit_tlvs": {"0x1400": "00"}, "concatenation": "sar"}
    bare = submitted(0b11, TWO_OR_THREE, 2, bare=True, **settings)
    assert [[tag for tag, _ in pdu.tlvs] for pdu in bare] == [[0x020C, 0x020E, 0x020F]] * 2
    whole = submitted(0b11, TWO_OR_THREE, 2, **settings)
    assert [[tag for tag, _ in pdu.tlvs] for pdu in whole] == [[0x020C, 0x020E, 0x020F, 0x0204, 0x1400]] * 2
