"""`trunkline webhooks`: dead letters, and URLs that are disabled."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections import Counter
from dataclasses import asdict
from typing import Any
from uuid import UUID

import click

from trunkline.admin import hook_secrets
from trunkline.admin import webhooks as desk
from trunkline.admin.hook_secrets import RotatedSecret
from trunkline.admin.webhooks import WHY, Wanted
from trunkline.cli.database import actor, with_connection
from trunkline.cli.durations import seconds_or_none
from trunkline.cli.failures import REFUSED, Failed
from trunkline.cli.options import DATABASE, settings_options
from trunkline.runtime.secret import secret_key
from trunkline.runtime.settings import Settings
from trunkline.store.db import Connection
from trunkline.store.hooks import DisabledUrl
from trunkline.store.replay import DeadLetter


def _moment(_: click.Context, __: click.Parameter, value: str | None) -> dt.datetime | None:
    """A moment, in UTC where no zone is given."""
    if value is None:
        return None
    try:
        at = dt.datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter("write it as 2026-11-30T08:00 (UTC) or 2026-11-30T08:00+01:00") from None
    return at if at.tzinfo is not None else at.replace(tzinfo=dt.UTC)


def _event(_: click.Context, __: click.Parameter, value: str | None) -> tuple[UUID, int | None] | None:
    """A message, or one event of it, as `webhook-id` spells it."""
    if value is None:
        return None
    match = re.fullmatch(r"([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})(?:-([0-3]))?", value)
    if match is None:
        raise click.BadParameter("write the message's id, or the id and the event's number: a webhook-id")
    return UUID(match[1]), int(match[2]) if match[2] else None


@click.group()
def webhooks() -> None:
    """Dead letters: list and replay them; enable URLs again; change secrets."""


@webhooks.command()
@click.option("--plan", metavar="NAME|ID", help="Only this plan's.  [all]")
@click.option("--since", metavar="TIME", callback=_moment, help="Only those that died since.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="Show them as JSON.")
@settings_options(*DATABASE)
def dead(settings: Settings, plan: str | None, since: dt.datetime | None, limit: int, as_json: bool) -> None:
    """List dead letters, the newest first.

    \b
    trunkline webhooks dead
    trunkline webhooks dead --plan otp --since 2026-11-30T08:00
    """

    async def work(conn: Connection) -> list[DeadLetter]:
        return await desk.dead_letters(conn, plan, since, limit)

    found = with_connection(settings, work, create=False)
    if as_json:
        click.echo(_json(found))
        return
    for one in found:
        tries = f"{one.tries} attempt{'' if one.tries == 1 else 's'}"
        named = f"plan {json.dumps(one.plan_name)}" if one.plan is not None else "no plan"
        click.echo(f"{_time(one.died_at)}  {one.msg_id}-{one.n}  {named}  {tries}  {one.reason}  {json.dumps(one.url)}")


@webhooks.command()
@click.argument("event", metavar="[MSGID[-N]]", required=False, callback=_event)
@click.option("--missing", is_flag=True, help="All dead letters (with --plan: the plan's).")
@click.option("--plan", metavar="NAME|ID", help="Only this plan's.")
@click.option("--from", "since", metavar="TIME", callback=_moment, help="Only of messages accepted since.")
@click.option("--to", "until", metavar="TIME", callback=_moment, help="Only of messages accepted before.")
@click.option(
    "--status",
    type=click.Choice(("dead", "failed")),
    default="dead",
    show_default=True,
    help="Dead letters, or events that failed and wait for their next attempt.",
)
@settings_options(*DATABASE)
def replay(
    settings: Settings,
    event: tuple[UUID, int | None] | None,
    missing: bool,
    plan: str | None,
    since: dt.datetime | None,
    until: dt.datetime | None,
    status: str,
) -> None:
    """Send events again: the same webhook-id and body, a new schedule.

    An event goes to its message's own URL, else to the one that is configured now. One that a later event of its
    message has overtaken is dropped.

    \b
    trunkline webhooks replay 01938c2e-7b1a-7c3d-9f00-0123456789ab-2
    trunkline webhooks replay --plan otp --from 2026-11-30T08:00 --to 2026-11-30T12:00
    trunkline webhooks replay --plan otp --from 2026-11-30T08:00 --status failed
    trunkline webhooks replay --missing
    """
    if event is None and not missing and plan is None and since is None and until is None:
        raise click.UsageError("say which: MSGID, --plan, --from and --to, or --missing for all")
    if missing and (event is not None or since is not None or until is not None or status != "dead"):
        raise click.UsageError("--missing means all dead letters: it goes with --plan alone")
    if event is not None and status != "dead":
        raise click.UsageError("--status failed goes with --plan, --from and --to")
    msg_id, n = event if event is not None else (None, None)
    wanted = Wanted(plan, msg_id, n, since, until)

    async def work(conn: Connection) -> Counter[str]:
        counts: Counter[str] = Counter()
        if status == "failed":
            async for started in desk.replay_failed(conn, wanted, actor=actor(settings)):
                counts["replayed"] += started
            return counts
        async for judged in desk.replay_dead(conn, wanted, actor=actor(settings)):
            for one in judged:
                counts[one.verdict] += 1
                if one.verdict != "replayed":
                    click.echo(f"{one.msg_id}-{one.n} {WHY[one.verdict]}", err=True)
        return counts

    counts = with_connection(settings, work, create=False)
    if event is not None and not counts:
        raise Failed(REFUSED, f"there is no dead letter {msg_id}" + ("" if n is None else f"-{n}"))
    click.echo(f"{counts['replayed']} replayed" + "".join(f", {counts[one]} {one}" for one in WHY if counts[one]))


@webhooks.command()
@click.option("--account", metavar="NAME|ID", help="Only this account's.  [all]")
@click.option("--json", "as_json", is_flag=True, help="Show them as JSON.")
@settings_options(*DATABASE)
def disabled(settings: Settings, account: str | None, as_json: bool) -> None:
    """List configured URLs that are disabled: they answered 410, or only failed for 120 hours.

    \b
    trunkline webhooks disabled
    """

    async def work(conn: Connection) -> list[DisabledUrl]:
        return await desk.disabled_urls(conn, account)

    found = with_connection(settings, work, create=False)
    if as_json:
        click.echo(_json(found))
        return
    for one in found:
        named = f"account {one.account} {json.dumps(one.account_name)}"
        click.echo(f"{_time(one.disabled_at)}  {named}  {one.kind}  {json.dumps(one.url)}  {one.reason}")


@webhooks.command()
@click.argument("account", metavar="ACCOUNT")
@click.option(
    "--kind", type=click.Choice(("dlr", "mo")), help="Only URLs for receipts, or for inbound messages.  [both]"
)
@click.option("--url", metavar="URL", help="Only this one.  [all]")
@settings_options(*DATABASE)
def enable(settings: Settings, account: str, kind: str | None, url: str | None) -> None:
    """Enable disabled URLs of ACCOUNT (name or id) and of its plans. What died stays dead until it is replayed.

    \b
    trunkline webhooks enable acme
    trunkline webhooks enable acme --kind dlr --url https://example.com/receipts
    """

    async def work(conn: Connection) -> list[tuple[str, str]]:
        return await desk.enable(conn, account, kind, url, actor=actor(settings))

    for its_kind, its_url in with_connection(settings, work, create=False):
        click.echo(f"{its_kind} {json.dumps(its_url)} is enabled")


@webhooks.command()
@click.argument("plan", metavar="PLAN")
@click.option(
    "--overlap",
    default="24h",
    show_default=True,
    callback=seconds_or_none,
    help="How long the old secret still signs beside the new one; 0: not.",
)
@settings_options(*DATABASE)
def rotate(settings: Settings, plan: str, overlap: float) -> None:
    """Give PLAN (name or id) a new webhook secret. It goes to standard output, and is shown only now.

    Until the overlap is over webhooks carry two signatures, one by each secret: receivers change in their own time.

    \b
    trunkline webhooks rotate otp
    trunkline webhooks rotate otp --overlap 0        # the old one is known to others: it ends now
    """

    async def work(conn: Connection) -> RotatedSecret:
        return await hook_secrets.rotate(
            conn, plan, secret_key=secret_key(settings), overlap_s=overlap, actor=actor(settings)
        )

    rotated = with_connection(settings, work, create=False)
    old = f"the old one signs too until {_time(rotated.old_ends_at)}" if rotated.old_ends_at else "no other one signs"
    click.echo(f"webhook secret of plan {rotated.plan}, shown only now; {old}:", err=True)
    click.echo(rotated.secret)


def _time(at: dt.datetime) -> str:
    return f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC"


def _json(found: list[Any]) -> str:
    def shown(value: object) -> str:
        return value.isoformat() if isinstance(value, dt.datetime) else str(value)

    return json.dumps([asdict(one) for one in found], indent=2, default=shown)
