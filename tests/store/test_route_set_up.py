"""Routes of a set-up file: stored as they say, mistakes with their lines, and read by processes when they change."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from test_provisioning_apply import WHOLE, apply, around, connected, whats

from trunkline.admin.declared import Mistaken
from trunkline.domain.routes import ALPHANUMERIC, EVERY_KIND, LONG_CODE
from trunkline.store import db, provisioning
from trunkline.store.db import Connection
from trunkline.store.watch import ProvisioningWatch

KEY = bytes(range(32))
ROUTES = """
[[route]]
name = "gb"
carrier = "north"
account = "acme"
prefixes = ["+4479", "4478", "4479"]
networks = ["23410"]
countries = ["GB"]
sender_kinds = ["long_code", "alphanumeric"]
cost = 0.0231
weight = 3
min_delivery_percent = 92.5
max_receipt_s = 30
fallback = false

[[route]]
name = "cheap"
carrier = "north"
cost = "12"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "north.password").write_text("pass word\n")
    return tmp_path


def test_every_key_is_stored_and_found_again(database: str, folder: Path) -> None:
    async def work(conn: Connection) -> None:
        await apply(conn, WHOLE + ROUTES, around(folder))
        picture = await provisioning.load(conn, KEY)
        gb, cheap = (next(route for route in picture.routes if route.name == name) for name in ("gb", "cheap"))
        assert (gb.plan_id, gb.account_id) == (None, 1)
        assert (gb.prefixes, gb.networks, gb.countries) == (("4478", "4479"), ("23410",), ("GB",))
        assert (gb.senders, gb.cost_micro, gb.weight, gb.fallback) == (LONG_CODE | ALPHANUMERIC, 23_100, 3, False)
        assert (gb.min_delivery_percent, gb.max_receipt_s) == (92.5, 30)
        assert (cheap.senders, cheap.cost_micro, cheap.weight) == (EVERY_KIND, 12_000_000, 1)
        assert (cheap.min_delivery_percent, cheap.max_receipt_s, cheap.fallback) == (None, None, True)
        assert set(whats(await apply(conn, WHOLE + ROUTES, around(folder))).values()) == {"unchanged"}
        other = (WHOLE + ROUTES).replace("cost = 0.0231\n", "").replace("weight = 3", "weight = 4")
        outcome = await apply(conn, other, around(folder))
        assert [change.fields for change in outcome.changes if change.what == "changed"] == [("cost_micro", "weight")]

    connected(database, work)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('plan = "otp"\naccount = "acme"', "5: a route is for a plan or for an account, not for both"),
        ('account = "nobody"', "4: there is no account nobody"),
        ('prefixes = ["+44a"]', '4: prefixes must be a list of digits that numbers begin with, such as ["4479", "1"]'),
        ('prefixes = ["044"]', "4: prefixes must be a list of digits"),
        ("prefixes = []", "4: prefixes must be a list of digits"),
        ("prefixes = [44]", "4: prefixes must be a list of digits"),
        ('networks = ["234"]', "4: networks must be a list of MCC with MNC, 5 or 6 digits"),
        ('sender_kinds = ["shortcode"]', "4: sender_kinds must be a list of long_code, short_code, alphanumeric"),
        ("cost = -1", "4: cost must be an amount such as 0.0231, 0 or more"),
        ("cost = nan", "4: cost must be an amount"),
        ('cost = "cheap"', "4: cost must be an amount"),
        ("cost = true", "4: cost must be an amount"),
        ("cost = 0.0000001", "4: cost must be an amount with at most 6 decimal places"),
        ("weight = 0", "4: weight must be a whole number from 1 to 1000"),
        ("min_delivery_percent = 101", "4: min_delivery_percent must be a number from 0 to 100"),
        ("max_receipt_s = 0", "4: max_receipt_s must be a number from 0.1 to 86400"),
        ('fallback = "maybe"', "4: fallback must be on or off"),
        ('prefix = ["44"]', "4: route has no key prefix; did you mean prefixes?"),
    ],
)
def test_mistakes_are_named_by_their_line(database: str, folder: Path, line: str, says: str) -> None:
    async def work(conn: Connection) -> None:
        await apply(conn, WHOLE, around(folder))
        with pytest.raises(Mistaken) as caught:
            await apply(conn, f'[[route]]\nname = "x"\ncarrier = "north"\n{line}\n', around(folder))
        (found,) = caught.value.lines
        assert found.startswith(f"set-up.toml:{says}")

    connected(database, work)


def test_routes_are_read_again_only_when_they_change(database: str, folder: Path) -> None:
    async def main() -> None:
        conn = await db.connect(database, name="test")
        watch = ProvisioningWatch(database, KEY, poll_s=3600)
        try:
            await apply(conn, WHOLE, around(folder))
            first = await watch.start()
            await conn.execute("UPDATE plan SET name = 'uno' WHERE name = 'otp'")
            await watch.refresh()
            second = watch.last()
            assert second is not None
            assert second.version == first.version + 1
            assert second.routes is first.routes
            await apply(conn, WHOLE.replace('"otp"', '"uno"') + ROUTES, around(folder))
            await watch.refresh()
            third = watch.last()
            assert third is not None
            assert sorted(route.name for route in third.routes) == ["cheap", "default", "gb", "otp-nl"]
        finally:
            await watch.stop()
            await conn.close()

    asyncio.run(main())


def test_a_transaction_moves_the_versions_once(database: str) -> None:
    async def work(conn: Connection) -> None:
        async def versions() -> tuple[int, int]:
            return tuple(await conn.fetchrow("SELECT provisioning_version, route_version FROM installation"))

        provisioned, routed = await versions()
        async with conn.transaction():
            await conn.execute("INSERT INTO carrier (name) VALUES ('a')")
            await conn.execute("INSERT INTO carrier (name) VALUES ('b')")
            assert await versions() == (provisioned + 1, routed)
            await conn.execute("INSERT INTO route (name, carrier_id) VALUES ('a', 1)")
            await conn.execute("INSERT INTO route (name, carrier_id) VALUES ('b', 1)")
        assert await versions() == (provisioned + 2, routed + 1)
        try:
            async with conn.transaction():
                await conn.execute("DELETE FROM route")
                raise LookupError
        except LookupError:
            pass
        await conn.execute("UPDATE route SET priority = 1")
        assert await versions() == (provisioned + 3, routed + 2)
        await conn.execute("UPDATE carrier SET name = 'c' WHERE name = 'b'")
        assert await versions() == (provisioned + 4, routed + 2)

    connected(database, work)
