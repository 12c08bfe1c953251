"""`trunkline apply`: the declared set-up made true."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import click

from trunkline.admin import declared
from trunkline.cli.database import actor, with_connection
from trunkline.cli.failures import DATA, Failed
from trunkline.cli.options import DATABASE, settings_options
from trunkline.domain.callback import Policy
from trunkline.runtime.secret import secret_key
from trunkline.runtime.settings import Settings
from trunkline.store.db import Connection


@click.command(epilog="docs/set-up-file.md says what FILE may hold.")
@click.argument("file", type=click.Path(path_type=Path))
@settings_options(*DATABASE)
def apply(settings: Settings, file: Path) -> None:
    """Make accounts, plans, senders, carriers and routes what a file says.

    All of it or nothing: mistakes are listed with their lines, and then nothing is changed. Applying a file again
    changes nothing. What the file does not name stays as it is. A running installation takes changes up within 2 s.

    \b
    trunkline apply set-up.toml
    NORTH_PASSWORD=… trunkline apply carriers.toml --database-url postgresql://…
    """
    try:
        text = file.read_text("utf-8")
    except UnicodeDecodeError:
        raise Failed(DATA, f"{file} is not UTF-8") from None
    wanted = declared.read(text, str(file))
    around = declared.Surroundings(
        secret_key=secret_key(settings),
        policy=Policy(settings.callback.allow_http, settings.callback.allowed_networks),
        environ=os.environ,
        folder=file.absolute().parent,
        actor=actor(settings),
    )

    async def work(conn: Connection) -> declared.Outcome:
        return await declared.apply(conn, wanted, around)

    _show(with_connection(settings, work))


def _show(outcome: declared.Outcome) -> None:
    for change in outcome.changes:
        fields = f": {', '.join(change.fields)}" if change.fields else ""
        click.echo(f"{change.what:10}{change.kind:9}{change.title}{fields}")
    for plan, secret in outcome.secrets.items():
        click.echo(f"\nwebhook secret of plan {plan}, shown only now:\n  {secret}")
    counts = Counter(change.what for change in outcome.changes)
    if not counts["created"] and not counts["changed"]:
        click.echo(f"\nnothing to do: all {counts['unchanged']} are as the file says")
    else:
        click.echo("\n" + ", ".join(f"{counts[what]} {what}" for what in ("created", "changed", "unchanged")))
