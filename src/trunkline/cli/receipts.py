"""`trunkline receipts`: receipts that found no message, and what in their carrier's dialect would make them match."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import NamedTuple

import click

from trunkline.carriers.dialect import from_mapping
from trunkline.carriers.smsc_ids import printable
from trunkline.cli.database import with_connection
from trunkline.cli.failures import REFUSED, Failed
from trunkline.cli.options import DATABASE, settings_options
from trunkline.dlr.unmatched import Advice, Settings, advise, forms
from trunkline.runtime.settings import Settings as RuntimeSettings
from trunkline.store import unmatched as store
from trunkline.store.db import Connection
from trunkline.store.unmatched import LoneReceipt, ResponseForm, Unmatched

_LOOKED_AT = 1000


class _Found(NamedTuple):
    carrier: Unmatched
    responses: list[ResponseForm]
    receipts: list[LoneReceipt]
    advice: list[Advice]


@click.group()
def receipts() -> None:
    """Look into delivery receipts."""


@receipts.command()
@click.option("--carrier", metavar="NAME", help="Of this carrier only.")
@settings_options(*DATABASE)
def unmatched(settings: RuntimeSettings, carrier: str | None) -> None:
    """Show receipts of the last 72 hours that found no message, by carrier: the forms of ids on both sides, and which
    setting of its dialect would have made them match. Changes nothing.

    \b
    trunkline receipts unmatched
    trunkline receipts unmatched --carrier north
    """

    async def work(conn: Connection) -> list[_Found]:
        return [await _look(conn, one) for one in await store.carriers(conn, carrier)]

    found = with_connection(settings, work, create=False)
    click.echo(
        "\n\n".join("\n".join(_told(one)) for one in found) if found else "none: every receipt found its message"
    )


async def _look(conn: Connection, carrier: Unmatched) -> _Found:
    lone = await store.receipts(conn, carrier.carrier_id, _LOOKED_AT)
    ends = {end for receipt in lone for end in (receipt.source, receipt.destination)}
    given = await store.given_ids(conn, carrier.carrier_id, sorted(ends))
    try:
        dialect = from_mapping(carrier.dialect)
    except ValueError as error:
        raise Failed(REFUSED, f"carrier {carrier.name}: {error}") from None
    responses = await store.response_forms(conn, carrier.carrier_id)
    return _Found(carrier, responses, lone, advise(dialect, lone, given))


def _told(found: _Found) -> Iterator[str]:
    carrier = found.carrier
    times = " to ".join(f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S}" for at in (carrier.first_at, carrier.last_at))
    yield f"{carrier.name}: {carrier.count} receipts without a message, {times}"
    rows = [("submit_sm_resp", one.form, one.count, one.example) for one in found.responses]
    for in_tlv, place in ((False, "receipt, text"), (True, "receipt, TLV")):
        rows += [(place, *form) for form in forms(r for r in found.receipts if r.in_tlv is in_tlv)]
    width = max(len(form) for _, form, _, _ in rows)
    for place, form, count, example in rows:
        yield f"  {place:14}  {form:{width}}  {count:>7}  {printable(example)}"
    if not found.responses:
        yield "  No submit_sm_resp with an id has been seen yet."
    for advice in found.advice:
        yield f"  {_sentence(advice)}"


def _sentence(advice: Advice) -> str:
    where = "TLV" if advice.in_tlv else "text"
    if not advice.known:
        return (
            f"Of the {advice.count} with their id in the {where} none is about a number that this carrier got a message"
            " for: receipts of somebody else, or with other numbers than ours."
        )
    if advice.better is None:
        return (
            f"{advice.known} of the {advice.count} with their id in the {where} are about numbers that this carrier got"
            " messages for, and no form makes their ids those of the messages: ask the carrier which id it means."
        )
    if advice.better == advice.own:
        return (
            f"With the dialect as it is now, {advice.would} of the {advice.count} with their id in the {where} would"
            " have found their message: it was another one when they came, or when the messages were sent."
        )
    return (
        f"With {_fields(advice, advice.better)}, {advice.would} of the {advice.count} with their id in the {where}"
        " would have found their message."
    )


def _fields(advice: Advice, better: Settings) -> str:
    """The fields of the dialect to set; those that stay are left out, but both forms are named if one changes."""
    own = advice.own
    named: list[tuple[str, str]] = []
    if better[:2] != own[:2]:
        named += [("response_id_form", better.response_form), (advice.field_of_receipt, better.receipt_form)]
    if better.response_prefix != own.response_prefix:
        named.append(("response_id_prefix", better.response_prefix))
    if better.receipt_prefix != own.receipt_prefix:
        named.append(("response_id_prefix" if advice.in_tlv else "receipt_id_prefix", better.receipt_prefix))
    return " and ".join(f'{name} = "{printable(value)}"' for name, value in named)
