"""Prices from a CSV file: each line checked, then all of them in the place of what their list had."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from trunkline.admin.document import Mistake, Mistaken
from trunkline.admin.kinds import COUNTRY_CODES
from trunkline.admin.lines import SHOWN, BadLines, Wrong, mccmnc_of, read_lines, time_of
from trunkline.domain.price import SenderKind, micro_of
from trunkline.store import audit, prices, provisioning
from trunkline.store.db import Connection
from trunkline.store.prices import IncomingPrice

COLUMNS = ("country", "mccmnc", "mcc", "mnc", "sender", "price", "ptf", "valid_from", "valid_until")
# As a file names them; no name: any sender.
SENDERS: Mapping[str, SenderKind] = {
    "": SenderKind.ANY,
    "number": SenderKind.NUMBER,
    "short code": SenderKind.SHORT_CODE,
    "alphanumeric": SenderKind.ALPHANUMERIC,
}
SENDER_NAMES = {kind: name for name, kind in SENDERS.items()}


class Imported(NamedTuple):
    """`skipped`: the first lines left out, as `FILE:LINE: why`; `skipped_count`: how many they are."""

    price_count: int
    skipped: list[str]
    skipped_count: int


async def import_prices(
    conn: Connection,
    list_name: str,
    lines: Iterable[str],
    *,
    name: str,
    currency: str | None,
    skip_bad: bool,
    actor: str,
    received: Callable[[], None] = lambda: None,
) -> Imported:
    """Makes the prices of a CSV file, called `name`, those of a list: all of them or, unless `skip_bad`, none.

    `currency`: that of the list where it is not there yet. `received` is called when the last line is read: what
    follows is the database's work. Raises Mistaken.
    """
    bad = BadLines(name)
    async with conn.transaction():
        await provisioning.lock(conn)
        price_list_id = await _list(conn, list_name, currency, actor)
        await prices.receive(conn, read_prices(lines, bad))
        received()
        for line, earlier, total in await prices.doubled(conn, SHOWN):
            bad.add(line, f"about the same as line {earlier}", total=total)
        if bad.count and not skip_bad:
            raise bad.mistaken()
        count, changed = await prices.replace(conn, price_list_id)
        if not count:
            raise Mistaken(name, [*bad.first(), Mistake(1, "there are no prices in this file")])
        if changed:
            detail = {"file": name, "prices": count, "skipped": bad.count}
            await audit.record(conn, actor, "prices.imported", f"price_list {list_name}", detail)
    return Imported(count, bad.mistaken().lines, bad.count)


async def _list(conn: Connection, name: str, currency: str | None, actor: str) -> int:
    """The id of the list, made where it is missing and a currency is given. Raises Mistaken."""
    rows = await provisioning.rows(conn, "price_list")
    found = next((row_id for row_id, row in rows.items() if row["name"] == name), None)
    if found is None and currency is None:
        raise Mistaken(name, [Mistake(1, f"there is no price list {name}: give the --currency of a new one")])
    if found is None:
        row_id = await provisioning.put(conn, "price_list", None, {"name": name, "currency": currency})
        await audit.record(conn, actor, "price_list.created", f"price_list {name}", {"currency": currency})
        return row_id
    if currency not in (None, rows[found]["currency"]):
        raise Mistaken(name, [Mistake(1, f"the price list {name} is in {rows[found]['currency']}")])
    return found


def read_prices(lines: Iterable[str], bad: BadLines) -> Iterator[IncomingPrice]:
    """The right prices; the wrong ones go to `bad`. Raises Mistaken for a header that says nothing of what follows."""
    return read_lines(lines, bad, COLUMNS, _check_header, _price)


def _check_header(names: list[str], bad: BadLines) -> None:
    if "price" not in names:
        bad.add(1, "a column `price` has to be there")


def _price(line: int, fields: Mapping[str, str], _: str) -> IncomingPrice:
    """Raises Wrong."""
    fields = {name: value.strip() for name, value in fields.items()}
    has_network = any(fields.get(name) for name in ("mccmnc", "mcc", "mnc"))
    country = fields.get("country", "")
    if country and country not in COUNTRY_CODES:
        raise Wrong("country must be an ISO 3166-1 alpha-2 code, such as NL")
    sender = fields.get("sender", "").lower()
    if sender not in SENDERS:
        raise Wrong(f"sender must be {', '.join(filter(None, SENDERS))}, or empty")
    since, until = (time_of(name, fields.get(name, "")) for name in ("valid_from", "valid_until"))
    if since is not None and until is not None and since >= until:
        raise Wrong("valid_until must be after valid_from")
    return IncomingPrice(
        line,
        # Which country a network is of its code says.
        "" if has_network else country,
        mccmnc_of(fields) if has_network else "",
        SENDERS[sender],
        _money("price", fields["price"]),
        _money("ptf", fields.get("ptf") or "0"),
        since,
        until,
    )


def _money(name: str, value: str) -> int:
    try:
        return micro_of(value)
    except ValueError as error:
        raise Wrong(f"{name} must be {error}") from None
