"""The invariants, checked over the recorders' lines: sets and counts, nothing else.

    python -m rig.verify FOLDER [name=value …]

reads client*.jsonl, smsc.jsonl, sink.jsonl and db.jsonl of a folder, prints every invariant with its counts, and exits
with 1 if one is broken. `name=value` are the fields of `Expected`.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import msgspec

Line = dict[str, Any]

QUEUED, SENT, DELIVERED, FAILED, UNKNOWN = None, 1, 2, 3, 4
_FINAL = {DELIVERED: "DELIVERED", FAILED: "FAILED", UNKNOWN: "UNKNOWN"}
# Final codes of messages that need never have reached the carrier.
_UNSENT_CODES = {304, *range(450, 470), *range(600, 700), 702, 901, 902, 903, 904}
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Ledgers:
    """The lines of the four recorders."""

    client: list[Line]
    smsc: list[Line]
    sink: list[Line]
    db: list[Line]

    def rows(self, table: str) -> list[Line]:
        return [line for line in self.db if line["k"] == table]


@dataclass(frozen=True, slots=True)
class Expected:
    """What the run was, as far as an invariant depends on it."""

    at_least_once: bool = False
    window: int = 10
    links: int = 1
    crashes: int = 0  # of dispatchers, or losses of all links
    hook_crashes: int = 0  # of webhook workers
    hooks_in_flight: int = 64
    responses_lost: bool = False  # some submit_sm_resp cannot have arrived
    bogus_ids: int = 900_000_000_000  # ids from here on were given to nobody


@dataclass(slots=True)
class Finding:
    """One invariant: how much was looked at, and what broke it."""

    name: str
    says: str
    counts: dict[str, int] = field(default_factory=dict)
    breaches: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        counts = " ".join(f"{name}={count}" for name, count in self.counts.items())
        shown = "".join(f"\n      {breach}" for breach in self.breaches[:_SHOWN])
        more = f"\n      … {len(self.breaches)} in all" if len(self.breaches) > _SHOWN else ""
        return f"{'BROKEN' if self.breaches else 'ok    '} {self.name:3} {self.says}: {counts}{shown}{more}"


class _Run:
    """The ledgers joined: requests, messages and what the carrier saw, by the name in the message text."""

    def __init__(self, ledgers: Ledgers, expected: Expected) -> None:
        self.expected = expected
        self.ledgers = ledgers
        self.accepted = {line["msgId"]: line["reqId"] for line in ledgers.client if line["answer"] == 202}
        self.doubtful = {
            line["reqId"] for line in ledgers.client if line["answer"] is None or line["code"] == "outcome_unknown"
        }
        self.messages: dict[str, Line] = {row["msg_id"]: row for row in ledgers.rows("msg")}
        self.name_of = {msg_id: row["body"].split(" ", 1)[0] for msg_id, row in self.messages.items()}
        self.name_to = {row["recipient"].lstrip("+"): self.name_of[msg_id] for msg_id, row in self.messages.items()}
        # S: what the carrier took, or may have.
        self.submits: Counter[tuple[str, int]] = Counter(
            (line["ref"] or self.name_to.get(line["to"], "?"), line["part"])
            for line in ledgers.smsc
            if line["k"] == "submit" and line["answer"] in (0, None)
        )
        self.receipts = {line["rid"]: line for line in ledgers.smsc if line["k"] == "receipt"}
        self.hooks: dict[str, list[Line]] = defaultdict(list)
        for line in ledgers.sink:
            if line["k"] == "hook":
                self.hooks[line["msgId"]].append(line)


def verify(ledgers: Ledgers, expected: Expected = Expected()) -> dict[str, Finding]:
    """Every invariant's finding, by name."""
    run = _Run(ledgers, expected)
    return {finding.name: finding for finding in (check(run) for check in _CHECKS)}


def _accepted_is_stored(run: _Run) -> Finding:
    found = Finding("I1", "what was answered 202 is stored")
    found.counts = {"accepted": len(run.accepted), "stored": len(run.messages)}
    for msg_id, name in run.accepted.items():
        if msg_id not in run.messages:
            found.breaches.append(f"{name} {msg_id} is lost")
        elif run.name_of[msg_id] != name:
            found.breaches.append(f"{name} {msg_id} holds the text of {run.name_of[msg_id]}")
    return found


