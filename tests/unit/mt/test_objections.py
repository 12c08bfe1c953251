"""Whose fault a refused field is: the message's where the next part is accepted, ours where five in a row are."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

import pytest

from trunkline.carriers.dialect import PLAIN
from trunkline.mt.objections import Objections
from trunkline.mt.submit import Ticket
from trunkline.runtime.log import _ALARMS
from trunkline.store.queue import Claimed

NOW = dt.datetime(2026, 6, 22, tzinfo=dt.UTC)
SERVICE_TYPE, ESM_CLASS = 0x15, 0x43


class Told:
    """The outcomes' place."""

    dialect = PLAIN

    def __init__(self) -> None:
        self.final: list[tuple[int, int]] = []
        self.back: list[tuple[int, int]] = []

    def refused(self, ticket: Ticket, link_id: int, command_status: int) -> bool:
        self.final.append((ticket.claimed.msg_id.int, command_status))
        return ticket.claimed.tries > 0

    def held_back(self, ticket: Ticket, link_id: int, command_status: int) -> None:
        self.back.append((ticket.claimed.msg_id.int, command_status))


class PlayedLink:
    link_id = 1


class Carrier:
    def __init__(self) -> None:
        self.told = Told()
        self.objections = Objections("north", self.told)  # type: ignore[arg-type]
        self.number = 0

    def refuses(self, status: int, now: float = 0.0, *, valid_s: float = 60.0, tries: int = 0) -> None:
        self.number += 1
        expires_at = NOW + dt.timedelta(seconds=valid_s)
        claimed = Claimed(1, 0, UUID(int=self.number), 1, tries, False, expires_at, NOW)
        self.objections.refused(Ticket(claimed, "+1555", 1, 1), PlayedLink(), status, now)  # type: ignore[arg-type]

    @property
    def alarm(self) -> bool:
        return bool(_ALARMS.of("carrier_paused", "north").value)


@pytest.fixture
def carrier():
    played = Carrier()
    yield played
    played.objections.close()


def pause(carrier: Carrier, status: int = SERVICE_TYPE) -> None:
    for _ in range(5):
        carrier.refuses(status)


def test_four_and_then_one_accepted_are_final(carrier: Carrier) -> None:
    for status in (SERVICE_TYPE, ESM_CLASS, SERVICE_TYPE, ESM_CLASS):
        carrier.refuses(status)
    assert carrier.told.final == []
    carrier.objections.accepted()
    assert carrier.told.final == [(1, SERVICE_TYPE), (2, ESM_CLASS), (3, SERVICE_TYPE), (4, ESM_CLASS)]
    assert (carrier.told.back, carrier.alarm) == ([], False)
    assert not carrier.objections.stand


def test_of_what_is_released_those_that_end_for_good_are_told(carrier: Carrier) -> None:
    """The parts behind them are not sent; those of what goes to another carrier are."""
    for tries in (0, 1, 2):
        carrier.refuses(SERVICE_TYPE, tries=tries, valid_s=10 + tries)
    assert [ticket.claimed.tries for ticket in carrier.objections.expire(NOW + dt.timedelta(seconds=11))] == [1]
    assert [ticket.claimed.tries for ticket in carrier.objections.accepted()] == [2]
    assert [number for number, _ in carrier.told.final] == [1, 2, 3]


def test_five_in_a_row_go_back_and_pause_the_carrier(carrier: Carrier) -> None:
    pause(carrier)
    assert [number for number, _ in carrier.told.back] == [1, 2, 3, 4, 5]
    assert carrier.told.final == []
    assert carrier.alarm
    assert carrier.objections.paused_until == 60.0
    assert (carrier.objections.command_status, carrier.objections.field) == (SERVICE_TYPE, "service_type")
    (notice,) = carrier.objections.notices
    assert notice == ("carrier.paused", {"command_status": "0x00000015", "field": "service_type"})


def test_what_was_under_way_when_the_pause_began_does_not_make_it_longer(carrier: Carrier) -> None:
    pause(carrier)
    for _ in range(3):
        carrier.refuses(SERVICE_TYPE, 0.1)
    assert [number for number, _ in carrier.told.back] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert carrier.objections.paused_until == 60.0


def test_nothing_is_claimed_until_the_pause_is_over_and_then_one_at_a_time(carrier: Carrier) -> None:
    assert carrier.objections.room(20, 7, 0.0) == 20
    pause(carrier)
    assert carrier.objections.room(20, 0, 59.9) == 0
    assert carrier.objections.room(20, 0, 60.1) == 1
    assert carrier.objections.room(20, 1, 60.1) == 0


def test_refused_again_the_pause_is_longer_up_to_a_quarter_of_an_hour(carrier: Carrier) -> None:
    pause(carrier)
    lengths = []
    for _ in range(6):
        now = carrier.objections.paused_until
        assert now is not None
        carrier.refuses(ESM_CLASS, now)
        assert carrier.objections.paused_until is not None
        lengths.append(carrier.objections.paused_until - now)
    assert lengths == [120, 240, 480, 900, 900, 900]
    assert carrier.objections.field == "esm_class"
    assert len(carrier.objections.notices) == 1  # one pause, however often it was tried


def test_accepted_again_it_goes_on_as_before(carrier: Carrier) -> None:
    pause(carrier)
    carrier.objections.accepted()
    assert carrier.objections.paused_until is None
    assert not carrier.alarm
    assert [notice.action for notice in carrier.objections.notices] == ["carrier.paused", "carrier.resumed"]
    pause(carrier)
    assert carrier.objections.paused_until == 60.0


def test_an_operator_has_it_tried_at_once(carrier: Carrier) -> None:
    carrier.objections.retry()  # nothing to retry
    assert carrier.objections.room(20, 0, 0.0) == 20
    pause(carrier)
    carrier.objections.retry()
    assert carrier.objections.room(20, 0, 1.0) == 1
    assert carrier.alarm  # until it is accepted


def test_what_is_held_ends_with_its_validity(carrier: Carrier) -> None:
    carrier.refuses(SERVICE_TYPE, valid_s=10)
    carrier.refuses(SERVICE_TYPE, valid_s=100)
    carrier.objections.expire(NOW + dt.timedelta(seconds=10))
    assert [number for number, _ in carrier.told.final] == [1]
    carrier.objections.give_back()
    assert [number for number, _ in carrier.told.back] == [2]
