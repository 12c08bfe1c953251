"""Opt-outs as operators change them: one by one, or from a file that others keep."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple

from trunkline.admin.lines import SHOWN, BadLines, Wrong, read_lines, time_of
from trunkline.admin.tokens import Refused, one_called
from trunkline.contract.send import SENDER
from trunkline.domain.consent import ALL_SENDERS
from trunkline.domain.provisioning import PlanId
from trunkline.store import audit, optouts, provisioning
from trunkline.store.db import Connection
from trunkline.store.optouts import Change, IncomingOptOut

COLUMNS = ("plan", "recipient", "sender", "since", "why")
_RECIPIENT = re.compile(r"\+?([1-9][0-9]{6,14})").fullmatch
_WHY_LIMIT = 200


class Imported(NamedTuple):
    """How many opt-outs are new, how many lines there were; `skipped` are the first that were left out, with why."""

    new_count: int
    line_count: int
    skipped: list[str]
    skipped_count: int


async def opt_out(
    conn: Connection, plan: str, recipients: Sequence[str], sender: str | None, why: str, *, actor: str
) -> int:
    """Opts numbers out of messages from a sender of the plan, or from all; returns how many are new. Raises Refused."""
    plan_id = PlanId(one_called("plan", plan, await provisioning.rows(conn, "plan")))
    where = ALL_SENDERS if sender is None else _sender(sender)
    changes = [Change(plan_id, number_of(one), where, None, _why(why)) for one in recipients]
    return len(await optouts.add(conn, changes, actor=actor, source="operator"))


async def opt_in(
    conn: Connection, plan: str, recipients: Sequence[str], sender: str | None, why: str, *, actor: str
) -> int:
    """Takes the opt-outs of numbers back, that of one sender or all of the plan; returns how many. Raises Refused."""
    plan_id = PlanId(one_called("plan", plan, await provisioning.rows(conn, "plan")))
    changes = [Change(plan_id, number_of(one), sender, None, _why(why)) for one in recipients]
    return len(await optouts.remove(conn, changes, actor=actor))


async def listed(
    conn: Connection, plan: str | None, recipient: str | None, sender: str | None, most: int
) -> list[dict[str, Any]]:
    """Opt-outs of a plan, or of all. Raises Refused."""
    number = None if recipient is None else number_of(recipient)
    return await optouts.listed(conn, await _plans(conn, plan), number, sender, most)


async def history(conn: Connection, recipient: str, most: int) -> list[audit.Entry]:
    """What was changed about a recipient, the newest first. Raises Refused."""
    return await audit.entries(conn, f"recipient {number_of(recipient)}", limit=most)


async def export(conn: Connection, plan: str | None, file: BinaryIO) -> None:
    """Writes the opt-outs of a plan, or of all, as `import_opt_outs` reads them. Raises Refused."""
    await optouts.export(conn, await _plans(conn, plan), file)


async def import_opt_outs(
    conn: Connection,
    lines: Iterable[str],
    *,
    name: str,
    plan: str | None,
    sender: str | None,
    why: str,
    skip_bad: bool,
    actor: str,
    stored: Callable[[int | None, int | None], None] = lambda done, total: None,
) -> Imported:
    """Adds what a CSV file, called `name`, has: nothing where a line is wrong, unless `skip_bad`.

    `plan` and `sender` are those of lines that name none. Stored in steps, and again is safe. Raises Mistaken,
    Refused.
    """
    rows = await provisioning.rows(conn, "plan")
    if plan is not None:
        one_called("plan", plan, rows)
    given = {"plan": plan or "", "sender": ALL_SENDERS if sender is None else _sender(sender), "why": _why(why)}
    bad, reader = BadLines(name), _Reader(rows, given)
    if not await optouts.receive(conn, reader.read(lines, bad)):
        raise Refused("another import is at work: wait for its end")
    if bad.count and not skip_bad:
        raise bad.mistaken()
    said = {"file": name, "lines": reader.count, "skipped": bad.count, "plan": plan, "sender": sender, "why": why}
    await audit.record(conn, actor, "opt_outs.import_begun", "opt-outs", said)
    stored(0, reader.last_line)
    count = await optouts.take(conn, reader.last_line, lambda line: stored(line, reader.last_line))
    await audit.record(conn, actor, "opt_outs.imported", "opt-outs", {**said, "new": count})
    return Imported(count, reader.count, bad.mistaken().lines[:SHOWN], bad.count)


class _Reader:
    """Reads the lines of a file; counts them."""

    def __init__(self, plans: dict[int, dict[str, Any]], given: Mapping[str, str]) -> None:
        self._plans = plans
        self._given = given
        self._plan_ids: dict[str, PlanId] = {}
        self.count = self.last_line = 0

    def read(self, lines: Iterable[str], bad: BadLines) -> Iterator[IncomingOptOut]:
        """The right ones; the wrong ones go to `bad`. Raises Mistaken for a header that does not say what follows."""
        for found in read_lines(lines, bad, COLUMNS, self._check_header, self._opt_out):
            self.count, self.last_line = self.count + 1, found.line
            yield found

    def _check_header(self, names: list[str], bad: BadLines) -> None:
        if "recipient" not in names:
            bad.add(1, "a column `recipient` has to be there")
        if "plan" not in names and not self._given["plan"]:
            bad.add(1, "a column `plan` has to be there, or `--plan` says which it is for all lines")

    def _opt_out(self, line: int, fields: Mapping[str, str], _: str) -> IncomingOptOut:
        """Raises Wrong."""
        given, fields = self._given, {name: value.strip() for name, value in fields.items()}
        try:
            number = number_of(fields["recipient"])
            sender = fields.get("sender", given["sender"])
            if sender != ALL_SENDERS and sender != given["sender"]:
                _sender(sender)
            return IncomingOptOut(
                line, self._plan_id(fields.get("plan") or given["plan"]), number, sender,
                time_of("since", fields.get("since", "")), _why(fields.get("why") or given["why"]),
            )  # fmt: skip
        except Refused as refused:
            raise Wrong(str(refused)) from None

    def _plan_id(self, called: str) -> PlanId:
        known = self._plan_ids.get(called)
        if known is None:
            known = self._plan_ids[called] = PlanId(one_called("plan", called, self._plans))
        return known


def number_of(text: str) -> str:
    """A recipient as it is stored. Raises Refused."""
    found = _RECIPIENT(text)
    if found is None:
        raise Refused("a recipient must be 7 to 15 digits of E.164, with the country code and no 0 before it")
    return "+" + found[1]


def _sender(text: str) -> str:
    if not SENDER(text):
        raise Refused("a sender must be a short code, a number with +, or up to 11 letters and digits")
    return text


def _why(text: str) -> str:
    if not text or len(text) > _WHY_LIMIT or not text.isprintable():
        raise Refused(f"the reason must be 1 to {_WHY_LIMIT} printable characters")
    return text


async def _plans(conn: Connection, plan: str | None) -> list[PlanId]:
    rows = await provisioning.rows(conn, "plan")
    return [PlanId(key) for key in rows] if plan is None else [PlanId(one_called("plan", plan, rows))]
