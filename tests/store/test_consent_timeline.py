"""`trunkline message show` tells why a message did not go out, what a handset changed, and what it was answered."""

from __future__ import annotations

from uuid import UUID

from consent_ground import RECIPIENT, ConsentGround, on_consent_ground
from test_quiet_hours import MARKETING, PARIS, PARISIAN

from trunkline.cli.message import as_document, rendered
from trunkline.store import optouts
from trunkline.store.optouts import Change
from trunkline.store.timeline import timeline


async def shown(there: ConsentGround, msg_id: UUID) -> str:
    found = await timeline(there.conn, msg_id)
    assert found is not None
    assert as_document(found, with_text=False)
    return rendered(found, with_text=False)


def test_a_stop_its_answer_and_what_it_ended(database: str) -> None:
    async def test(there: ConsentGround) -> None:
        await there.begin()
        await there.ground.dispatcher()
        await there.says("STOP")
        ((stop, answer),) = await there.rows("SELECT mo_id, msg_id FROM keyword_reply")
        await there.ended(failed := await there.sends())
        text = await shown(there, stop)
        assert "the sender opted out of messages from 12345, plan p\n" in text
        assert "the sender opted out of messages from 12345, plan p2\n" in text
        assert f"answered with message {answer} (STOP)" in text
        assert f"answers message {stop} (STOP)" in await shown(there, answer)
        text = await shown(there, failed)
        assert f"the recipient opted out of messages from 12345, by message {stop}" in text
        assert "not sent: the recipient opted out, part 1" in text
        assert "final: FAILED 605 (Recipient opted out)" in text
        await there.says("START")
        ((start,),) = await there.rows("SELECT msg_id FROM mo ORDER BY msg_id DESC LIMIT 1")
        assert "the sender opted in again to messages from 12345, plan p\n" in await shown(there, start)
        assert "the recipient opted out" not in (await shown(there, failed)).replace("not sent: the", "")
        await optouts.add(there.conn, [Change(1, RECIPIENT, "", None, "on the phone")], actor="a", source="operator")
        text = await shown(there, failed)
        assert "the recipient opted out of messages from all senders, by operator: on the phone" in text

    on_consent_ground(database, test)


def test_a_message_that_is_held(database: str) -> None:
    async def test(there: ConsentGround) -> None:
        await there.begin(p1=MARKETING)
        await there.night(21, 30, PARIS)
        held, ends = await there.sends(recipient=PARISIAN), await there.sends(recipient=PARISIAN, validity_s=3600)
        await there.ground.dispatcher()
        await there.ended(ends)
        await there.until("SELECT count(*) = 1 FROM mt_later")
        text = await shown(there, held)
        assert "held: quiet hours where the recipient is, until " in text
        assert "goes into the queue of c at " in text
        text = await shown(there, ends)
        assert "held: quiet hours where the recipient is, longer than the message is worth delivering, part 1" in text
        assert "final: FAILED 606 (Quiet hours until expiry)" in text

    on_consent_ground(database, test)
