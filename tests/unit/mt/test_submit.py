"""Step 4: which parts of a claimed message are submitted, and in what text."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

import pytest

from trunkline.carriers.dialect import PLAIN, Dialect
from trunkline.domain.provisioning import PlanId
from trunkline.mt.submit import submits, tickets
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
