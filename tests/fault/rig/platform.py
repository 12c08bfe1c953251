"""An installation for the fault tests, in the foreground: the real roles, one account, plan and carrier laid first.

Settings come from the environment, the layout as JSON in the first argument. Once all roles are ready one line of JSON
goes to standard output; the log goes to standard error.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from trunkline.domain import token
from trunkline.roles.serve import run
from trunkline.runtime import log
from trunkline.runtime.secret import seal, secret_key
from trunkline.runtime.settings import Settings, load
from trunkline.store import provisioning
from trunkline.store.db import connect
from trunkline.store.provisioning import hook_secret_place, password_place
from trunkline.webhooks import sign

ACCOUNT, PLAN = "1" * 24, "2" * 24
PREPAID = """
INSERT INTO price_list (name, currency) VALUES ('standard', 'EUR');
INSERT INTO price (price_list_id, price_micro, ptf_micro) VALUES (1, 7500, 1250);
INSERT INTO term (plan_id, price_list_id, prepaid) SELECT plan_id, 1, 0 FROM plan;
INSERT INTO balance (kind, subject_id, currency, left_micro) SELECT 0, account_id, 'EUR', 1000000000 FROM account;
INSERT INTO balance_entry (kind, subject_id, micro, at, actor, note)
    SELECT kind, subject_id, left_micro, now(), 'test', '' FROM balance;
"""


async def lay(settings: Settings, layout: dict[str, Any]) -> str:
    """Makes account, plan, sender, carrier, route and token; returns the token."""
    key = secret_key(settings)
    assert settings.database.url is not None
    conn = await connect(settings.database.url, name="lay")
    try:
        account = await conn.fetchval(
            "INSERT INTO account (public_id, name, rate_per_s) VALUES ($1, 'a', 0) RETURNING account_id", ACCOUNT
        )
        plan = await conn.fetchval(
            "INSERT INTO plan (public_id, account_id, name, at_least_once, resolve_after_s, hook_secrets, rate_per_s)"
            " VALUES ($1, $2, 'p', $3, $4, $5, 0) RETURNING plan_id",
            PLAN, account, layout["at_least_once"], layout["resolve_after_s"],
            [seal(key, sign.secret_key(layout["secret"]), hook_secret_place(PLAN))],
        )  # fmt: skip
        await conn.execute("INSERT INTO sender (plan_id, address) VALUES ($1, '12345')", plan)
        carrier = await conn.fetchval(
            "INSERT INTO carrier (name, dialect) VALUES ('smsc', $1::jsonb) RETURNING carrier_id",
            json.dumps(layout["dialect"]),
        )
        await conn.execute(
            "INSERT INTO link (carrier_id, name, host, port, system_id, password, bind_count, send_window, timers)"
            " VALUES ($1, 'l', '127.0.0.1', $2, 'trunk', $3, $4, $5, $6::jsonb)",
            carrier, layout["smsc_port"], seal(key, b"pw", password_place("smsc", "l")), layout["binds"],
            layout["window"], json.dumps(layout["timers"]),
        )  # fmt: skip
        await conn.execute("INSERT INTO route (name, carrier_id) VALUES ('default', $1)", carrier)
        if layout["prepaid"]:
            await conn.execute(PREPAID)
        issued = token.issue()
        await provisioning.insert_token(
            conn, account_id=account, label="test", hash=issued.hash, scopes=frozenset({"messages:send"}),
            plan_ids=None, networks=None, expires_after_s=None,
        )  # fmt: skip
        return issued.token
    finally:
        await conn.close()


def main() -> None:
    layout = json.loads(sys.argv[1])
    told: dict[str, Any] = {"plan": PLAN}

    def prepare(settings: Settings) -> None:
        told["database"] = settings.database.url
        told["token"] = asyncio.run(lay(settings, layout))

    def started(settings: Settings) -> None:
        print(json.dumps({**told, "port": settings.http.port}), flush=True)

    settings = load()
    log.configure(level="info")
    sys.exit(run(settings, layout["roles"], prepare=prepare, started=started))


if __name__ == "__main__":
    main()
