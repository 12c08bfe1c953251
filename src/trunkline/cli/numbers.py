"""`trunkline numbers import`, `show` and `export`: the operator's number ranges, and what is known of one number."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from trunkline.admin.ranges import Imported, import_ranges
from trunkline.cli.database import actor, with_connection
from trunkline.cli.failures import DATA, Failed
from trunkline.cli.options import DATABASE, settings_options
from trunkline.cli.progress import decoded, progress
from trunkline.numbering.e164 import country_of, well_formed
from trunkline.numbering.networks import network_of
from trunkline.numbering.ranges import ranges_of
from trunkline.runtime.settings import Settings
from trunkline.store import numbers as store
from trunkline.store.db import Connection


@click.group()
def numbers() -> None:
    """Say which network a number belongs to: import, show, export ranges."""


@numbers.command("import", epilog="docs/operations.md says what FILE may hold.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--skip-bad", is_flag=True, help="Leave out the lines with mistakes, and import the others.")
@settings_options(*DATABASE)
def import_(settings: Settings, file: Path, skip_bad: bool) -> None:
    """Put the number ranges of a CSV file in the place of all that are there.

    All of them or nothing: lines with mistakes are listed (the first 20), and then nothing is changed. A running
    installation takes the new ranges up within seconds, all at once.

    \b
    trunkline numbers import ranges.csv
    trunkline numbers import ranges.csv --skip-bad
    """
    with file.open("rb") as opened, progress(opened) as (advanced, stored):

        async def work(conn: Connection) -> Imported:
            return await import_ranges(
                conn,
                decoded(opened, advanced),
                name=file.name,
                skip_bad=skip_bad,
                actor=actor(settings),
                received=lambda: stored(None, None),
            )

        try:
            imported = with_connection(settings, work)
        except UnicodeDecodeError:
            raise Failed(DATA, f"{file} is not UTF-8: nothing was changed") from None
    for line in imported.skipped:
        click.echo(line, err=True)
    left_out = f", {imported.skipped_count} lines left out" if imported.skipped_count else ""
    click.echo(f"{imported.range_count} ranges imported{left_out}")


@numbers.command()
@click.argument("number", metavar="NUMBER")
@click.option("--json", "as_json", is_flag=True, help="Show it as JSON.")
@settings_options(*DATABASE)
def show(settings: Settings, number: str, as_json: bool) -> None:
    """Show what is known of NUMBER, and from where: country, network, the ranges that it is in.

    \b
    trunkline numbers show +447911123456
    """
    if not well_formed(number):
        raise click.BadParameter("write the number as +447911123456", param_hint="NUMBER")

    async def work(conn: Connection) -> list[dict[str, Any]]:
        return await store.around(conn, number)

    known = _known(number, with_connection(settings, work, create=False))
    click.echo(json.dumps(known, indent=2) if as_json else "\n".join(_described(known)))


@numbers.command()
@settings_options(*DATABASE)
def export(settings: Settings) -> None:
    """Write all ranges to standard output, as `import` takes them.

    \b
    trunkline numbers export > ranges.csv
    """

    async def work(conn: Connection) -> None:
        await store.export(conn, sys.stdout.buffer)

    with_connection(settings, work, create=False)


def _known(number: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What a message to the number would have, by the same search; and the ranges that the number is in."""
    valid = [row for row in rows if row["is_valid"]]
    mccmnc = ranges_of(
        (row["first"], row["last"], row["mccmnc"], row["valid_from_s"]) for row in valid
    ).mccmnc_of(number)  # fmt: skip
    network = None if mccmnc is None else network_of(mccmnc)
    return {
        "number": number,
        "country": country_of(number),
        "mccmnc": mccmnc,
        "network": None if network is None else network.name,
        "network_countries": [] if network is None else list(network.countries),
        "ranges": [
            {
                "first": row["first"],
                "last": row["last"],
                "mccmnc": row["mccmnc"],
                "valid_from": None if row["since"] is None else row["since"].isoformat(),
                "valid": row["is_valid"],
                "source": row["source"],
            }
            for row in rows
        ],
    }


def _described(known: dict[str, Any]) -> list[str]:
    mccmnc, ranges = known["mccmnc"], known["ranges"]
    if mccmnc is not None:
        where = f" ({', '.join(known['network_countries'])})" if known["network_countries"] else ""
        network = f"{mccmnc}  {known['network'] or 'a network that is not in the list'}{where}"
    elif any(one["valid"] for one in ranges):
        network = "not known: what begins with these digits belongs to several networks, or to none"
    else:
        network = "not known: no range has this number"
    lines = [known["number"], f"country  {known['country'] or 'none'}", f"network  {network}"]
    if ranges:
        lines += ["", "ranges, the narrowest first"]
    for one in ranges:
        span = one["first"] if one["first"] == one["last"] else f"{one['first']}-{one['last']}"
        since = (
            "" if one["valid_from"] is None else f", {'since' if one['valid'] else 'not before'} {one['valid_from']}"
        )
        lines.append(f"  {span}  {one['mccmnc']}  from {json.dumps(one['source'], ensure_ascii=False)}{since}")
    return lines
