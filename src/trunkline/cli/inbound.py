"""`trunkline inbound`: messages from handsets that no plan gets."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import click

from trunkline.cli.database import with_connection
from trunkline.cli.options import DATABASE, settings_options
from trunkline.runtime.log import masked
from trunkline.runtime.settings import Settings
from trunkline.store import inbound as store
from trunkline.store.db import Connection
from trunkline.store.inbound import Unmatched


@click.group()
def inbound() -> None:
    """Look into messages from handsets."""


@inbound.command()
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="At most so many.")
@click.option("--text", "with_text", is_flag=True, help="Show the text and whole numbers as well.")
@settings_options(*DATABASE)
def unmatched(settings: Settings, limit: int, with_text: bool) -> None:
    """Show messages to destinations that no plan has, the newest first.

    They are kept as long as others and are in no plan's list. `trunkline apply` with the destination as an approved
    sender of a plan makes the next ones that plan's.

    \b
    trunkline inbound unmatched
    """

    async def work(conn: Connection) -> Sequence[Unmatched]:
        return await store.unmatched(conn, limit)

    found = with_connection(settings, work, create=False)
    for one in found:
        click.echo(_line(one, with_text))
    if not found:
        click.echo("none: every message had a destination of a plan")


def _line(one: Unmatched, with_text: bool) -> str:
    """One message; the destination is the operator's own number, so it is shown as it is."""
    at = f"{one.received_at.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S}"
    sender = one.sender if with_text else masked(one.sender)
    sender, recipient, carrier = (_shown(name or "-") for name in (sender, one.recipient, one.carrier))
    line = f"{at}  {one.msg_id}  {carrier}  {sender} to {recipient}"
    if with_text:
        line += f"  {_shown(one.binary_hex if one.binary_hex is not None else one.body or '')}"
    return line + ("  (parts missing)" if one.partial else "")


def _shown(text: str) -> str:
    """Texts of others, without what could drive a terminal."""
    return "".join(character if character.isprintable() else f"\\u{ord(character):04x}" for character in text)
