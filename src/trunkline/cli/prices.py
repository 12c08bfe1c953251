"""`trunkline prices import`, `show` and `export`: what messages cost."""

from __future__ import annotations

import csv
import datetime as dt
import json
import sys
from pathlib import Path
from typing import Any

import click

from trunkline.admin.prices import SENDER_NAMES, Imported, import_prices
from trunkline.cli.database import actor, with_connection
from trunkline.cli.failures import DATA, Failed
from trunkline.cli.options import DATABASE, settings_options
from trunkline.cli.progress import decoded, progress
from trunkline.domain.price import SenderKind, spelled
from trunkline.runtime.settings import Settings
from trunkline.store import prices as store
from trunkline.store.db import Connection

_COLUMNS = ("country", "mccmnc", "sender", "price", "ptf", "valid_from", "valid_until")


@click.group()
def prices() -> None:
    """Say what messages cost: import, show, export price lists."""


@prices.command("import", epilog="docs/prices.md says what FILE may hold.")
@click.argument("price_list", metavar="LIST")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--currency", metavar="CODE", help="Make the list, in this currency, if it is not there yet.")
@click.option("--skip-bad", is_flag=True, help="Leave out the lines with mistakes, and import the others.")
@settings_options(*DATABASE)
def import_(settings: Settings, price_list: str, file: Path, currency: str | None, skip_bad: bool) -> None:
    """Put the prices of a CSV file in the place of all that LIST has.

    All of them or nothing: lines with mistakes are listed (the first 20), and then nothing is changed. A running
    installation takes the new prices up within seconds, all at once; messages that were accepted keep theirs.

    \b
    trunkline prices import standard prices.csv --currency EUR
    """
    if currency is not None and not (len(currency) == 3 and currency.isascii() and currency.isupper()):
        raise click.BadParameter("write it by its ISO 4217 code, such as EUR", param_hint="--currency")
    with file.open("rb") as opened, progress(opened) as (advanced, stored):

        async def work(conn: Connection) -> Imported:
            lines = decoded(opened, advanced)
            return await import_prices(
                conn, price_list, lines, name=file.name, currency=currency, skip_bad=skip_bad, actor=actor(settings),
                received=lambda: stored(None, None),
            )  # fmt: skip

        try:
            imported = with_connection(settings, work)
        except UnicodeDecodeError:
            raise Failed(DATA, f"{file} is not UTF-8: nothing was changed") from None
    for line in imported.skipped:
        click.echo(line, err=True)
    left_out = f", {imported.skipped_count} lines left out" if imported.skipped_count else ""
    click.echo(f"{imported.price_count} prices in {price_list}{left_out}")


@prices.command()
@click.argument("price_list", metavar="[LIST]", required=False)
@click.argument("place", metavar="[PLACE]", required=False)
@click.option("--json", "as_json", is_flag=True, help="Show it as JSON.")
@settings_options(*DATABASE)
def show(settings: Settings, price_list: str | None, place: str | None, as_json: bool) -> None:
    """Show the lists there are; the prices of LIST; those of one PLACE in it (a country, or MCC and MNC).

    \b
    trunkline prices show
    trunkline prices show standard GB
    """

    async def work(conn: Connection) -> list[dict[str, Any]]:
        if price_list is None:
            return await store.lists(conn)
        return await store.of_list(conn, await _id(conn, price_list), place)

    rows = with_connection(settings, work, create=False)
    if price_list is None:
        found = [{"name": r["name"], "currency": r["currency"], "prices": r["price_count"]} for r in rows]
    else:
        found = [{**_spelled(row), "valid": row["is_valid"]} for row in rows]
    if as_json:
        click.echo(json.dumps(found, indent=2))
    elif price_list is None:
        for one in found:
            click.echo(f"{one['name']}  {one['currency']}  {one['prices']} prices")
    else:
        for one in found:
            click.echo(_described(one))


@prices.command()
@click.argument("price_list", metavar="LIST")
@settings_options(*DATABASE)
def export(settings: Settings, price_list: str) -> None:
    """Write the prices of LIST to standard output, as `import` takes them.

    \b
    trunkline prices export standard > prices.csv
    """

    async def work(conn: Connection) -> list[dict[str, Any]]:
        return await store.of_list(conn, await _id(conn, price_list))

    writer = csv.DictWriter(sys.stdout, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(map(_spelled, with_connection(settings, work, create=False)))


async def _id(conn: Connection, name: str) -> int:
    for row in await store.lists(conn):
        if row["name"] == name:
            return int(row["price_list_id"])
    raise Failed(DATA, f"there is no price list {name}")


def _spelled(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "country": row["country"],
        "mccmnc": row["mccmnc"],
        "sender": SENDER_NAMES[SenderKind(row["sender_kind"])],
        "price": spelled(row["price_micro"]),
        "ptf": spelled(row["ptf_micro"]),
        "valid_from": _time(row["valid_from"]),
        "valid_until": _time(row["valid_until"]),
    }


def _time(at: dt.datetime | None) -> str:
    return "" if at is None else at.astimezone(dt.UTC).isoformat()


def _described(one: dict[str, Any]) -> str:
    place = one["mccmnc"] or one["country"] or "everywhere"
    fee = "" if one["ptf"] == "0" else f" + {one['ptf']}"
    ends = (("from", one["valid_from"]), ("until", one["valid_until"]))
    validity = "".join(f"  {word} {at}" for word, at in ends if at)
    return f"{place:10}  {one['sender'] or 'any sender':12}  {one['price']}{fee}{validity}" + (
        "" if one["valid"] else "  (not valid now)"
    )
