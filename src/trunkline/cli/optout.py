"""`trunkline optout`: who wants no messages; listed, changed, imported, exported."""

from __future__ import annotations

import datetime as dt
import json
import sys
from pathlib import Path
from typing import Any

import click

from trunkline.admin import optouts as desk
from trunkline.admin.optouts import Imported
from trunkline.cli.database import actor, with_connection
from trunkline.cli.failures import DATA, Failed
from trunkline.cli.options import DATABASE, settings_options
from trunkline.cli.progress import decoded, progress
from trunkline.runtime.settings import Settings
from trunkline.store.audit import Entry
from trunkline.store.db import Connection

_PLAN = click.option("--plan", metavar="NAME|ID", required=True, help="The plan whose messages it is about.")
_ANY_PLAN = click.option("--plan", metavar="NAME|ID", help="Only this plan's.  [all]")
_SENDER = click.option("--sender", metavar="ADDRESS", help="Only messages from this sender.  [all of the plan]")
_WHY = click.option("--why", metavar="TEXT", required=True, help="The reason, for the audit.")


@click.group()
def optout() -> None:
    """Say who wants no messages: list, add, remove, import, export."""


@optout.command("list")
@click.argument("number", required=False)
@_ANY_PLAN
@click.option("--sender", metavar="ADDRESS", help="Only those of this sender.")
@click.option("--history", is_flag=True, help="Show who changed what about NUMBER, the newest first.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="Show them as JSON.")
@settings_options(*DATABASE)
def list_(
    settings: Settings,
    number: str | None,
    plan: str | None,
    sender: str | None,
    history: bool,
    limit: int,
    as_json: bool,
) -> None:
    """Show opt-outs, of NUMBER or all.

    \b
    trunkline optout list --plan shop
    trunkline optout list +15550001111 --history
    """
    if history and number is None:
        raise click.UsageError("--history is about one NUMBER")

    async def work(conn: Connection) -> list[dict[str, Any]]:
        if history:
            assert number is not None
            return [_change(entry) for entry in await desk.history(conn, number, limit)]
        return await desk.listed(conn, plan, number, sender, limit)

    found = with_connection(settings, work, create=False)
    if as_json:
        click.echo(json.dumps(found, indent=2, default=str))
        return
    for row in found:
        click.echo(_changed(row) if history else _listed(row))
    if not found:
        click.echo("none")


@optout.command()
@click.argument("numbers", metavar="NUMBER...", nargs=-1, required=True)
@_PLAN
@_SENDER
@_WHY
@settings_options(*DATABASE)
def add(settings: Settings, numbers: tuple[str, ...], plan: str, sender: str | None, why: str) -> None:
    """Send no more messages of a plan to NUMBER. What waits in the queue ends FAILED 605.

    \b
    trunkline optout add +15550001111 --plan shop --why "asked on the phone"
    """

    async def work(conn: Connection) -> int:
        return await desk.opt_out(conn, plan, numbers, sender, why, actor=actor(settings))

    count = with_connection(settings, work, create=False)
    click.echo(f"{count} opted out" + _before(len(set(numbers)) - count))


@optout.command()
@click.argument("numbers", metavar="NUMBER...", nargs=-1, required=True)
@_PLAN
@click.option("--sender", metavar="ADDRESS", help="Only the opt-out of this sender.  [all of the plan]")
@_WHY
@settings_options(*DATABASE)
def remove(settings: Settings, numbers: tuple[str, ...], plan: str, sender: str | None, why: str) -> None:
    """Send messages of a plan to NUMBER again: only where he asked for it.

    \b
    trunkline optout remove +15550001111 --plan shop --why "signed up again, form 4711"
    """

    async def work(conn: Connection) -> int:
        return await desk.opt_in(conn, plan, numbers, sender, why, actor=actor(settings))

    click.echo(f"{with_connection(settings, work, create=False)} removed")


@optout.command("import", epilog="docs/opt-out.md says what FILE may hold.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--plan", metavar="NAME|ID", help="The plan of lines that name none.")
@click.option("--sender", metavar="ADDRESS", help="The sender, where the file has no such column.  [all of the plan]")
@click.option("--why", metavar="TEXT", help="The reason of lines that give none.  [import of FILE]")
@click.option("--skip-bad", is_flag=True, help="Leave out the lines with mistakes, and import the others.")
@settings_options(*DATABASE)
def import_(
    settings: Settings, file: Path, plan: str | None, sender: str | None, why: str | None, skip_bad: bool
) -> None:
    """Add the opt-outs of a CSV file to those that are there.

    Lines with mistakes are listed (the first 20), and then nothing is changed. Large files are stored in steps; an
    import that was interrupted is simply done again.

    \b
    trunkline optout import optouts.csv --plan shop
    """
    with file.open("rb") as opened, progress(opened) as (advanced, stored):

        async def work(conn: Connection) -> Imported:
            return await desk.import_opt_outs(
                conn,
                decoded(opened, advanced),
                name=file.name,
                plan=plan,
                sender=sender,
                why=why or f"import of {file.name}",
                skip_bad=skip_bad,
                actor=actor(settings),
                stored=stored,
            )

        try:
            imported = with_connection(settings, work, create=False)
        except UnicodeDecodeError:
            raise Failed(DATA, f"{file} is not UTF-8: nothing was changed") from None
    for line in imported.skipped:
        click.echo(line, err=True)
    left_out = f", {imported.skipped_count} lines left out" if imported.skipped_count else ""
    click.echo(f"{imported.new_count} opted out{_before(imported.line_count - imported.new_count)}{left_out}")


@optout.command()
@_ANY_PLAN
@settings_options(*DATABASE)
def export(settings: Settings, plan: str | None) -> None:
    """Write opt-outs to standard output, as `import` takes them.

    \b
    trunkline optout export --plan shop > optouts.csv
    """

    async def work(conn: Connection) -> None:
        await desk.export(conn, plan, sys.stdout.buffer)

    with_connection(settings, work, create=False)


def _before(count: int) -> str:
    return f", {count} were so before" if count else ""


def _listed(row: dict[str, Any]) -> str:
    sender = row["sender"] or "all senders"
    since = _time(row["since"])
    return f"{row['recipient']:16}  {json.dumps(row['plan'])}  {sender}  since {since} by {row['source']}: {row['why']}"


def _change(entry: Entry) -> dict[str, Any]:
    return {"at": entry.at, "actor": entry.actor, "action": entry.action.partition(".")[2], **entry.detail}


def _changed(row: dict[str, Any]) -> str:
    line = (
        f"{_time(row['at'])}  {row['action']} by {row['actor']}  plan {row['plan']}  {row['sender'] or 'all senders'}"
    )
    return line + (f": {row['why']}" if row.get("why") else "")


def _time(at: dt.datetime) -> str:
    return f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S}"
