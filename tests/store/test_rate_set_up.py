"""Limits in a set-up file: a number, the word for none, the default where nothing is said."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from trunkline.admin import declared
from trunkline.admin.declared import Surroundings
from trunkline.domain.callback import Policy
from trunkline.store import db, provisioning

KEY = bytes(range(32))


def applied(database: str, account: str, plan: str) -> tuple[int | None, int | None]:
    """The limits of account and plan after a file with these lines was applied."""
    text = f'[[account]]\nname = "acme"\n{account}\n[[plan]]\nname = "otp"\naccount = "acme"\n{plan}\n'

    async def main() -> tuple[int | None, int | None]:
        conn = await db.connect(database, name="test")
        await declared.apply(conn, declared.read(text, "f"), Surroundings(KEY, Policy(), {}, Path(), "test"))
        picture = await provisioning.load(conn, KEY)
        await conn.close()
        (only,), (of_it,) = picture.accounts.values(), picture.plans.values()
        return only.rate_per_s, of_it.rate_per_s

    return asyncio.run(main())


def test_a_file_sets_lifts_and_resets_limits(database: str) -> None:
    assert applied(database, "rate_per_s = 500", 'rate_per_s = "unlimited"') == (500, 0)
    assert applied(database, 'rate_per_s = "unlimited"', "rate_per_s = 1") == (0, 1)
    assert applied(database, "", "") == (None, None)


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "true", '"none"', "1000001", '"5"'])
def test_anything_else_is_a_mistake_that_says_what_may_stand_there(value: str) -> None:
    document = declared.read(f'[[account]]\nname = "acme"\nrate_per_s = {value}\n', "f").document
    assert [mistake.line for mistake in document.mistakes] == [3]
    assert 'a whole number from 1 to 1000000, or "unlimited"' in document.mistakes[0].text
