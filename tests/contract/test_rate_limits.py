"""CONTRACT §9, and rows 2 and 7 of §3: what a limit counts, where in the order it refuses, what answers tell of it."""

from __future__ import annotations

import asyncio
import re

import pytest
from api_rig import MISSING, PLAN, SECRET_KEY, SENDER, Reply, Rig

from trunkline.domain.token import issue
from trunkline.runtime import clock
from trunkline.store.provisioning import load

LIMITED = "b" * 24  # its plan and account have the default limits
FREE = "c" * 24  # of the same account, no limit of its own
OFF = "d" * 24  # of the same account, inactive
ROUTE_OF_ALL = "INSERT INTO route (name, carrier_id) VALUES ('all', 1)"
MESSAGE = "019ee2da-e515-7322-805f-1ac6ce82f20f"


async def _reload(rig: Rig) -> None:
    async with rig.pool.acquire() as conn:
        rig.picture = await load(conn, SECRET_KEY)


def changed(rig: Rig, statement: str, *values: object) -> None:
    """Changes provisioning, and the API's picture of it."""
    rig.sql(statement, *values)
    rig.run(_reload(rig))


_NAME = "trunkline limits"


@pytest.fixture(scope="module")
def limited(rig: Rig) -> Rig:
    """The rig with an account of default limits, and tokens for it: `limited`, `one_plan` (FREE only), `reader`."""
    rig.sql("INSERT INTO account (public_id, name) VALUES (repeat('e', 24), 'limited')")
    account_id = rig.sql("SELECT account_id FROM account WHERE name = 'limited'")[0][0]
    rig.sql(
        f"INSERT INTO plan (public_id, account_id, name, active, rate_per_s) VALUES ('{LIMITED}', $1, 'limited', true,"
        f" NULL), ('{FREE}', $1, 'free', true, 0), ('{OFF}', $1, 'off', false, 0)",
        account_id,
    )
    rig.sql(
        "INSERT INTO sender (plan_id, address) SELECT plan_id, $1 FROM plan WHERE account_id = $2", SENDER, account_id
    )
    rig.sql(ROUTE_OF_ALL)
    both = ["messages:send", "messages:read"]
    free_id = rig.sql(f"SELECT plan_id FROM plan WHERE public_id = '{FREE}'")[0][0]
    for name, scopes, plans in [("limited", both, None), ("one_plan", both, [free_id]), ("reader", both[1:], None)]:
        issued = issue()
        rig.tokens[name] = issued.token
        rig.sql(
            "INSERT INTO token (account_id, label, hash, scopes, plan_ids) VALUES ($1, $2, $3, $4, $5)",
            account_id, name, issued.hash, scopes, plans,
        )  # fmt: skip
    rig.run(_reload(rig))
    return rig


@pytest.fixture(autouse=True)
def _full(limited: Rig) -> None:
    """Every test begins with full buckets and a process that knows nothing of them."""

    async def forget() -> None:
        limited._leasing.cancel()  # a lease under way would fill the emptied table
        await asyncio.gather(limited._leasing, return_exceptions=True)
        limits = limited.api._context.limits
        limits._leaser.abandon()
        for one in (limits._buckets, limits._accounts, limits._plans, limits._asking):
            one.clear()
        limits._alone_until = 0.0
        limited._leasing = asyncio.create_task(limits.run())

    limited.run(forget())
    # What was asked over the session that was dropped may still be done: it is over when its server process is.
    while limited.sql(
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1", _NAME
    ):
        limited.run(clock.sleep(0.01))
    limited.sql("TRUNCATE rate_bucket")


def drain(rig: Rig, kind: int, name: str) -> None:
    """Leaves the bucket so empty that no machine is slow enough to see it fill."""
    table = ("account", "plan")[kind]
    rig.sql(
        "INSERT INTO rate_bucket (kind, subject_id, rate_per_s, tokens, granted, refilled_at)"
        f" SELECT $1, {table}_id, 1, -100000, 0, now() FROM {table} WHERE name = $2",
        kind, name,
    )  # fmt: skip


def buckets(rig: Rig) -> set[tuple[int, str]]:
    """The accounts (0) and plans (1) that anything was counted for."""
    rows = rig.sql(
        "SELECT kind, coalesce(p.name, a.name) FROM rate_bucket LEFT JOIN plan p ON kind = 1 AND p.plan_id = subject_id"
        " LEFT JOIN account a ON kind = 0 AND a.account_id = subject_id"
    )
    return {tuple(row) for row in rows}


def refused(reply: Reply) -> str:
    """Whose limit a 429 is about; everything else about it is checked."""
    assert (reply.status, reply.code) == (429, "rate_limited")
    assert int(reply.headers["retry-after"]) >= 1
    found = re.search(r"The (account|plan)'s limit of \d+ requests a second", reply.json["detail"])
    assert found, reply.json
    assert f'"{found[1]}";r=0;t=1' in reply.headers["ratelimit"]
    return found[1]


def test_every_answer_past_the_account_tells_policy_and_what_remains(limited: Rig) -> None:
    replies = [
        limited.send(token="limited", servicePlanId=LIMITED),
        limited.list(token="limited", plan=LIMITED, status="QUEUED"),
        limited.get(MESSAGE, LIMITED, token="limited"),
        limited.send(token="limited", servicePlanId=LIMITED, from_="Nobody"),
    ]
    assert [reply.status for reply in replies] == [202, 200, 404, 403]
    for reply in replies:
        assert reply.headers.get_all("ratelimit-policy") == ['"account";q=200;w=1, "plan";q=100;w=1']
        assert re.fullmatch(r'"account";r=\d+;t=1, "plan";r=\d+;t=1', reply.headers["ratelimit"])
    # Before the plan is known only the account is told.
    for reply, status in [
        (limited.send(token="limited", servicePlanId=MISSING), 404),
        (limited.send(token="limited", body=""), 400),
        (limited.list(token="limited", plan=None), 400),
        (limited.send(token="limited", servicePlanId=FREE), 202),
    ]:
        assert (reply.status, reply.headers["ratelimit-policy"]) == (status, '"account";q=200;w=1')