def _one_final_state(run: _Run) -> Finding:
    found = Finding("I2", "each message ends in one final state, by allowed moves")
    states = Counter(_FINAL.get(row["status"], "open") for row in run.messages.values())
    found.counts = dict(sorted(states.items()))
    told: dict[str, set[str]] = defaultdict(set)
    for receipt in run.receipts.values():
        told[receipt["to"]].add(receipt["stat"])
    for msg_id, row in run.messages.items():
        name = run.name_of[msg_id]
        if row["status"] not in _FINAL:
            found.breaches.append(f"{name} {msg_id} is not final")
        if row["late"] and row["status"] == UNKNOWN:
            found.breaches.append(f"{name} was corrected to UNKNOWN")
        if row["status"] == DELIVERED and "DELIVRD" not in told[row["recipient"].lstrip("+")]:
            found.breaches.append(f"{name} is DELIVERED, and no receipt says so")
        _check_history(found, name, row, run.hooks.get(msg_id, []))
    return found


def _check_history(found: Finding, name: str, row: Line, hooks: list[Line]) -> None:
    by_n: dict[int, set[str]] = defaultdict(set)
    for hook in hooks:
        by_n[hook["n"]].add(hook["status"])
    for n, statuses in by_n.items():
        if len(statuses) > 1:
            found.breaches.append(f"{name} event {n} told {sorted(statuses)}")
    if 2 in by_n and 3 in by_n and by_n[2] != {"UNKNOWN"}:
        found.breaches.append(f"{name} was told {sorted(by_n[2])} and then corrected")
    if by_n.get(3, set()) - {"DELIVERED", "FAILED"} or (3 in by_n and not row["late"]):
        found.breaches.append(f"{name} was corrected to {sorted(by_n[3])}, late={row['late']}")


def _stored_was_asked(run: _Run) -> Finding:
    found = Finding("I3", "what is stored without a 202 has no definite answer")
    extra = run.messages.keys() - run.accepted.keys()
    found.counts = {"stored_unanswered": len(extra), "without_answer": len(run.doubtful)}
    found.breaches = [
        f"{run.name_of[msg_id]} {msg_id} was refused and is stored"
        for msg_id in sorted(extra)
        if run.name_of[msg_id] not in run.doubtful
    ]
    rows = Counter(run.name_of.values())
    found.breaches += [f"{name} is stored {count} times" for name, count in rows.items() if count > 1]
    return found


def _accepted_is_submitted(run: _Run) -> Finding:
    found = Finding("I4", "each accepted message reached the carrier, or ended with a code that allows it not to")
    reached = {name for name, _ in run.submits}
    missing = [msg_id for msg_id, name in run.accepted.items() if name not in reached and msg_id in run.messages]
    found.counts = {"reached": len(reached), "not": len(missing)}
    for msg_id in missing:
        row = run.messages[msg_id]
        if row["error_code"] not in _UNSENT_CODES:
            found.breaches.append(f"{run.name_of[msg_id]} never submitted, ended {row['status']} {row['error_code']}")
    return found


def _duplicates(run: _Run) -> Finding:
    expected = run.expected
    allowed = 2 * expected.window * expected.links * expected.crashes if expected.at_least_once else 0
    found = Finding("I5", "nothing is submitted twice without saying so")
    doubles = {key: count for key, count in run.submits.items() if count > 1}
    count = sum(n - 1 for n in doubles.values())
    found.counts = {"submitted": sum(run.submits.values()), "doubles": count, "allowed": allowed}
    if count > allowed:
        found.breaches.append(f"{count} doubles, for instance {sorted(doubles)[:_SHOWN]}")
    flagged = {run.name_of[msg_id] for msg_id, row in run.messages.items() if row["resubmitted"]}
    found.breaches += [f"{name} part {part} twice, not flagged" for name, part in doubles if name not in flagged]
    return found


