"""`trunkline guard stops` and `open`: what the guard has stopped, and letting it go."""

from __future__ import annotations

import json
from typing import Any

import click

from trunkline.cli.database import actor, with_connection
from trunkline.cli.failures import DATA, Failed
from trunkline.cli.options import DATABASE, settings_options
from trunkline.domain.guard import CODES, Rule, shown
from trunkline.domain.provisioning import PlanId
from trunkline.runtime.settings import Settings
from trunkline.store import admission, audit, provisioning
from trunkline.store.db import Connection


@click.group()
def guard() -> None:
    """Artificial traffic: what was stopped, and let it go again."""


@guard.command()
@click.option("--limit", default=100, show_default=True, help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="Show it as JSON.")
@settings_options(*DATABASE)
def stops(settings: Settings, limit: int, as_json: bool) -> None:
    """Show what the guard stops now, the newest first: plan, rule, numbers, how many messages.

    \b
    trunkline guard stops
    """

    async def work(conn: Connection) -> list[dict[str, Any]]:
        return await admission.stops(conn, limit)

    found = [
        {
            "plan": row["name"],
            "code": str(CODES[Rule(row["rule"])]),
            "rule": Rule(row["rule"]).name.lower(),
            "numbers": shown(Rule(row["rule"]), row["key"]),
            "stopped": row["stopped"],
            "passed": row["counted"],
            "since": row["began_at"].isoformat(),
            "last": row["stopped_at"].isoformat(),
        }
        for row in with_connection(settings, work, create=False)
    ]
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for one in found:
        click.echo(
            f"{one['plan']}  {one['code']} {one['rule']}  {one['numbers']}  {one['stopped']} stopped after"
            f" {one['passed']}, the last at {one['last']}"
        )


@guard.command("open")
@click.argument("plan", metavar="PLAN")
@click.argument("numbers", metavar="[NUMBERS]", required=False)
@settings_options(*DATABASE)
def open_(settings: Settings, plan: str, numbers: str | None) -> None:
    """Have the guard of PLAN count anew: everything that it stops, or what `stops` shows as NUMBERS.

    Blocked ranges stay blocked: `trunkline apply` changes those.

    \b
    trunkline guard open otp +88213123xxxx
    """

    async def work(conn: Connection) -> int:
        rows = await provisioning.rows(conn, "plan")
        found = [row_id for row_id, row in rows.items() if plan in (row["name"], row["public_id"])]
        if len(found) != 1:
            raise Failed(DATA, f"{'no plan is' if not found else 'more than one plan is'} called {plan}")
        async with conn.transaction():
            keys = [
                row["key"]
                for row in await admission.stops(conn, 10_000)
                if row["plan_id"] == found[0] and numbers in (None, shown(Rule(row["rule"]), row["key"]))
            ]
            count = await admission.open_windows(conn, PlanId(found[0]), keys)
            if count:
                detail = {"numbers": numbers or "all", "windows": count}
                subject = f"plan {rows[found[0]]['public_id']}"
                await audit.record(conn, actor(settings), "guard.opened", subject, detail)
        return count

    click.echo(f"{with_connection(settings, work, create=False)} windows opened")