def test_no_limit_is_not_told_of_nor_counted(limited: Rig) -> None:
    reply = limited.send()
    assert reply.status == 202
    assert "ratelimit" not in reply.headers
    assert "ratelimit-policy" not in reply.headers
    assert buckets(limited) == set()


@pytest.mark.parametrize("token", [None, "Bearer x", "expired", "reader"])
def test_who_is_not_let_in_is_not_counted(limited: Rig, token: str | None) -> None:
    reply = limited.send(token=token, servicePlanId=LIMITED)
    assert reply.status in (401, 403)
    assert "ratelimit" not in reply.headers
    assert buckets(limited) == set()


def test_the_account_comes_after_401_and_403_and_before_all_else(limited: Rig) -> None:
    drain(limited, 0, "limited")
    assert limited.send(token=issue().token).status == 401
    assert limited.send(token="reader").code == "scope_missing"
    for reply in [
        limited.send(token="limited", servicePlanId=LIMITED),
        limited.ask("POST", "/v1/sendsms", b"\xff", token="limited", headers={"Content-Type": "text/plain"}),
        limited.send(token="limited", servicePlanId=PLAN),
        limited.send(token="limited", servicePlanId=OFF),
        limited.get("no-id", LIMITED, token="limited"),
        limited.list(token="limited", plan=MISSING),
        limited.ask("GET", "/v1/messages/sms", token="limited"),
    ]:
        assert refused(reply) == "account"
    head = limited.ask("HEAD", f"/v1/messages/sms/{MESSAGE}?servicePlanId={LIMITED}", token="limited")
    assert (head.status, head.headers["ratelimit"]) == (429, '"account";r=0;t=1')
    assert (1, "limited") not in buckets(limited)


def test_the_plan_comes_after_what_proves_the_caller_to_own_it_and_before_its_set_up(limited: Rig) -> None:
    drain(limited, 1, "limited")
    drain(limited, 1, "free")
    drain(limited, 1, "off")
    changed(limited, "UPDATE plan SET rate_per_s = 50 WHERE name IN ('free', 'off') AND account_id > 2")
    assert limited.send(token="limited", servicePlanId=LIMITED, body="").status == 400
    assert limited.send(token="limited", servicePlanId=MISSING).status == 404
    assert limited.send(token="limited", servicePlanId=OFF).code == "plan_inactive"
    assert limited.send(token="one_plan", servicePlanId=LIMITED).code == "plan_not_allowed"
    for reply in [
        limited.send(token="limited", servicePlanId=LIMITED),
        limited.send(token="limited", servicePlanId=LIMITED, from_="Nobody"),
        limited.send(token="one_plan", servicePlanId=FREE),
    ]:
        assert refused(reply) == "plan"
    changed(limited, "UPDATE plan SET rate_per_s = 0 WHERE name IN ('free', 'off')")


def test_on_gets_the_plan_comes_after_plan_not_allowed_and_before_404(limited: Rig) -> None:
    drain(limited, 1, "limited")
    assert limited.get("no-id", LIMITED, token="limited").status == 400
    assert limited.list(token="limited", plan=LIMITED).code == "filter_required"
    assert limited.get(MESSAGE, LIMITED, token="one_plan").code == "plan_not_allowed"
    assert limited.list(token="one_plan", plan=LIMITED, status="QUEUED").code == "plan_not_allowed"
    assert refused(limited.get(MESSAGE, LIMITED, token="limited")) == "plan"
    assert refused(limited.list(token="limited", plan=LIMITED, status="QUEUED")) == "plan"


def test_a_foreign_caller_cannot_use_up_a_plan(limited: Rig) -> None:
    assert limited.send(token="theirs", servicePlanId=LIMITED).status == 404
    assert limited.get(MESSAGE, LIMITED, token="theirs").status == 403
    assert limited.list(token="theirs", plan=LIMITED, status="QUEUED").status == 403
    assert buckets(limited) == set()


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_requests_of_any_method_are_counted_once_each(limited: Rig, method: str) -> None:
    changed(limited, "UPDATE plan SET rate_per_s = 4 WHERE name = 'limited'")
    changed(limited, "UPDATE account SET rate_per_s = 4 WHERE name = 'limited'")
    try:
        if method == "POST":
            limited.send(token="limited", servicePlanId=LIMITED)
        else:
            limited.ask(method, f"/v1/messages/sms/{MESSAGE}?servicePlanId={LIMITED}", token="limited")
        # Below 10 a second each request is leased for: what was granted is what was counted.
        rows = limited.sql("SELECT kind, granted, round(tokens::numeric, 1)::float8 FROM rate_bucket ORDER BY kind")
        assert [tuple(row) for row in rows] == [(0, 1, 0.7), (1, 1, 0.7)]
    finally:
        changed(limited, "UPDATE plan SET rate_per_s = NULL WHERE name = 'limited'")
        changed(limited, "UPDATE account SET rate_per_s = NULL WHERE name = 'limited'")


def test_without_its_table_a_limit_is_neither_an_error_nor_a_hang(limited: Rig) -> None:
    limited.sql("ALTER TABLE rate_bucket RENAME TO rate_bucket_away")
    try:
        replies = [limited.send(token="limited", servicePlanId=LIMITED) for _ in range(3)]
    finally:
        limited.sql("ALTER TABLE rate_bucket_away RENAME TO rate_bucket")
    assert [reply.status for reply in replies] == [202] * 3
