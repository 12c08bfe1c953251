"""What operators see of a carrier, and a paused one tried again, on a real database."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import asyncpg
import pytest
from operator_rig import FILE, Operator

from trunkline.store import carrier_states
from trunkline.store.carrier_states import State

STATE = State(2, 2, 3, None, None, None, None, None)


@pytest.fixture
def operator(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Operator:
    monkeypatch.chdir(tmp_path)
    operator = Operator(database, tmp_path)
    operator.file.write_text(FILE.replace('account = "acme"\n', 'account = "acme"\nweight = 3\nmessages_per_s = 40\n'))
    operator.call("apply", str(operator.file))
    return operator


def told(operator: Operator, state: State, epoch: int = 1) -> int | None:
    async def main() -> int | None:
        conn = await asyncpg.connect(operator.dsn)
        try:
            return await carrier_states.report(conn, 1, epoch, state)
        finally:
            await conn.close()

    return asyncio.run(main())


def held(operator: Operator) -> None:
    operator.execute(
        "INSERT INTO dispatcher (node, pid, lease_until) VALUES ('here', 7, now() + interval '1 hour')",
        "INSERT INTO carrier_lease (carrier_id, epoch) VALUES (1, 1)",
    )


def listed(operator: Operator) -> str:
    code, out, err = operator.call("carrier", "list")
    assert (code, err) == (0, "")
    return out


def test_why_the_rate_is_what_it_is(operator: Operator) -> None:
    assert listed(operator) == "north: no dispatcher holds it\n"
    held(operator)
    assert listed(operator) == "north: dispatcher here, pid 7 has told nothing yet\n"
    told(operator, STATE)
    links = "north: 2 of 2 links up, 3 parts under way (dispatcher here, pid 7); "
    assert listed(operator) == links + "no limit of rate\n"
    told(operator, STATE._replace(rate_per_s=50.0))
    assert listed(operator) == links + "at most 50 parts a second, as the set-up file says\n"
    told(operator, STATE._replace(rate_per_s=19.32, cut_rate=20.44))
    assert listed(operator) == links + "19.3 parts a second: it said that 20.4 are too many\n"
    operator.execute("UPDATE carrier SET rate_per_s = 60")
    assert "19.3 parts a second (at most 60, as the set-up file says): it said" in listed(operator)
    operator.execute("UPDATE carrier SET active = false")
    assert listed(operator) == "north: switched off\n"


def test_who_does_not_hold_the_carrier_tells_nothing(operator: Operator) -> None:
    held(operator)
    assert told(operator, STATE) == 0
    assert told(operator, STATE._replace(links_up=0), epoch=2) is None
    assert "2 of 2 links up" in listed(operator)
    operator.execute("UPDATE carrier_lease SET epoch = 2")  # somebody else does, and has told nothing yet
    assert listed(operator) == "north: no dispatcher holds it\n"


def test_a_pause_is_seen_and_ended(operator: Operator) -> None:
    held(operator)
    told(operator, STATE)
    code, _, err = operator.call("carrier", "resume", "north")
    assert (code, err) == (65, "trunkline: carrier north is not paused\n")
    paused = STATE._replace(pause_s=60.0, paused_status=0x15, paused_field="service_type")
    assert told(operator, paused) == 0
    code, out, _ = operator.call("carrier", "show", "north")
    assert code == 0
    assert " UTC for 0x00000015 ESME_RINVSERTYP, about service_type\n" in out
    assert "`trunkline carrier resume north` tries it at once" in out
    code, out, _ = operator.call("carrier", "resume", "north")
    assert code == 0
    assert told(operator, paused._replace(pause_s=-1.0)) == 1
    code, out, _ = operator.call("carrier", "show", "north")
    assert "being tried again after a pause for 0x00000015 ESME_RINVSERTYP, about service_type" in out
    assert "carrier.retried" in out
    assert operator.call("carrier", "resume", "nroth")[2] == (
        "trunkline: there is no carrier nroth; did you mean north?\n"
    )


def test_what_waits_for_a_carrier(operator: Operator) -> None:
    code, out, err = operator.call("carrier", "show", "north")
    assert (code, err) == (0, "")
    assert "nothing is queued for it" in out
    operator.execute(
        "INSERT INTO mt_queue (carrier_id, plan_id, priority, msg_id, missing, parts, expires_at)"
        " SELECT 1, plan, priority, (substr(msg_id_floor(trunkline_now() - interval '3 hours')::text, 1, 24)"
        " || lpad(n::text, 12, '0'))::uuid, 1, 1, now() FROM (VALUES (1, 5, 3), (1, 0, 2), (9, 0, 1))"
        " AS lane(plan, priority, held), generate_series(1, held) AS n",
        "INSERT INTO mt_later (plan_id, msg_id, due_at, carrier_id, priority, missing, parts, expires_at)"
        " VALUES (1, gen_random_uuid(), now(), 1, 0, 1, 1, now())",
    )
    lines = operator.call("carrier", "show", "north")[1].splitlines()
    table = [line.split() for line in lines if line.startswith("     ")]
    plan_id = json.loads(operator.call("carrier", "show", "north", "--json")[1])["lanes"][0]["plan"].split()[1]
    assert table == [
        ["5", "3", "40", "3", "3.0", "h", "otp", plan_id],
        ["0", "1", "-", "1", "3.0", "h", "gone"],
        ["0", "3", "40", "2", "3.0", "h", "otp", plan_id],
    ]
    assert "1 wait for a time of their own" in lines
