"""A demo account is never put into somebody's installation."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from trunkline.roles.sandbox import _refuse_others
from trunkline.runtime.settings import SettingsError
from trunkline.sandbox import wiring

FOLDER = Path(".trunkline")


async def ask(dsn, *public_ids):
    conn = await asyncpg.connect(dsn)
    try:
        for public_id in public_ids:
            await conn.execute("INSERT INTO account(public_id, name) VALUES ($1, $1)", public_id)
        await _refuse_others(conn, FOLDER)
    finally:
        await conn.close()


def test_a_real_installation_is_refused(database):
    with pytest.raises(SettingsError, match="no sandbox"):
        asyncio.run(ask(database, "3" * 24))


@pytest.mark.parametrize("public_ids", [(), (wiring.ACCOUNT,), ("3" * 24, wiring.ACCOUNT)])
def test_an_empty_one_and_one_of_a_sandbox_are_taken(database, public_ids):
    asyncio.run(ask(database, *public_ids))
