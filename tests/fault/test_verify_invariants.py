"""The checker itself: ledgers of a sound run pass, and each planted breach is found, by its own invariant alone."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from rig.verify import Expected, Ledgers, main, verify

CALLBACK = "http://127.0.0.1:1/dlr"


def _request(name: str, msg_id: str | None, answer: int | None = 202, code: str | None = None) -> dict:
    return {"k": "request", "reqId": name, "answer": answer, "code": code, "msgId": msg_id}


def _message(name: str, msg_id: str, to: str, status: int | None = 2, code: int = 0, **more: object) -> dict:
    return {
        "k": "msg", "msg_id": msg_id, "recipient": f"+{to}", "body": f"{name} text", "callback_url": CALLBACK,
        "parts": 1, "status": status, "error_code": code, "resubmitted": False, "late": False, **more,
    }  # fmt: skip


def _submit(name: str, to: str, smsc_id: str, answer: int | None = 0) -> dict:
    return {"k": "submit", "to": to, "ref": name, "part": 1, "parts": 1, "answer": answer, "id": smsc_id}


def _hook(msg_id: str, status: str = "DELIVERED", n: int = 2, answer: int | None = 200, **more: object) -> dict:
    return {
        "k": "hook", "id": f"{msg_id}-{n}", "msgId": msg_id, "n": n, "status": status, "signed": True, "digest": "d",
        "answer": answer, **more,
    }  # fmt: skip


def _sound() -> Ledgers:
    """Three messages delivered, one of them of a request that got no answer; one in doubt that stays UNKNOWN."""
    names = [("r1", "a", "151"), ("r2", "b", "152"), ("r4", "d", "154")]
    client = [_request("r1", "a"), _request("r2", "b"), _request("r3", "c"), _request("r4", None, None)]
    smsc, sink, db = [], [], []
    for number, (name, msg_id, to) in enumerate(names, start=1):
        smsc += [
            _submit(name, to, str(number)),
            {"k": "receipt", "rid": number, "id": str(number), "to": to, "stat": "DELIVRD"},
            {"k": "answered", "rid": number, "status": 0},
        ]
        sink.append(_hook(msg_id))
        db += [
            _message(name, msg_id, to),
            {"k": "ref", "canonical_id": str(number), "recipient": f"+{to}", "msg_id": msg_id, "part_no": 1},
            {"k": "receipt", "canonical_id": str(number), "recipient": f"+{to}", "msg_id": msg_id, "part_no": 1},
        ]
    smsc.append(_submit("r3", "153", "9", None))
    sink.append(_hook("c", "UNKNOWN"))
    db.append(_message("r3", "c", "153", 4, 901))
    return Ledgers(client, smsc, sink, db)


def _broken(found: dict) -> set[str]:
    return {name for name, finding in found.items() if finding.breaches}


def test_a_sound_run_passes() -> None:
    found = verify(_sound())
    assert _broken(found) == set(), [str(finding) for finding in found.values()]
    assert found["I1"].counts == {"accepted": 3, "stored": 4}
    assert found["I5"].counts == {"submitted": 4, "doubles": 0, "allowed": 0}


def _row(ledgers: Ledgers, msg_id: str) -> dict:
    return next(row for row in ledgers.rows("msg") if row["msg_id"] == msg_id)


def _lose_message(x: Ledgers) -> None:
    x.db[:] = [row for row in x.db if row.get("msg_id") != "a" or row["k"] != "msg"]


def _mix_texts(x: Ledgers) -> None:
    x.client[0]["msgId"], x.client[1]["msgId"] = "b", "a"


def _leave_open(x: Ledgers) -> None:
    _row(x, "c").update(status=None, error_code=0)
    x.sink.pop()


def _deliver_unsaid(x: Ledgers) -> None:
    next(line for line in x.smsc if line["k"] == "receipt")["stat"] = "UNDELIV"


def _tell_two_states(x: Ledgers) -> None:
    x.sink.insert(0, _hook("a", "FAILED", answer=500))


def _correct_delivered(x: Ledgers) -> None:
    x.sink.append(_hook("a", "FAILED", n=3, answer=500))


def _store_refused(x: Ledgers) -> None:
    x.client[3].update(answer=503, code="unavailable")


def _store_twice(x: Ledgers) -> None:
    x.db.append(_message("r4", "e", "154"))
    x.sink.append(_hook("e"))


def _never_submit(x: Ledgers) -> None:
    x.smsc[:] = [line for line in x.smsc if line.get("ref") != "r2"]


def _submit_twice(x: Ledgers) -> None:
    x.smsc.append(_submit("r1", "151", "10", None))


def _lose_receipt(x: Ledgers) -> None:
    x.db[:] = [row for row in x.db if row["k"] != "receipt" or row["msg_id"] != "b"]


def _leave_unmatched(x: Ledgers) -> None:
    row = next(row for row in x.db if row["k"] == "receipt" and row["msg_id"] == "b")
    row.update(msg_id=None)


def _match_bogus(x: Ledgers) -> None:
    x.smsc.append({"k": "receipt", "rid": 99, "id": "900000000001", "to": "151", "stat": "DELIVRD"})


def _tell_nobody(x: Ledgers) -> None:
    x.sink[0]["answer"] = 500


def _tell_another_state(x: Ledgers) -> None:
    x.sink[-1]["status"] = "FAILED"


def _repeat(x: Ledgers) -> None:
    x.sink.append(_hook("a"))


def _change_body(x: Ledgers) -> None:
    x.sink.insert(0, _hook("a", answer=500, digest="other"))


def _sign_wrong(x: Ledgers) -> None:
    x.sink[0]["signed"] = False


def _go_back(x: Ledgers) -> None:
    x.sink.append(_hook("a", "SENT", n=1, answer=500))


def _priced() -> Ledgers:
    """The sound run with prices: two parts charged, the one in doubt still held; 100 were there."""
    ledgers = _sound()
    for row in ledgers.rows("msg"):
        row.update(price_micro=7, ptf_micro=1, currency="EUR")
    price = {"price_micro": 7, "ptf_micro": 1, "currency": "EUR", "kind": 0, "subject_id": 1}
    ledgers.db.extend({"k": "charge", "msg_id": row["msg_id"], "part_no": 1, **price} for row in ledgers.rows("ref"))
    ledgers.db.append({"k": "reserve", "msg_id": "c", "kind": 0, "subject_id": 1, "held_micro": 8})
    ledgers.db.append({"k": "balance", "kind": 0, "subject_id": 1, "left_micro": 68, "added_micro": 100})
    return ledgers


def _charge(ledgers: Ledgers) -> dict:
    return ledgers.rows("charge")[0]


def _charge_twice(x: Ledgers) -> None:
    x.db.append(dict(_charge(x)))
    x.rows("balance")[0]["left_micro"] -= 8


def _charge_nothing(x: Ledgers) -> None:
    x.db.remove(_charge(x))
    x.rows("balance")[0]["left_micro"] += 8


def _charge_another_price(x: Ledgers) -> None:
    _charge(x)["price_micro"] += 1
    x.rows("balance")[0]["left_micro"] -= 1


def _charge_in_doubt(x: Ledgers) -> None:
    x.db.append({**_charge(x), "msg_id": "c"})


def _hold_on(x: Ledgers) -> None:
    x.rows("reserve")[0]["msg_id"] = "a"
    x.rows("reserve")[0]["held_micro"] = 16


def _lose_money(x: Ledgers) -> None:
    x.rows("balance")[0]["left_micro"] -= 1


@pytest.mark.parametrize(
    "plant", [_charge_twice, _charge_nothing, _charge_another_price, _charge_in_doubt, _hold_on, _lose_money]
)
def test_a_breach_in_the_books_is_found(plant: Callable[[Ledgers], None]) -> None:
    ledgers = _priced()
    found = verify(ledgers)
    assert _broken(found) == set(), [str(finding) for finding in found.values()]
    assert found["I11"].counts == {"charges": 3, "micro": 24, "reserves": 1}
    plant(ledgers)
    assert _broken(verify(ledgers)) == {"I11"}


@pytest.mark.parametrize(
    ("plant", "invariants"),
    [
        (_lose_message, {"I1"}),
        (_mix_texts, {"I1"}),
        (_leave_open, {"I2"}),
        (_deliver_unsaid, {"I2"}),
        (_tell_two_states, {"I2"}),
        (_correct_delivered, {"I2"}),
        (_store_refused, {"I3"}),
        (_store_twice, {"I3"}),
        (_never_submit, {"I4"}),
        (_submit_twice, {"I5"}),
        (_lose_receipt, {"I6"}),
        (_leave_unmatched, {"I7"}),
        (_match_bogus, {"I7"}),
        (_tell_nobody, {"I8"}),
        (_tell_another_state, {"I8"}),
        (_repeat, {"I9"}),
        (_change_body, {"I9"}),
        (_sign_wrong, {"I9"}),
        (_go_back, {"I10"}),
    ],
)
def test_a_breach_is_found(plant: Callable[[Ledgers], None], invariants: set[str]) -> None:
    ledgers = copy.deepcopy(_sound())
    plant(ledgers)
    assert _broken(verify(ledgers)) == invariants


def test_doubles_of_at_least_once_are_flagged_and_bounded() -> None:
    ledgers = _sound()
    _submit_twice(ledgers)
    once = Expected(at_least_once=True, window=1, links=1, crashes=1)
    assert _broken(verify(ledgers, once)) == {"I5"}  # not flagged
    _row(ledgers, "a")["resubmitted"] = True
    assert _broken(verify(ledgers, once)) == set()
    _submit_twice(ledgers)
    _submit_twice(ledgers)
    assert _broken(verify(ledgers, once)) == {"I5"}  # three doubles, two allowed


def test_repeats_are_allowed_per_crash() -> None:
    ledgers = _sound()
    _repeat(ledgers)
    assert _broken(verify(ledgers, Expected(hook_crashes=1, hooks_in_flight=1))) == set()


def test_a_lost_response_explains_an_unmatched_receipt() -> None:
    ledgers = _sound()
    _leave_unmatched(ledgers)
    ledgers.db[:] = [row for row in ledgers.db if row["k"] != "ref" or row["msg_id"] != "b"]
    assert _broken(verify(ledgers)) == {"I7"}
    assert _broken(verify(ledgers, Expected(responses_lost=True))) == set()


@pytest.mark.parametrize("sound", [True, False])
def test_as_a_script(sound: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledgers = _sound()
    if not sound:
        _lose_message(ledgers)
    files = {"client-0": ledgers.client, "smsc": ledgers.smsc, "sink": ledgers.sink, "db": ledgers.db}
    for name, lines in files.items():
        (tmp_path / f"{name}.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, lines)) + b"\n")
    assert main([str(tmp_path), "window=10", "at_least_once=0"]) == (0 if sound else 1)
    shown = capsys.readouterr().out
    assert ("BROKEN I1" in shown) is not sound
    assert "ok     I10" in shown
