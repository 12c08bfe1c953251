"""`trunkline usage`: what was charged, by day, plan and country."""

from __future__ import annotations

import csv
import datetime as dt
import json
import sys
from typing import Any

import click

from trunkline.cli.database import with_connection
from trunkline.cli.failures import DATA, Failed
from trunkline.cli.options import DATABASE, settings_options
from trunkline.domain.price import spelled
from trunkline.domain.provisioning import PlanId
from trunkline.runtime.settings import Settings
from trunkline.store import charges, provisioning, queue
from trunkline.store.db import Connection

_COLUMNS = ("day", "account", "account_name", "plan", "plan_name", "currency", "country", "parts", "price", "ptf")


@click.command()
@click.option("--from", "first", metavar="DAY", type=click.DateTime(["%Y-%m-%d"]), help="The first day (UTC).")
@click.option("--to", "last", metavar="DAY", type=click.DateTime(["%Y-%m-%d"]), help="The last day (UTC).")
@click.option("--plan", metavar="PLAN", help="Of one plan, by its name or id.")
@click.option("--csv", "as_csv", is_flag=True, help="Write it as CSV.")
@click.option("--json", "as_json", is_flag=True, help="Write it as JSON.")
@settings_options(*DATABASE)
def usage(
    settings: Settings,
    first: dt.datetime | None,
    last: dt.datetime | None,
    plan: str | None,
    as_csv: bool,
    as_json: bool,
) -> None:
    """Show what was charged, by day, plan and country.

    Parts that carriers accepted, on the day on which that was known. Without days: since the first of the month. A day
    that is over does not change any more.

    \b
    trunkline usage
    trunkline usage --from 2026-11-01 --to 2026-11-30 --csv
    """

    async def work(conn: Connection) -> list[dict[str, Any]]:
        plan_id = None if plan is None else await _plan_id(conn, plan)
        today = (await queue.database_now(conn)).astimezone(dt.UTC).date()
        end = last.date() if last is not None else today
        begin = first.date() if first is not None else end.replace(day=1)
        return await charges.usage(conn, begin, end, plan_id)

    rows = [_spelled(row) for row in with_connection(settings, work, create=False)]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    elif as_csv:
        writer = csv.DictWriter(sys.stdout, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    else:
        for row in rows:
            fee = "" if row["ptf"] == "0" else f" + {row['ptf']} ptf"
            click.echo(
                f"{row['day']}  {row['account_name']}/{row['plan_name']}  {row['country'] or '--'}"
                f"  {row['parts']} parts  {row['price']}{fee} {row['currency']}"
            )


async def _plan_id(conn: Connection, called: str) -> PlanId:
    rows = await provisioning.rows(conn, "plan")
    found = [row_id for row_id, row in rows.items() if called in (row["name"], row["public_id"])]
    if len(found) != 1:
        raise Failed(DATA, f"{'no plan is' if not found else 'more than one plan is'} called {called}")
    return PlanId(found[0])


def _spelled(row: dict[str, Any]) -> dict[str, Any]:
    return {
        **{name: row[name] for name in _COLUMNS if name in row},
        "day": row["day"].isoformat(),
        "price": spelled(row["price_micro"]),
        "ptf": spelled(row["ptf_micro"]),
    }
