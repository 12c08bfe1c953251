"""`trunkline route explain`: which way a message would go, and why."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import click

from trunkline.cli.database import with_connection
from trunkline.cli.failures import DATA, Failed
from trunkline.cli.options import DATABASE, settings_options
from trunkline.domain.ids import MsgIds
from trunkline.domain.provisioning import CarrierId, PlanId
from trunkline.domain.routes import (
    BEGUN,
    COUNTRY,
    DOWN,
    DRAWN,
    EVERY_KIND,
    NETWORK,
    NONE_UP,
    PREFIX,
    REFUSED,
    SENDER_KINDS,
    SET_BACK,
    sender_kind,
    unrouted,
)
from trunkline.mt.explain import Explanation, Weighed
from trunkline.mt.explain import explain as explained
from trunkline.numbering.e164 import country_of, well_formed
from trunkline.numbering.networks import network_of
from trunkline.numbering.ranges import ranges_of
from trunkline.runtime.clock import wall_ms
from trunkline.runtime.settings import Settings
from trunkline.store import leases, numbers, provisioning, quality, routes
from trunkline.store.db import Connection

# What is said of the way that a message went, by domain/routes.py's reasons.
WHY: Mapping[int, str] = {
    DRAWN: "drawn by weight",
    DOWN: "a carrier before it is down",
    REFUSED: "a carrier before it refused the message",
    SET_BACK: "a carrier delivers worse than its route asks",
    NONE_UP: "no carrier of its routes is up",
    BEGUN: "its parts stay together",
}


def by_route(route: str | None, number: int | None) -> str:
    """How a message was routed, in words; `number` as it is stored, `route` the name of the route in it."""
    if number is None:
        return ""
    route_id, why = unrouted(number)
    name = f"by route {route or route_id}" if route_id else ""
    reasons = ", ".join(words for bit, words in WHY.items() if why & bit)
    return f"{name} ({reasons})" if name and reasons else name or reasons


@dataclass(frozen=True, slots=True)
class _Names:
    """What ids are called, and since when carriers take no messages."""

    carriers: Mapping[int, str]
    plans: Mapping[int, str]
    accounts: Mapping[int, str]
    unready: Mapping[CarrierId, dt.datetime | None]


@click.group()
def route() -> None:
    """Look into routes: which way a message would go, and why."""


@route.command()
@click.argument("number", metavar="NUMBER")
@click.option(
    "--plan", metavar="PLAN", help="The plan: its id, NAME, or ACCOUNT/NAME.  [default: none's in particular]"
)
@click.option("--sender", metavar="SENDER", help="The sender.  [default: of any kind]")
@click.option(
    "--id", "msg_id", type=click.UUID, help="The message whose draw by weight is shown.  [default: a new one]"
)
@click.option("--json", "as_json", is_flag=True, help="Show it as JSON.")
@settings_options(*DATABASE)
def explain(
    settings: Settings, number: str, plan: str | None, sender: str | None, msg_id: UUID | None, as_json: bool
) -> None:
    """Show which carriers a message to NUMBER would go to, in which order, and why.

    Every route that fits, as it is weighed now: priority, whose it is, cost, destination, weight, what was measured,
    and whether its carrier takes messages. docs/routing.md says how.

    \b
    trunkline route explain +447912123456
    trunkline route explain +447912123456 --plan otp --sender 12345
    """
    if not well_formed(number):
        raise click.BadParameter("write the number as +447912123456", param_hint="NUMBER")
    the_id = msg_id or MsgIds().new(wall_ms())

    async def work(conn: Connection) -> tuple[Explanation, _Names, int]:
        return await _look(conn, settings, number, plan, sender, the_id)

    found, names, plan_id = with_connection(settings, work, create=False)
    head = {
        "number": number,
        "country": found.country,
        "mccmnc": found.mccmnc,
        "plan": names.plans.get(plan_id),
        "sender": sender,
        "sender_kind": None if sender is None else _kinds(sender_kind(sender)),
        "message": str(the_id),
    }
    click.echo(_as_json(found, names, head) if as_json else "\n".join(_rendered(found, names, head)))


async def _look(
    conn: Connection, settings: Settings, number: str, plan: str | None, sender: str | None, msg_id: UUID
) -> tuple[Explanation, _Names, int]:
    """Everything of one moment, from the database."""
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        rows = {table: await provisioning.rows(conn, table) for table in ("account", "plan", "carrier")}
        used = await routes.load(conn)
        unready = await leases.unready(conn, settings.failover_after_s)
        measured = await quality.kept(conn)
        ranges = [row for row in await numbers.around(conn, number) if row["is_valid"]]
    accounts = {key: row["name"] for key, row in rows["account"].items()}
    plans = {key: f"{accounts[row['account_id']]}/{row['name']}" for key, row in rows["plan"].items()}
    plan_id = PlanId(0 if plan is None else _plan_id(rows["plan"], plans, plan))
    mccmnc = ranges_of((row["first"], row["last"], row["mccmnc"], row["valid_from_s"]) for row in ranges).mccmnc_of(
        number
    )
    found = explained(
        used,
        plan_id=plan_id,
        account_id=rows["plan"][plan_id]["account_id"] if plan_id else None,
        sender=sender,
        recipient=number,
        country=country_of(number),
        mccmnc=mccmnc,
        msg_id=msg_id,
        live=lambda carrier_id: carrier_id not in unready,
        measured=measured,
    )
    carriers = {key: row["name"] for key, row in rows["carrier"].items()}
    return found, _Names(carriers, plans, accounts, unready), plan_id


def _plan_id(rows: Mapping[int, Mapping[str, Any]], plans: Mapping[int, str], wanted: str) -> int:
    found = [key for key, row in rows.items() if wanted in (row["public_id"], row["name"], plans[key])]
    if len(found) != 1:
        raise Failed(
            DATA, f"there is no plan {wanted}" if not found else f"several plans are called {wanted}: give its id"
        )
    return found[0]


def _rendered(found: Explanation, names: _Names, head: Mapping[str, Any]) -> list[str]:
    network = None if found.mccmnc is None else network_of(found.mccmnc)
    where = found.mccmnc or "not known"
    lines = [
        f"{head['number']}  {found.country or 'no country'}, network {where}{f' {network.name}' if network else ''}",
        f"plan {head['plan'] or 'none in particular'}, sender {head['sender'] or 'of any kind'}"
        + (f" ({head['sender_kind']})" if head["sender_kind"] else ""),
        "",
    ]
    table: list[tuple[str, ...]] = [("", "route", "carrier", "priority", "for", "leads to", "cost", "")]
    table += [_row(one, names) for one in found.weighed]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    if found.weighed:
        for row in table:
            lines.append("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        lines.append("")
    lines.append(_ending(found, names))
    return lines


def _row(one: Weighed, names: _Names) -> tuple[str, ...]:
    used = one.fit.route
    return (
        "-" if one.place is None else str(one.place),
        used.name,
        names.carriers[used.carrier_id],
        str(used.priority),
        _customer(one, names),
        _destination(one),
        "-" if used.cost_micro is None else _amount(used.cost_micro),
        "; ".join(_remarks(one, names)),
    )


def _customer(one: Weighed, names: _Names) -> str:
    used = one.fit.route
    if used.plan_id is not None:
        who = f"plan {names.plans[used.plan_id]}"
    else:
        who = f"account {names.accounts[used.account_id]}" if used.account_id is not None else "everybody"
    return who if used.senders == EVERY_KIND else f"{who}, {_kinds(used.senders)}"


def _destination(one: Weighed) -> str:
    narrowness = one.fit.narrowness
    if narrowness > PREFIX:
        return f"prefix of {narrowness - PREFIX} digits"
    return {NETWORK: "network", COUNTRY: "country"}.get(narrowness, "anywhere")


def _remarks(one: Weighed, names: _Names) -> list[str]:
    used = one.fit.route
    said = ["taken"] if one.is_taken else []
    if one.instead is not None:
        why = "has fallback off" if one.is_cut_off else "counts for this carrier"
        said.append(f"not tried: {one.instead.name} {why}")
    elif one.is_down:
        since = names.unready.get(used.carrier_id)
        said.append("down" if since is None else f"down since {since.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S}")
    if one.is_set_back:
        said.append("set back")
    if used.is_measured and one.quality is not None:
        p95 = "" if one.quality.p95_s is None else f", 95 % of receipts within {one.quality.p95_s:.1f} s"
        said.append(f"{one.quality.delivery_percent:.1f} % of {one.quality.messages} delivered{p95}")
    elif used.is_measured:
        said.append("not measured")
    if one.share is not None:
        said.append(f"drawn, {one.share:.0%} of messages")
    if one.after is not None:
        said.append(f"after the one before by {one.after}")
    return said


def _ending(found: Explanation, names: _Names) -> str:
    if found.choice is None:
        return "no route: the message is not accepted (plan_incomplete_route), or ends FAILED 304"
    carrier = names.carriers[found.choice.carrier_id]
    taken = next(one for one in found.weighed if one.is_taken)
    if taken.is_down:
        return f"waits in the queue of {carrier}: no carrier takes messages"
    return f"goes to {carrier} by route {taken.fit.route.name}"


def _as_json(found: Explanation, names: _Names, head: Mapping[str, Any]) -> str:
    weighed = [
        {
            "place": one.place,
            "route": one.fit.route.name,
            "carrier": names.carriers[one.fit.route.carrier_id],
            "priority": one.fit.route.priority,
            "for": _customer(one, names),
            "leads_to": _destination(one),
            "cost": None if one.fit.route.cost_micro is None else _amount(one.fit.route.cost_micro),
            "weight": one.fit.route.weight,
            "share": one.share,
            "taken": one.is_taken,
            "down": one.is_down,
            "set_back": one.is_set_back,
            "quality": None if one.quality is None else one.quality._asdict(),
            "after_the_one_before_by": one.after,
            "not_tried_because_of": None if one.instead is None else one.instead.name,
        }
        for one in found.weighed
    ]
    carrier = None if found.choice is None else names.carriers[found.choice.carrier_id]
    return json.dumps({**head, "routes": weighed, "carrier": carrier}, indent=2)


def _kinds(senders: int) -> str:
    return ", ".join(name.replace("_", " ") for name, bit in SENDER_KINDS.items() if senders & bit)


def _amount(micro: int) -> str:
    """With the decimal places that it has, two at least."""
    whole, rest = divmod(micro, 1_000_000)
    return f"{whole}.{f'{rest:06}'.rstrip('0').ljust(2, '0')}"
