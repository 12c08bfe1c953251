"""`trunkline balance show` and `add`: money that is paid beforehand, and what plans with a cap have spent."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import click

from trunkline.admin.balances import add_money
from trunkline.cli.database import actor, with_connection
from trunkline.cli.failures import DATA, Failed
from trunkline.cli.options import DATABASE, settings_options
from trunkline.domain.price import micro_of, spelled
from trunkline.runtime.settings import Settings
from trunkline.store import admission
from trunkline.store.db import Connection


@click.group()
def balance() -> None:
    """Prepaid money of accounts and plans: show it, add to it."""


@balance.command()
@click.option("--json", "as_json", is_flag=True, help="Show it as JSON.")
@settings_options(*DATABASE)
def show(settings: Settings, as_json: bool) -> None:
    """Show every balance: what is left, what accepted messages hold; and what plans with a cap have spent.

    \b
    trunkline balance show
    """

    async def work(conn: Connection) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        return await admission.shown_balances(conn), await admission.shown_spends(conn)

    balances, spends = with_connection(settings, work, create=False)
    found = {"balances": [_balance(row) for row in balances], "spending": [_spend(row) for row in spends]}
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for one in found["balances"]:
        held = "" if one["held"] == "0" else f", {one['held']} held"
        empty = "" if one["empty_since"] is None else f", too little for a message since {one['empty_since']}"
        click.echo(f"{one['of']}  {one['left']} {one['currency']} left{held}{empty}")
    for one in found["spending"]:
        reached = "" if one["reached_at"] is None else f", reached at {one['reached_at']}"
        click.echo(f"{one['of']}  {one['spent']} of {one['cap']} {one['currency']} spent this {one['per']}{reached}")


@balance.command()
@click.argument("owner", metavar="ACCOUNT|ACCOUNT/PLAN")
@click.argument("amount", metavar="AMOUNT")
@click.option("--currency", metavar="CODE", help="Make the balance, in this currency, if it is not there yet.")
@click.option("--note", default="", help="What it was for, for the books.")
@click.option("--take", is_flag=True, help="Take the amount out instead, if there is as much.")
@settings_options(*DATABASE)
def add(settings: Settings, owner: str, amount: str, currency: str | None, note: str, take: bool) -> None:
    """Add AMOUNT to the balance of an account, or of a plan.

    \b
    trunkline balance add acme 250 --note "invoice 2026-117"
    trunkline balance add acme/otp 50 --currency EUR
    """
    try:
        micro = micro_of(amount)
    except ValueError as error:
        raise click.BadParameter(f"write {error}", param_hint="AMOUNT") from None
    if currency is not None and not (len(currency) == 3 and currency.isascii() and currency.isupper()):
        raise click.BadParameter("write it by its ISO 4217 code, such as EUR", param_hint="--currency")

    async def work(conn: Connection) -> tuple[int, str]:
        return await add_money(
            conn, owner, -micro if take else micro, currency=currency, note=note, actor=actor(settings)
        )

    try:
        left, code = with_connection(settings, work, create=False)
    except ValueError as error:
        raise Failed(DATA, str(error)) from None
    click.echo(f"{owner}: {spelled(left)} {code} left")


def _balance(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "of": row["name"],
        "currency": row["currency"],
        "left": spelled(row["left_micro"]),
        "held": spelled(row["held_micro"]),
        "added": spelled(row["added_micro"]),
        "empty_since": _time(row["empty_since"]),
    }


def _spend(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "of": row["name"],
        "currency": row["currency"],
        "spent": spelled(row["spent_micro"]),
        "cap": spelled(row["cap_micro"]),
        "per": row["cap_per"],
        "reached_at": _time(row["reached_at"]),
    }


def _time(at: dt.datetime | None) -> str | None:
    return None if at is None else at.isoformat()
