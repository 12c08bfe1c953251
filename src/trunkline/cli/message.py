"""`trunkline message`: what happened to one message, why, and what will happen next; and an end to one that waits."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import click

from trunkline.cli.database import actor, with_connection
from trunkline.cli.failures import REFUSED, Failed
from trunkline.cli.options import DATABASE, settings_options
from trunkline.cli.route import by_route
from trunkline.domain.errors import error_message
from trunkline.domain.status import Status
from trunkline.runtime.log import masked, without_numbers
from trunkline.runtime.settings import Settings
from trunkline.settle.withdraw import withdraw
from trunkline.store import audit
from trunkline.store.db import Connection
from trunkline.store.timeline import Event, Timeline, Waiting, timeline

# Attempts of which no byte went out; they say where the message goes instead.
_MOVED = ("not_sent", "diverted")
_HOOKS = {0: "inbound message", 1: "SENT", 2: "final state", 3: "correction"}


@click.group()
def message() -> None:
    """Look into messages; cancel one."""


@message.command()
@click.argument("msg_id", metavar="ID", type=click.UUID)
@click.option("--text", "with_text", is_flag=True, help="Show the text and whole numbers as well.")
@click.option("--json", "as_json", is_flag=True, help="Show everything as JSON.")
@settings_options(*DATABASE)
def show(settings: Settings, msg_id: UUID, with_text: bool, as_json: bool) -> None:
    """Show what happened to the message ID, and what happens next. Reads the database.

    \b
    trunkline message show 01938c2e-7b1a-7c3d-9f00-0123456789ab
    """

    async def work(conn: Connection) -> Timeline | None:
        return await timeline(conn, msg_id)

    found = with_connection(settings, work, create=False)
    if found is None:
        raise Failed(REFUSED, f"there is no message {msg_id}")
    click.echo(as_document(found, with_text) if as_json else rendered(found, with_text))


@message.command()
@click.argument("msg_id", metavar="ID", type=click.UUID)
@settings_options(*DATABASE)
def cancel(settings: Settings, msg_id: UUID) -> None:
    """Cancel the message ID while it waits in a queue: FAILED 610, and the customer is told.

    \b
    trunkline message cancel 01938c2e-7b1a-7c3d-9f00-0123456789ab
    """

    async def work(conn: Connection) -> bool:
        found = await timeline(conn, msg_id)
        if found is None or found.status is None:
            raise Failed(REFUSED, f"there is no outbound message {msg_id}")
        async with conn.transaction():
            cancelled = await withdraw(conn, found.message["plan_id"], msg_id)
            if cancelled:
                await audit.record(conn, actor(settings), "message.cancelled", f"message {msg_id}", {})
        return cancelled

    if not with_connection(settings, work, create=False):
        raise Failed(REFUSED, f"message {msg_id} is on its way to the carrier, or final")
    click.echo(f"{msg_id} cancelled")


def rendered(found: Timeline, with_text: bool) -> str:
    """The timeline as text, times in UTC."""
    lines = [*_head(found, with_text), ""]
    before: dt.datetime | None = None
    for event in found.events:
        at = event.at.astimezone(dt.UTC)
        day = "" if before is not None and before.date() == at.date() else f"{at:%Y-%m-%d}"
        lines.append(f"{day:10}  {at:%H:%M:%S}.{at.microsecond // 1000:03}  {told(event)}")
        before = at
    if found.waiting:
        lines += ["", "next"]
        lines += [f"  {expected(waiting)}" for waiting in found.waiting]
    return "\n".join(lines)


def _head(found: Timeline, with_text: bool) -> list[str]:
    row = found.message
    show = str if with_text else masked
    sender, recipient = (show(row[name]) if row[name] is not None else "(erased)" for name in ("sender", "recipient"))
    state = found.status.name if found.status is not None else "MO"
    if found.status in (Status.FAILED, Status.UNKNOWN):
        state += f" {_code(row['error_code'])}"
    flags = [name for name in ("resubmitted", "late", "partial") if row.get(name)]
    lines = [
        f"{row['msg_id']}  {', '.join([state, *flags])}",
        f"{sender} → {recipient}  {row.get('country') or ''}".rstrip(),
        f"plan {row['plan_name'] or 'none'} ({row['plan'] or '-'}), account {row['account_name'] or 'none'}",
    ]
    if row.get("client_reference"):
        lines.append(f"reference {_printable(row['client_reference'])}")
    if with_text and row["body"] is not None:
        lines.append(f"text {_printable(row['body'])}")
    return lines


def told(event: Event) -> str:
    """One event in words."""
    row = event.fields
    match event.kind:
        case "accepted":
            return f"accepted, {_count(row['parts'], 'part')}, worth delivering until {_time(row['expires_at'])}"
        case "received":
            return f"received from {_place(row)}, keyword {_printable(row['keyword'] or '')!r}"
        case "claimed":
            moved = row.get("outcome") in _MOVED
            way = "" if moved else by_route(row.get("route"), row.get("routed"))
            return (
                f"claimed for {row['carrier']}{f' {way}' if way else ''}: part {row['part_no']}, try {row['tries'] + 1}"
            )
        case "submitted":
            again = ", again after an unknown outcome" if row["resubmitted"] else ""
            took = (row["sent_at"] - row["claimed_at"]).total_seconds() * 1000
            where = f"part {row['part_no']} of {row['parts']} by {_place(row)} as {_printable(row['canonical_id'])}"
            return f"accepted by the carrier: {where}, {took:.0f} ms{again}"
        case "refused" if row["outcome"] == "opted_out":
            return f"not sent: the recipient opted out, part {row['part_no']}"
        case "refused" if row["outcome"] == "quiet_hours":
            then = f"until {_time(row['next_at'])}" if row["next_at"] else "longer than the message is worth delivering"
            return f"held: quiet hours where the recipient is, {then}, part {row['part_no']}"
        case "refused":
            status = "" if row["command_status"] is None else f" 0x{row['command_status']:08X}"
            then = f"; tried again at {_time(row['next_at'])}" if row["next_at"] else ""
            if row["outcome"] in _MOVED and row["routed"] is not None:
                then = f"; goes to {row['next_carrier'] or row['carrier']} {by_route(row['route'], row['routed'])}"
            return f"{row['outcome'].replace('_', ' ')}{status}: part {row['part_no']} at {_place(row)}{then}"
        case "receipt" | "receipt_parked":
            late = ", not taken up yet" if event.kind == "receipt_parked" else ""
            late = ", which comes after the end and changes nothing" if row.get("conflict") else late
            said = f"{_printable(row['stat'] or '-')} err {_printable(row['err'] or '-')}"
            part = f" for part {row['part_no']}" if row.get("part_no") else ""
            return f"receipt {said}{part} from {_place(row)}: {_outcome(row)}{late}"
        case "part_ended":
            if row["status"] == Status.SENT:
                return f"part {row['part_no']}: its carrier sends no receipt of it"
            how = "at submission" if row["at_submit"] else "by its receipt"
            return f"part {row['part_no']} ended {how}: {_outcome(row)}"
        case "final":
            return f"final: {_outcome(row)}"
        case "answer":
            return f"answers message {row['mo_id']} ({row['does'].upper()})"
        case "replied":
            return f"answered with message {row['reply_id']} ({row['does'].upper()})"
        case "opted" | "opted_out":
            return _opted(event.kind, row)
        case "hook_attempted":
            answer = f"HTTP {row['status']}" if row["status"] else _printable(row["failure"] or "no answer")
            then = f"; again at {_time(row['next_at'])}" if row["next_at"] else ""
            said = f' "{_printable(_excerpt(row["excerpt"]))}"' if row["excerpt"] else ""
            what = f"webhook for {_HOOKS[row['n']]}, attempt {row['tries']}"
            return f"{what}: {answer}{said}, {row['latency_ms']} ms{then}"
        case "hook_dead":
            return f"webhook for {_HOOKS[row['n']]} given up after {_count(row['tries'], 'attempt')}: {row['reason']}"
        case "hook_replayed":
            return f"webhook for {_HOOKS[row['n']]} replayed"
    return event.kind


def _opted(kind: str, row: Mapping[str, Any]) -> str:
    of = row["of_sender"] or "all senders"
    if kind == "opted":
        what = "opted out of" if row["action"] == "opt_out.added" else "opted in again to"
        return f"the sender {what} messages from {of}, plan {row['plan']}"
    by = f"by message {row['mo_id']}" if row["mo_id"] else f"by {row['source']}: {_printable(row['why'])}"
    return f"the recipient opted out of messages from {of}, {by}"


def expected(waiting: Waiting) -> str:
    """One thing that will happen, in words."""
    row = waiting.fields
    match waiting.kind:
        case "queue":
            return (
                f"waits in the queue of {row['carrier']} (priority {row['priority']}), until {_time(row['expires_at'])}"
            )
        case "later":
            return f"goes into the queue of {row['carrier']} at {_time(waiting.at)}"
        case "window":
            holder = f"dispatcher {row['epoch']} ({row['node'] or 'unknown'}, pid {row['pid'] or '-'})"
            return f"part {row['part_no']} is with {holder}, which waits for the answer of {row['carrier']}"
        case "doubt":
            return f"part {row['part_no']}: outcome unknown ({_code(row['code'])}), decided at {_time(waiting.at)}"
        case "receipt":
            return "waits for the carrier's receipt"
        case "hook":
            when = f"due since {_time(waiting.at)}" if row["is_due"] else f"at {_time(waiting.at)}"
            since = f"; its receiver has failed since {_time(row['failing_since'])}" if row["failing_since"] else ""
            what = f"webhook for {_HOOKS[row['n']]} to {_printable(row['url'])}"
            return f"{what}: attempt {row['tries'] + 1} {when}{since}"
    return waiting.kind


def as_document(found: Timeline, with_text: bool) -> str:
    """The timeline as JSON, columns by their names."""
    document = {
        "message": _shown(found.message, with_text),
        "created_at": found.created_at,
        "status": found.status.name if found.status is not None else None,
        "events": [{"at": e.at, "kind": e.kind, **_shown(e.fields, with_text)} for e in found.events],
        "waiting": [{"at": w.at, "kind": w.kind, **_shown(w.fields, with_text)} for w in found.waiting],
    }
    return json.dumps(document, indent=2, default=lambda v: v.isoformat() if isinstance(v, dt.datetime) else str(v))


def _excerpt(answer: bytes) -> str:
    """The first bytes of a receiver's answer; it may repeat what it was told, so numbers are masked."""
    return without_numbers(answer.decode("utf-8", "replace"))


def _shown(fields: Mapping[str, Any], with_text: bool) -> dict[str, Any]:
    if fields.get("excerpt") is not None:
        fields = {**fields, "excerpt": _excerpt(fields["excerpt"])}
    if with_text:
        return dict(fields)
    shown = {name: value for name, value in fields.items() if name not in ("body", "binary_hex", "keyword")}
    return {name: masked(value) if name in ("sender", "recipient") else value for name, value in shown.items()}


def _outcome(row: Mapping[str, Any]) -> str:
    status = Status(row["status"]).name
    return f"{status} {_code(row['error_code'])}" if row["error_code"] else status


def _code(code: int) -> str:
    try:
        return f"{code:03} ({error_message(f'{code:03}')})"
    except KeyError:
        return f"{code:03}"


def _place(row: Mapping[str, Any]) -> str:
    return f"{row['carrier'] or 'a carrier'}/{row['link'] or '-'}"


def _time(at: dt.datetime | None) -> str:
    return "-" if at is None else f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _printable(text: str) -> str:
    """Texts of others, without what could drive a terminal."""
    return "".join(character if character.isprintable() else f"\\u{ord(character):04x}" for character in text)