def _receipts_kept(run: _Run) -> Finding:
    found = Finding("I6", "each receipt answered OK is stored")
    taken = {line["rid"] for line in run.ledgers.smsc if line["k"] == "answered" and line["status"] == 0}
    stored: set[tuple[str, str]] = set()
    for row in run.ledgers.rows("receipt"):
        stored.add((row["canonical_id"], (row["recipient"] or "").lstrip("+")))
    for row in run.ledgers.rows("parked"):
        stored |= {(row["canonical_id"], row[end].lstrip("+")) for end in ("source", "destination")}
    found.counts = {"answered_ok": len(taken), "made": len(run.receipts), "stored": len(stored)}
    for rid in sorted(taken):
        receipt = run.receipts[rid]
        if (_decimal(receipt["id"]), receipt["to"].lstrip("+")) not in stored:
            found.breaches.append(f"receipt {rid} id {receipt['id']} was answered OK and is not stored")
    return found


def _decimal(shown: str) -> str:
    return shown if shown.isdecimal() else str(int(shown, 16))


def _unmatched(run: _Run) -> Finding:
    found = Finding("I7", "receipts without a message are those of ids that never reached us")
    unmatched = {row["canonical_id"] for row in run.ledgers.rows("parked")}
    unmatched |= {row["canonical_id"] for row in run.ledgers.rows("receipt") if row["msg_id"] is None}
    known = {row["canonical_id"] for row in run.ledgers.rows("ref")}
    bogus = {i for i in unmatched if int(i) >= run.expected.bogus_ids}
    sent = {_decimal(r["id"]) for r in run.receipts.values() if int(_decimal(r["id"])) >= run.expected.bogus_ids}
    answered = {line["id"] for line in run.ledgers.smsc if line["k"] == "submit" and line["answer"] == 0}
    found.counts = {"unmatched": len(unmatched), "bogus": len(bogus)}
    found.breaches = [f"{i} is unmatched, and a part has this id" for i in sorted(unmatched & known)]
    found.breaches += [f"{i} was never given out and found a message" for i in sorted(sent - unmatched)]
    if not run.expected.responses_lost:
        found.breaches += [f"{i} was answered and is unmatched" for i in sorted(unmatched & answered)]
    return found


def _final_is_told(run: _Run) -> Finding:
    found = Finding("I8", "each final state was acknowledged, or is a dead letter")
    dead = {row["msg_id"] for row in run.ledgers.rows("hook_dead")}
    acknowledged = {
        msg_id for msg_id, hooks in run.hooks.items() if any(_is_ok(hook) and hook["n"] >= 2 for hook in hooks)
    }
    found.counts = {"acknowledged": len(acknowledged), "dead": len(dead)}
    for msg_id, row in run.messages.items():
        if row["callback_url"] and row["status"] in _FINAL and msg_id not in acknowledged | dead:
            found.breaches.append(f"{run.name_of[msg_id]} {msg_id} {_FINAL[row['status']]} was not told")
        last = max((hook for hook in run.hooks.get(msg_id, ()) if _is_ok(hook)), key=lambda h: h["n"], default=None)
        if last is not None and row["status"] in _FINAL and last["status"] != _FINAL[row["status"]]:
            found.breaches.append(f"{run.name_of[msg_id]} was told {last['status']} last, is {_FINAL[row['status']]}")
    return found


def _is_ok(hook: Line) -> bool:
    return hook["answer"] is not None and 200 <= hook["answer"] < 300


def _repeats(run: _Run) -> Finding:
    found = Finding("I9", "an event is told again only after a failure or a crash, the same, and signed")
    allowed = run.expected.hook_crashes * run.expected.hooks_in_flight
    repeats = 0
    attempts = 0
    for hooks in run.hooks.values():
        acknowledged: set[str] = set()
        digests: dict[str, str] = {}
        for hook in hooks:
            attempts += 1
            if hook["id"] in acknowledged:
                repeats += 1
            if _is_ok(hook):
                acknowledged.add(hook["id"])
            if digests.setdefault(hook["id"], hook["digest"]) != hook["digest"]:
                found.breaches.append(f"{hook['id']} came with another body")
            if not hook["signed"]:
                found.breaches.append(f"{hook['id']} is not signed right")
    found.counts = {"attempts": attempts, "after_ok": repeats, "allowed": allowed}
    if repeats > allowed:
        found.breaches.append(f"{repeats} repeats of acknowledged events")
    return found


