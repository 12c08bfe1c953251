"""Every command_status of submit_sm_resp: what is done with the message, and its final code."""

import json
from pathlib import Path

import pytest

from trunkline.carriers.dialect import from_mapping
from trunkline.carriers.refusal import GENERIC_NACK, OTHER, TABLE, Action, meaning
from trunkline.domain.errors import DELIVERY_CODES

ROWS = json.loads((Path(__file__).parents[1] / "corpus/submit_status.json").read_text(encoding="utf-8"))["rows"]


@pytest.mark.parametrize("row", ROWS, ids=[row["command_status"] for row in ROWS])
def test_corpus(row):
    status = int(row["command_status"], 16)
    found = meaning(status)
    assert (found.action, found.final_code) == (row["action"], row["final_code"])
    assert found.alarm is row.get("alarm", False)
    assert found.name == row["name"]


@pytest.mark.parametrize("status", [0x00, 0x03, 0x58, 0xFFFFFFFF])
def test_generic_nack_has_one_meaning(status):
    assert meaning(status, generic_nack=True) is GENERIC_NACK
    assert (GENERIC_NACK.action, GENERIC_NACK.final_code) == (Action.OTHER_BIND_ONCE, "463")
    assert GENERIC_NACK.alarm


def test_waits_before_further_tries():
    assert meaning(0x08).retry_after_s == (30, 120, 600)
    assert meaning(0xFF).retry_after_s == (60,)
    assert all(not entry.retry_after_s for entry in TABLE.values() if entry.action not in ("retry_1", "retry_3"))


def test_final_codes_are_in_the_catalogue():
    assert {entry.final_code for entry in (*TABLE.values(), OTHER)} <= set(DELIVERY_CODES)


def test_a_paused_carriers_alarm_can_name_the_field():
    for entry in TABLE.values():
        assert (entry.field is not None) is (entry.action in (Action.FINAL_OR_PAUSE, Action.WITHOUT_TLVS_ONCE))


def test_own_statuses_of_a_carrier_go_first():
    own = from_mapping({"refusals": {"0x410": {"action": "slow_down", "code": "459"}}}).refusals
    assert (meaning(0x410, own=own).action, meaning(0x410, own=own).final_code) == (Action.SLOW_DOWN, "459")
    assert meaning(0x411, own=own) is OTHER
    assert meaning(0x58, own=own) is TABLE[0x58]
