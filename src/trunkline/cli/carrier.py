"""`trunkline carrier`: how fast each carrier is sent to and why, what waits for it, and an end to its pause."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import asdict

import click

from trunkline.admin import carriers as desk
from trunkline.admin.carriers import Whole
from trunkline.carriers.refusal import meaning
from trunkline.cli.database import actor, with_connection
from trunkline.cli.options import DATABASE, settings_options
from trunkline.runtime.settings import Settings
from trunkline.store import carrier_states as store
from trunkline.store.carrier_states import Standing
from trunkline.store.db import Connection


@click.group()
def carrier() -> None:
    """See how carriers are doing: rate, queue, pauses; try a paused one again."""


@carrier.command(name="list")
@settings_options(*DATABASE)
def list_(settings: Settings) -> None:
    """List carriers with the state of their links, their rate and why it is so.

    \b
    trunkline carrier list
    """
    for one in with_connection(settings, store.standings, create=False):
        click.echo(f"{one.name}: {'; '.join(_told(one))}")


@carrier.command()
@click.argument("name", metavar="NAME")
@click.option("--json", "as_json", is_flag=True, help="Show everything as JSON.")
@settings_options(*DATABASE)
def show(settings: Settings, name: str, as_json: bool) -> None:
    """Show the carrier NAME: its rate and why it is so, and what waits for it, by plan.

    \b
    trunkline carrier show north
    """

    async def work(conn: Connection) -> Whole:
        return await desk.whole(conn, name)

    found = with_connection(settings, work, create=False)
    click.echo(_document(found) if as_json else "\n".join(_shown(found)))


@carrier.command()
@click.argument("name", metavar="NAME")
@settings_options(*DATABASE)
def resume(settings: Settings, name: str) -> None:
    """Try the paused carrier NAME again at once: one message, and all of them if it is accepted.

    \b
    trunkline carrier resume north
    """

    async def work(conn: Connection) -> None:
        await desk.retry(conn, name, actor=actor(settings))

    with_connection(settings, work, create=False)
    click.echo(f"{name} is tried again; `trunkline carrier show {name}` tells what came of it")


def _told(one: Standing) -> Iterator[str]:
    """How a carrier is doing, in words."""
    if not one.active:
        yield "switched off"
        return
    if one.node is None:
        yield "no dispatcher holds it"
        return
    holder = f"dispatcher {one.node}, pid {one.pid}"
    if one.links_up is None:
        yield f"{holder} has told nothing yet"
        return
    yield f"{one.links_up} of {one.links} links up, {one.under_way} parts under way ({holder})"
    yield _rate(one)
    if one.paused_until is not None:
        yield _pause(one)


def _rate(one: Standing) -> str:
    if one.rate_per_s is None:
        return "no limit of rate"
    if one.cut_rate is None:
        return f"at most {one.rate_per_s:.0f} parts a second, as the set-up file says"
    limit = "" if one.rate_limit is None else f" (at most {one.rate_limit}, as the set-up file says)"
    return f"{one.rate_per_s:.1f} parts a second{limit}: it said that {one.cut_rate:.1f} are too many"


def _pause(one: Standing) -> str:
    status = one.paused_status or 0
    name = meaning(status).name or "a status of its own"
    what = f"0x{status:08X} {name}, about {one.paused_field}"
    if not one.waits:
        return f"being tried again after a pause for {what}"
    assert one.paused_until is not None
    return f"paused until {one.paused_until.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC for {what}"


def _shown(found: Whole) -> Iterator[str]:
    yield f"carrier {found.standing.name}"
    yield from (f"  {line}" for line in _told(found.standing))
    if found.standing.waits:
        yield f"  `trunkline carrier resume {found.standing.name}` tries it at once"
    yield ""
    if found.lanes:
        rows = [("priority", "weight", "messages/s", "queued", "oldest", "plan")]
        rows += [
            (
                str(lane.priority),
                str(lane.weight),
                "-" if lane.messages_per_s is None else str(lane.messages_per_s),
                str(lane.count),
                _age(lane.oldest_s),
                lane.plan or "gone",
            )
            for lane in found.lanes
        ]
        yield from (
            "  ".join([*(cell.rjust(10) for cell in row[:-1]), row[-1]]) for row in rows
        )  # the name last: it may be long
    else:
        yield "nothing is queued for it"
    if found.later_count:
        yield f"{found.later_count} wait for a time of their own"
    if found.notices:
        yield ""
        for entry in found.notices:
            detail = json.dumps(entry.detail) if entry.detail else ""
            yield f"{entry.at.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S}  {entry.action}  {entry.actor}  {detail}".rstrip()


def _age(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _document(found: Whole) -> str:
    def written(value: object) -> str:
        return value.isoformat() if isinstance(value, dt.datetime) else str(value)

    return json.dumps(asdict(found), indent=2, default=written)
