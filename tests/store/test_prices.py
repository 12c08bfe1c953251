"""Prices from files, as API processes see them: lists swapped at once, valid by the clock, mistakes change nothing."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from functools import partial

import pytest
from test_provisioning_commands import Operator, operator
from watching import watched

from trunkline.admin.document import Mistaken
from trunkline.admin.prices import Imported, import_prices
from trunkline.domain.price import Price
from trunkline.store.db import Connection
from trunkline.store.prices import PriceWatch

__all__ = ["operator"]
LIST, COUNT = 1, 20_000


@pytest.fixture
def run(database: str):
    return partial(watched, database, PriceWatch)


async def imported(conn: Connection, *lines: str, skip_bad: bool = False) -> Imported:
    text = [f"{line}\n" for line in lines]
    return await import_prices(conn, "standard", text, name="f.csv", currency="EUR", skip_bad=skip_bad, actor="test")


def test_a_price_is_valid_from_its_beginning_to_its_end(run) -> None:
    async def test(conn: Connection, watch: PriceWatch) -> None:
        async def now(at: str) -> int | None:
            await conn.execute(f"UPDATE clock SET held_at = '{at}'")
            await watch.refresh()
            found = watch.price_of(LIST, "GB", None, "12345")
            return None if found is None else found.price_micro

        await imported(
            conn, "country,price,valid_from,valid_until", "GB,0.01,,2026-03-01", "GB,0.02,2026-02-01,",
            "GB,0.09,2026-04-01,2026-05-01",
        )  # fmt: skip
        assert await now("2026-01-31 23:59:59+00") == 10_000
        assert await now("2026-02-01 00:00:00+00") == 20_000  # both are valid: the later one is taken
        assert await now("2026-03-31 23:59:59+00") == 20_000
        assert await now("2026-04-01 00:00:00+00") == 90_000
        assert await now("2026-05-01 00:00:00+00") == 20_000

    run(test)


def test_prices_are_swapped_at_once(run) -> None:
    async def test(conn: Connection, watch: PriceWatch) -> None:
        def whole(price: str) -> Iterator[str]:
            yield "mccmnc,price\n"
            yield from (f"{100_000 + n},{price}\n" for n in range(COUNT))

        async def load(price: str) -> None:
            found = await import_prices(
                conn, "standard", whole(price), name="f.csv", currency="EUR", skip_bad=False, actor="test"
            )
            assert found.price_count == COUNT

        await load("0.01")
        await watch.refresh()
        assert len(watch.held) == COUNT
        assert watch.price_of(LIST, "GB", "119999", "12345") == Price(10_000, 0, "EUR")
        held = watch.held
        await load("0.01")  # the same again changes nothing
        await watch.refresh()
        assert watch.held is held

        reader, swapped = PriceWatch(watch._standing._dsn), asyncio.create_task(load("0.02"))
        seen: set[frozenset[int]] = set()
        chosen = random.Random(1).sample(range(COUNT), 50)
        while not swapped.done():
            await reader.refresh()
            seen.add(frozenset(reader.price_of(LIST, None, f"{100_000 + n}", "12345").price_micro for n in chosen))
        await swapped
        await reader.close()
        assert seen <= {frozenset({10_000}), frozenset({20_000})}

    run(test)


def test_a_file_with_mistakes_changes_nothing(run) -> None:
    async def test(conn: Connection, watch: PriceWatch) -> None:
        await imported(conn, "country,price", "GB,0.01")
        with pytest.raises(Mistaken) as mistaken:
            await imported(conn, "country,price", "GB,0.02", "XX,1", "GB,0.03")
        assert mistaken.value.lines == [
            "f.csv:3: country must be an ISO 3166-1 alpha-2 code, such as NL", "f.csv:4: about the same as line 2",
        ]  # fmt: skip
        with pytest.raises(Mistaken, match="there are no prices"):
            await imported(conn, "country,price")
        await watch.refresh()
        assert watch.price_of(LIST, "GB", None, "12345") == Price(10_000, 0, "EUR")
        done = await imported(conn, "country,price", "GB,0.02", "XX,1", "GB,0.03", skip_bad=True)
        assert (done.price_count, done.skipped_count) == (1, 2)
        await watch.refresh()
        assert watch.price_of(LIST, "GB", None, "12345") == Price(20_000, 0, "EUR")

    run(test)


def test_import_show_export(operator: Operator) -> None:
    file = operator.file.with_name("prices.csv")
    file.write_text("country,mccmnc,sender,price,ptf\nGB,,,0.04,0.001\n,23410,alphanumeric,0.03,\n")
    code, _, err = operator.call("prices", "import", "standard", str(file))
    assert code == 65
    assert "give the --currency of a new one" in err
    assert operator.call("prices", "import", "standard", str(file), "--currency", "eur")[0] == 2
    done = operator.call("prices", "import", "standard", str(file), "--currency", "EUR")
    assert done == (0, "2 prices in standard\n", "")
    assert operator.call("prices", "show")[1] == "standard  EUR  2 prices\n"
    assert operator.call("prices", "show", "standard")[1] == (
        "23410       alphanumeric  0.03\nGB          any sender    0.04 + 0.001\n"
    )
    assert operator.call("prices", "show", "standard", "GB")[1] == "GB          any sender    0.04 + 0.001\n"
    assert json.loads(operator.call("prices", "show", "--json")[1]) == [
        {"name": "standard", "currency": "EUR", "prices": 2}
    ]
    _, out, _ = operator.call("prices", "export", "standard")
    assert out == (
        "country,mccmnc,sender,price,ptf,valid_from,valid_until\n,23410,alphanumeric,0.03,0,,\nGB,,,0.04,0.001,,\n"
    )
    file.write_text(out)
    assert operator.call("prices", "import", "standard", str(file))[0] == 0
    assert operator.call("prices", "export", "standard")[1] == out
    code, _, err = operator.call("prices", "show", "other")
    assert code == 65
    assert "there is no price list other" in err
    assert operator.call("prices", "import", "standard", str(file), "--currency", "USD")[0] == 65


PRICED = """
[[price_list]]
name = "standard"
currency = "EUR"
[[price_list.price]]
price = 0.05
[[price_list.price]]
country = "GB"
sender = "short code"
price = "0.0395"
ptf = 0.001
valid_from = 2026-01-01
"""


def test_prices_in_the_set_up_file(operator: Operator) -> None:
    text = operator.file.read_text()
    operator.file.write_text(text.replace('account = "acme"', 'account = "acme"\nprice_list = "standard"') + PRICED)
    code, out, _ = operator.call("apply", str(operator.file))
    assert code == 0
    assert "created   price_list" in out
    assert "nothing to do" in operator.call("apply", str(operator.file))[1]
    assert operator.call("prices", "export", "standard")[1].splitlines()[1:] == [
        ",,,0.05,0,,", "GB,,short code,0.0395,0.001,2026-01-01T00:00:00+00:00,",
    ]  # fmt: skip
    # A list without prices in the file keeps those that it has.
    operator.file.write_text(operator.file.read_text().partition("[[price_list.price]]")[0])
    assert "nothing to do" in operator.call("apply", str(operator.file))[1]
    # A plan that names no list any more has no prices any more.
    operator.file.write_text(text)
    assert "changed   term     otp: price_list_id" in operator.call("apply", str(operator.file))[1]


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        ("price = 0.05", "price = -1", "price must be a decimal number such as 0.0075"),
        ("price = 0.05", 'price = "0.0000001"', "price must be a number of up to 6 digits"),
        ('sender = "short code"', 'sender = "any"', "sender must be one of number, short code, alphanumeric"),
        ('sender = "short code"', 'mccmnc = "23410"', "a price is for a country or for a network, not both"),
        ("valid_from = 2026-01-01", "valid_until = 12", "valid_until must be a date"),
        ('currency = "EUR"', 'currency = "euro"', "currency must be a currency by ISO 4217 code"),
        ('name = "standard"', 'name = "other"', "there is no price_list standard"),
        (PRICED, PRICED + "[[price_list.price]]\nprice = 1\n", "this price is in the file already, on line"),
    ],
)
def test_mistakes_in_the_set_up_file(operator: Operator, old: str, new: str, mistake: str) -> None:
    text = operator.file.read_text().replace('account = "acme"', 'account = "acme"\nprice_list = "standard"') + PRICED
    assert old in text
    operator.file.write_text(text.replace(old, new))
    code, _, err = operator.call("apply", str(operator.file))
    assert code == 65
    assert mistake in err
    assert operator.call("prices", "show")[1] == ""


def test_usage(operator: Operator) -> None:
    operator.call("apply", str(operator.file))
    operator.execute(
        "INSERT INTO charge SELECT 1, msg_id_floor(trunkline_now()), n, 7500, 0, 'EUR', 'SE', trunkline_now()"
        " FROM generate_series(1, 3) AS n"
    )
    code, out, _ = operator.call("usage", "--json")
    assert code == 0
    assert [(row["plan_name"], row["country"], row["parts"], row["price"]) for row in json.loads(out)] == [
        ("otp", "SE", 3, "0.0225")
    ]
    assert "acme/otp  SE  3 parts  0.0225 EUR" in operator.call("usage", "--plan", "otp")[1]
    assert operator.call("usage", "--csv", "--to", "2020-01-31")[1].count("\n") == 1
    assert operator.call("usage", "--plan", "nobody")[0] == 65
