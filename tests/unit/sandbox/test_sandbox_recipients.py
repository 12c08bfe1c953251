"""The table of magic recipients: sound, obeyed, and what the documentation shows."""

import re
from pathlib import Path

import pytest

from trunkline.domain.errors import DELIVERY_CODES
from trunkline.domain.status import Status
from trunkline.sandbox.behaviour import Submit
from trunkline.sandbox.recipients import BY_NUMBER, PREFIX, TABLE, Recipients, reference
from trunkline.smpp.pdu import SubmitSm
from trunkline.smpp.status import ESME_ROK, ESME_RTHROTTLED
from trunkline.text.udh import Concat

PAGE = Path(__file__).parents[3] / "docs" / "sandbox.md"


def submit(recipient, text="hello", concat=None):
    pdu = SubmitSm(short_message=text.encode())
    return Submit(1, None, pdu, "+15550001111", recipient, text, concat)


def by_name(name):
    return next(one for one in TABLE if one.name == name)


def test_every_row_is_a_number_of_its_own():
    assert len(BY_NUMBER) == len({one.name for one in TABLE}) == len(TABLE)
    assert all(re.fullmatch(re.escape(PREFIX) + r"\d{4}", one.number) for one in TABLE)


@pytest.mark.parametrize("one", TABLE, ids=lambda one: one.name)
def test_a_row_ends_as_the_catalogue_says(one):
    if one.error_code == "000":
        assert one.status in (Status.DELIVERED, Status.SENT)
    else:
        assert DELIVERY_CODES[one.error_code].status is one.status
        assert one.number.endswith(one.error_code)


def test_the_documentation_shows_the_table():
    found = re.search(r"<!-- generated: recipients -->\n\n(.*)\n<!-- end -->", PAGE.read_text("utf-8"), re.DOTALL)
    assert found is not None
    assert found[1] == reference(), "put recipients.reference() between the comments of docs/sandbox.md"


def test_a_script_is_gone_through_and_begins_anew():
    behave, number = Recipients(), by_name("throttled").number
    for _ in range(2):
        found = [behave(submit(number)).status for _ in range(3)]
        assert found == [ESME_RTHROTTLED, ESME_RTHROTTLED, ESME_ROK]


def test_messages_with_other_words_have_scripts_of_their_own():
    behave, number = Recipients(), by_name("throttled").number
    assert [behave(submit(number, text)).status for text in ("a", "b", "a", "b", "a", "b")] == [
        *[ESME_RTHROTTLED] * 4,
        *[ESME_ROK] * 2,
    ]


def test_only_the_last_part_of_several_fails():
    behave, number = Recipients(), by_name("last_part_fails").number
    stats = [behave(submit(number, concat=Concat(7, 3, seq, 8))).receipts[0].stat for seq in (1, 2, 3)]
    assert stats == ["DELIVRD", "DELIVRD", "UNDELIV"]
    assert behave(submit(number)).receipts[0].stat == "DELIVRD"


def test_a_number_without_a_row_is_delivered():
    assert Recipients()(submit("+31612345678")) is TABLE[0].script[0]


def test_memory_is_bounded():
    behave, number = Recipients(), by_name("throttled").number
    for text in range(10_050):
        behave(submit(number, str(text)))
    assert len(behave._tries) == 10_000
