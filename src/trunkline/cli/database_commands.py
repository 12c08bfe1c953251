"""`trunkline db migrate` and `trunkline db status`."""

from __future__ import annotations

import asyncio
import sys

import click

from trunkline.cli.database import database
from trunkline.cli.options import DATABASE, settings_options
from trunkline.runtime.settings import Settings
from trunkline.store import migrate as migrations


@click.group()
def db() -> None:
    """Look after the database."""


@db.command()
@click.option("--pre", is_flag=True, help="Only what processes of the version before can work with.")
@settings_options(*DATABASE)
def migrate(settings: Settings, pre: bool) -> None:
    """Bring the database to the schema of this version.

    `serve` does it by itself. An update without a pause: `--pre`, then restart all nodes, then once more without it.

    \b
    trunkline db migrate
    trunkline db migrate --pre --database-url postgresql://…
    """
    with database(settings, bring_up=False) as dsn:
        applied = asyncio.run(migrations.migrate(dsn, post=not pre, rls=settings.database.rls))
    for name in applied:
        click.echo(f"applied {name}")
    if not applied:
        click.echo("nothing to do: the schema is current")


@db.command()
@settings_options(*DATABASE)
def status(settings: Settings) -> None:
    """Say whether the schema is current; exit code 1 if it is not.

    \b
    trunkline db status
    """
    with database(settings, create=False, bring_up=False) as dsn:
        state = asyncio.run(migrations.status(dsn))
    if state.fresh:
        click.echo("the database is empty: run `trunkline db migrate`")
        sys.exit(1)
    for name in state.missing:
        click.echo(f"missing {name}")
    click.echo(f"{len(state.applied)} migrations applied, {len(state.missing)} missing")
    sys.exit(1 if state.missing else 0)
