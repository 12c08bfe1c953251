"""Marketing waits for the morning where its recipient is; what else goes out at night."""

from __future__ import annotations

import datetime as dt

from consent_ground import ConsentGround, on_consent_ground

from trunkline.domain.consent import Consent
from trunkline.domain.quiet import QuietHours
from trunkline.store import queue

MARKETING = Consent(marketing=True, quiet_hours=QuietHours.read("21:00-08:00"))
PARISIAN, AMERICAN = "+33612345678", "+15550001111"
PARIS = "Europe/Paris"
TEN_AND_A_HALF_HOURS = dt.timedelta(hours=10, minutes=30)


def test_it_waits_for_the_morning(database: str) -> None:
    async def test(there: ConsentGround) -> None:
        await there.begin(p1=MARKETING)
        at = await there.night(21, 30, PARIS)
        held = [await there.sends(recipient=PARISIAN, parts=parts) for parts in (1, 3)]
        await there.ground.dispatcher()
        await there.until("SELECT count(*) = 2 FROM mt_later")
        rows = await there.rows("SELECT due_at, missing, tries FROM mt_later ORDER BY msg_id")
        assert [(missing, tries) for _, missing, tries in rows] == [(1, 0), (7, 0)]
        assert {due_at for due_at, _, _ in rows} == {at + TEN_AND_A_HALF_HOURS}
        assert await there.rows("SELECT DISTINCT outcome FROM attempt") == [("quiet_hours",)]
        assert there.ground.submitted == []
        await there.night(8, 0, PARIS)
        await there.ground.shift(2)
        assert await queue.move_due(there.conn) == 2
        assert await there.ended(held[0]) == (None, 0)

    on_consent_ground(database, test)


def test_where_validity_ends_first_it_fails(database: str) -> None:
    async def test(there: ConsentGround) -> None:
        await there.begin(p1=MARKETING)
        await there.night(21, 30, PARIS)
        ends = [
            await there.sends(
                recipient=PARISIAN, validity_s=int(TEN_AND_A_HALF_HOURS.total_seconds()) - 60, parts=parts
            )
            for parts in (1, 2)
        ]
        await there.ground.dispatcher()
        for msg_id in ends:
            assert await there.ended(msg_id) == (3, 606)

    on_consent_ground(database, test)


def test_by_day_and_of_other_classes_it_goes_out(database: str) -> None:
    async def test(there: ConsentGround) -> None:
        await there.begin(p1=MARKETING)
        await there.ground.dispatcher()
        await there.night(20, 0, PARIS)
        assert await there.ended(await there.sends(recipient=PARISIAN)) == (None, 0)
        await there.night(22, 0, PARIS)
        await there.sends(recipient=PARISIAN)
        assert await there.ended(await there.sends(recipient=PARISIAN, plan=2)) == (None, 0)
        await there.until("SELECT count(*) = 1 FROM mt_later")

    on_consent_ground(database, test)


def test_in_a_country_of_several_zones_it_waits_for_the_last(database: str) -> None:
    """At nine in New York it is night in Honolulu: until eight there."""

    async def test(there: ConsentGround) -> None:
        await there.begin(p1=MARKETING)
        await there.night(9, 0, "America/New_York")
        await there.sends(recipient=AMERICAN)
        await there.ground.dispatcher()
        await there.until("SELECT count(*) = 1 FROM mt_later")
        (due,) = await there.rows("SELECT (due_at AT TIME ZONE 'Pacific/Honolulu')::time::text FROM mt_later")
        assert due == ("08:00:00",)

    on_consent_ground(database, test)


def test_who_says_stop_at_night_is_answered(database: str) -> None:
    async def test(there: ConsentGround) -> None:
        await there.begin(p1=MARKETING)
        await there.night(23, 0, PARIS)
        await there.ground.dispatcher()
        await there.says("STOP", source=PARISIAN[1:])
        ((answer,),) = await there.rows("SELECT msg_id FROM keyword_reply")
        assert await there.ended(answer) == (None, 0)

    on_consent_ground(database, test)


def test_the_rest_of_a_message_that_was_begun_goes_out(database: str) -> None:
    """Half of it is there already."""

    async def test(there: ConsentGround) -> None:
        await there.begin(p1=MARKETING)
        await there.night(23, 0, PARIS)
        msg_id = await there.sends(recipient=PARISIAN, parts=2, body="long " * 40)
        await there.conn.execute("UPDATE mt_queue SET missing = 2, parts = 1")
        await there.ground.dispatcher()
        assert await there.ended(msg_id) == (None, 0)

    on_consent_ground(database, test)