def _never_back(run: _Run) -> Finding:
    found = Finding("I10", "no event of a message comes after a later one was acknowledged")
    found.counts = {"messages": len(run.hooks)}
    for msg_id, hooks in run.hooks.items():
        highest = -1
        for hook in hooks:
            if hook["n"] < highest:
                found.breaches.append(f"{msg_id} event {hook['n']} after {highest}")
            if _is_ok(hook):
                highest = max(highest, hook["n"])
    return found


def _money(run: _Run) -> Finding:
    found = Finding("I11", "what is charged is the price of each accepted part, once, and balances agree")
    charges = run.ledgers.rows("charge")
    reserves = {row["msg_id"]: row for row in run.ledgers.rows("reserve")}
    found.counts = {"charges": len(charges), "micro": sum(map(_cost, charges)), "reserves": len(reserves)}
    taken = {(row["msg_id"], row["part_no"]) for row in run.ledgers.rows("ref")}
    charged: Counter[tuple[str, int]] = Counter((row["msg_id"], row["part_no"]) for row in charges)
    by_message: Counter[str] = Counter()
    for row in charges:
        message = run.messages.get(row["msg_id"])
        name = run.name_of.get(row["msg_id"], row["msg_id"])
        by_message[row["msg_id"]] += _cost(row)
        if message is None or any(row[key] != message.get(key) for key in ("price_micro", "ptf_micro", "currency")):
            found.breaches.append(f"{name} part {row['part_no']} was charged another price than it has")
    for (msg_id, part_no), count in charged.items():
        if count > 1:
            found.breaches.append(f"{run.name_of.get(msg_id)} part {part_no} was charged {count} times")
        if (msg_id, part_no) not in taken:
            found.breaches.append(f"{run.name_of.get(msg_id)} part {part_no} was charged and never accepted")
    for msg_id, part_no in sorted(taken - charged.keys()):
        if run.messages.get(msg_id, {}).get("currency") is not None:
            found.breaches.append(f"{run.name_of[msg_id]} part {part_no} was accepted and not charged")
    for msg_id in reserves:
        message = run.messages.get(msg_id)
        if message is None or (message["status"] in (DELIVERED, FAILED) and not message["resubmitted"]):
            found.breaches.append(f"{run.name_of.get(msg_id)} is over and still holds money")
    for row in run.ledgers.rows("balance"):
        purse = (row["kind"], row["subject_id"])
        spent = sum(_cost(one) for one in charges if (one["kind"], one["subject_id"]) == purse)
        held = sum(
            one["held_micro"] - by_message[msg_id]
            for msg_id, one in reserves.items()
            if (one["kind"], one["subject_id"]) == purse
        )
        if row["left_micro"] < 0 or row["added_micro"] != row["left_micro"] + spent + held:
            found.breaches.append(
                f"purse {purse}: {row['added_micro']} added, {row['left_micro']} left, {spent} charged, {held} held"
            )
    return found


def _cost(row: Line) -> int:
    return int(row["price_micro"] + row["ptf_micro"])


_CHECKS: tuple[Callable[[_Run], Finding], ...] = (
    _accepted_is_stored,
    _one_final_state,
    _stored_was_asked,
    _accepted_is_submitted,
    _duplicates,
    _receipts_kept,
    _unmatched,
    _final_is_told,
    _repeats,
    _never_back,
    _money,
)


def _read(files: Iterable[Path]) -> list[Line]:
    return [msgspec.json.decode(line) for file in files for line in file.read_bytes().splitlines()]


def main(arguments: list[str]) -> int:
    folder = Path(arguments[0])
    given = dict(argument.split("=", 1) for argument in arguments[1:])
    kinds = {one.name: bool if "bool" in str(one.type) else int for one in fields(Expected)}
    expected = Expected(**{name: kinds[name](int(value)) for name, value in given.items()})
    ledgers = Ledgers(
        _read(sorted(folder.glob("client*.jsonl"))),
        _read([folder / "smsc.jsonl"]),
        _read([folder / "sink.jsonl"]),
        _read([folder / "db.jsonl"]),
    )
    findings = verify(ledgers, expected)
    for finding in findings.values():
        print(finding)
    return 1 if any(finding.breaches for finding in findings.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
