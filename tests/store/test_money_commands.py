"""`trunkline balance` and `trunkline guard`, and what a set-up file says of money and the guard, on a real database."""

from __future__ import annotations

import asyncio
import json

import pytest
from money_ground import submission
from test_provisioning_commands import Operator, operator

from trunkline.domain.guard import Guard, Limit, counters_of
from trunkline.domain.terms import Cap, PlanTerms, Purse, Terms
from trunkline.mt.admit import store_judged
from trunkline.runtime.secret import secret_key
from trunkline.store import db, provisioning

__all__ = ["operator"]

PLAN = 'price_list = "standard"\nprepaid = "account"\nspend_cap = 12.5\nspend_per = "month"'
MORE = """
[[price_list]]
name = "standard"
currency = "EUR"
[[guard]]
plan = "otp"
recipient_most = 5
range_most = 30
range_window_s = 60
blocked = ["+97916", "+88299"]
  [[guard.velocity]]
  prefix = "+8821"
  most = 100
[[blocked_range]]
prefix = "+882"
note = "premium"
"""


@pytest.fixture
def set_up(operator: Operator) -> Operator:
    """An account with a prepaid, capped, guarded plan."""
    text = operator.file.read_text().replace('account = "acme"', f'account = "acme"\n{PLAN}', 1) + MORE
    operator.file.write_text(text)
    code, _, err = operator.call("apply", str(operator.file))
    assert (code, err) == (0, "")
    return operator


def loaded(operator: Operator) -> provisioning.Provisioning:
    async def main() -> provisioning.Provisioning:
        conn = await db.connect(operator.dsn, name="test")
        try:
            return await provisioning.load(conn, secret_key(operator.settings))
        finally:
            await conn.close()

    return asyncio.run(main())


def test_the_file_becomes_terms_and_a_guard(set_up: Operator) -> None:
    picture = loaded(set_up)
    plan = next(iter(picture.plans.values()))
    assert plan.terms == PlanTerms(1, Purse(0, 1), Cap(12_500_000, "month"))
    assert plan.guard == Guard(
        Limit(5, 600), Limit(30, 60), None, (("+8821", Limit(100, 3600)),), frozenset({"+97916", "+88299"})
    )
    assert picture.blocked == {"+882"}
    assert "nothing to do" in set_up.call("apply", str(set_up.file))[1]
    text = set_up.file.read_text()
    set_up.file.write_text(text.replace(PLAN, "").replace('note = "premium"', "active = false"))
    _, out, _ = set_up.call("apply", str(set_up.file))
    assert "changed   term     otp: price_list_id, prepaid, cap_micro, cap_per" in out
    picture = loaded(set_up)
    assert (next(iter(picture.plans.values())).terms, picture.blocked) == (None, frozenset())


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        ('price_list = "standard"\n', "", "prepaid needs a price_list"),
        (PLAN, "spend_cap = 1", "spend_cap needs a price_list"),
        ('prepaid = "account"', 'prepaid = "yes"', "prepaid must be one of no, account, plan"),
        ("spend_cap = 12.5", "spend_cap = -1", "spend_cap must be a decimal number"),
        ("range_most = 30", "range_most = 0", "range_most must be a whole number from 1 to 1000"),
        ('blocked = ["+97916", "+88299"]', 'blocked = ["97916"]', "blocked must be what numbers begin with"),
        ('prefix = "+8821"', 'prefix = "+0"', "prefix must be what numbers begin with"),
        (
            "  most = 100",
            "  most = 100\n  [[guard.velocity]]\n  prefix = '+8821'\n  most = 1",
            "another rule for +8821",
        ),
        ('[[guard]]\nplan = "otp"', '[[guard]]\nplan = "opt"', "there is no plan opt; did you mean otp?"),
    ],
)
def test_mistakes_in_the_file(operator: Operator, old: str, new: str, mistake: str) -> None:
    text = operator.file.read_text().replace('account = "acme"', f'account = "acme"\n{PLAN}', 1) + MORE
    assert text.count(old) == 1
    operator.file.write_text(text.replace(old, new))
    code, _, err = operator.call("apply", str(operator.file))
    assert code == 65
    assert mistake in err


def test_a_list_in_another_currency_than_the_balance(set_up: Operator) -> None:
    text = set_up.file.read_text().replace('"standard"', '"dollars"').replace('"EUR"', '"USD"')
    set_up.file.write_text(text)
    code, _, err = set_up.call("apply", str(set_up.file))
    assert code == 65
    assert "the balance is in EUR, and the price list in USD" in err


def test_money_in_and_out(set_up: Operator) -> None:
    assert set_up.call("balance", "add", "acme", "250.5", "--note", "invoice 7") == (0, "acme: 250.5 EUR left\n", "")
    assert set_up.call("balance", "add", "acme", "0.5", "--take")[1] == "acme: 250 EUR left\n"
    code, _, err = set_up.call("balance", "add", "acme", "251", "--take")
    assert code == 65
    assert "the balance of acme has less than that" in err
    for arguments, wrong in (
        (("acme/otp", "1"), "give the --currency of a new one"),
        (("acme", "1", "--currency", "USD"), "is in EUR"),
        (("nobody", "1"), "no account is called nobody"),
        (("acme/x", "1"), "no plan of acme is called x"),
    ):
        code, _, err = set_up.call("balance", "add", *arguments)
        assert code == 65
        assert wrong in err
    assert set_up.call("balance", "add", "acme", "-1")[0] == 2
    assert set_up.call("balance", "add", "acme", "1,5")[0] == 2
    assert set_up.call("balance", "add", "acme/otp", "1", "--currency", "EUR")[0] == 0
    assert set_up.call("balance", "show")[1] == (
        "acme  250 EUR left\nacme/otp  1 EUR left\nacme/otp  0 of 12.5 EUR spent this month\n"
    )
    shown = json.loads(set_up.call("balance", "show", "--json")[1])
    assert (shown["balances"][0]["added"], shown["spending"][0]["cap"]) == ("250", "12.5")


def send(operator: Operator, *terms: tuple[str, Terms]) -> None:
    async def main() -> None:
        conn = await db.connect(operator.dsn, name="test", hot=True)
        await store_judged(conn, [submission(of, to=to) for to, of in terms], wake=False)
        await conn.close()

    asyncio.run(main())


def test_what_is_stopped_is_shown_and_let_go(set_up: Operator) -> None:
    plan = next(iter(loaded(set_up).plans.values()))
    numbers = [f"+46700000{n:03d}" for n in range(32)]
    send(set_up, *((to, Terms(counters=counters_of(plan.guard, frozenset(), to))) for to in [*numbers, "+97916123456"]))
    found = json.loads(set_up.call("guard", "stops", "--json")[1])
    assert sorted((one["code"], one["rule"], one["numbers"], one["stopped"], one["passed"]) for one in found) == [
        ("607", "range", "+4670000xxxx", 2, 30), ("609", "blocked", "+97916", 1, 0),
    ]  # fmt: skip
    assert "607 range  +4670000xxxx  2 stopped after 30" in set_up.call("guard", "stops")[1]
    assert set_up.call("guard", "open", "otp", "+4670000xxxx")[1] == "1 windows opened\n"
    assert set_up.call("guard", "open", "otp", "+4670000xxxx")[1] == "0 windows opened\n"
    assert set_up.call("guard", "open", "other")[0] == 65
    send(set_up, (numbers[31], Terms(counters=counters_of(plan.guard, frozenset(), numbers[31]))))
    assert "range" not in set_up.call("guard", "stops")[1]
