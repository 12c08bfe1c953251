"""[[plan]]: a service plan of an account, which messages are sent under."""

from __future__ import annotations

import base64
import secrets
from typing import Any

from trunkline.admin import kinds
from trunkline.admin.document import REQUIRED, Key, Table
from trunkline.admin.sections import consent, terms
from trunkline.admin.world import World
from trunkline.domain.provisioning import PLAN_RATE_PER_S
from trunkline.runtime.kinds import FLAG, TEXT, choice, integer
from trunkline.runtime.secret import seal
from trunkline.store.provisioning import hook_secret_place
from trunkline.text.segment import MOST_PARTS

WHAT = "A service plan of an account. Known by its `id`, or by its account and `name` where no `id` is given."
KEYS = (
    Key("name", kinds.NAME, REQUIRED, "What the plan is called here and by other sections."),
    Key("account", kinds.REFERENCE, REQUIRED, "The account that it belongs to, by name or id."),
    Key("id", kinds.ID, None, "The `servicePlanId` that customers send.", shown="made at creation"),
    Key("active", FLAG, None, "Whether it may send.", shown="on at creation, then as it is"),
    Key("dlr_url", TEXT, None, "Where receipts go of messages without a `callbackUrl`.", shown="the account's"),
    Key("mo_url", TEXT, None, "Where messages to its senders go.", shown="the account's"),
    Key(
        "submit",
        choice("at_most_once", "at_least_once"),
        "at_most_once",
        "What happens to a message whose submission was cut off: it ends UNKNOWN, or it is sent again once.",
    ),
    Key(
        "resolve_after_s",
        integer(1, 86400),
        None,
        "Seconds that a receipt is waited for before that.",
        shown="`600`; `20` with `at_least_once`",
    ),
    Key("validity_s", integer(60, 259200), 259200, "Seconds that a message is worth delivering, unless it says so."),
    Key("priority", integer(-100, 100), 0, "Plans with more go first."),
    Key("unknown_events", FLAG, True, "Whether webhooks tell UNKNOWN, or only what corrects it."),
    Key("sent_events", FLAG, False, "Whether webhooks tell SENT as well."),
    Key("countries", kinds.COUNTRIES, None, "The countries that it may send to.", shown="every country"),
    Key("rate_per_s", kinds.RATE, None, "Requests to the API a second.", shown=f"`{PLAN_RATE_PER_S}`"),
    Key(
        "transliterate",
        choice("off", "gsm7"),
        "off",
        "Whether quotes, dashes, spaces and other typography that GSM-7 lacks are sent as GSM-7 has them, where that"
        " makes the whole text GSM-7.",
    ),
    Key(
        "max_segments",
        integer(1, MOST_PARTS),
        None,
        "SMS parts that a message may have; longer ones are refused.",
        shown="as many as its text takes",
    ),
    Key("weight", integer(1, 100), 1, "Its share of a carrier, beside other plans of its priority."),
    Key(
        "messages_per_s",
        integer(1, 1_000_000),
        None,
        "Messages a second that are sent at most; more wait in the queue.",
        shown="as its carriers take them",
    ),
    *terms.KEYS,
    *consent.KEYS,
    Key(
        "callback_origins",
        kinds.TEXTS,
        None,
        'Origins such as `"https://example.com"` that a `callbackUrl` may be of.',
        shown="any",
    ),
)


def read(table: Table) -> None:
    """Checks the table by itself."""
    table.read(KEYS)
    terms.check(table)
    consent.check(table)


async def put(world: World, table: Table) -> None:
    """Creates or changes the plan; a new one gets a webhook secret."""
    values = table.values
    world.check_url(table, "dlr_url")
    world.check_url(table, "mo_url")
    if values["callback_origins"] is not None:
        origins = [world.origin(table, "callback_origins", one) for one in values["callback_origins"]]
        values["callback_origins"] = sorted({one for one in origins if one is not None})
    account_id = world.account(table, "account")
    if not table.is_sound or account_id is None:
        return
    row_id, fits = _row_id(world, table, account_id)
    if not fits:
        return
    before = world.rows["plan"][row_id] if row_id is not None else None
    fields = _fields(values, account_id, before)
    if before is None:
        key = secrets.token_bytes(32)
        fields["hook_secrets"] = [seal(world.around.secret_key, key, hook_secret_place(fields["public_id"]))]
        world.secrets[fields["public_id"]] = "whsec_" + base64.b64encode(key).decode()
    row_id = await world.put("plan", row_id, fields, f"{values['name']} ({fields['public_id']})")
    await terms.put(world, table, row_id, account_id)


def _row_id(world: World, table: Table, account_id: int) -> tuple[int | None, bool]:
    """The row that the table is about, if there is one, and whether it can be."""
    values = table.values
    rows = world.rows["plan"]
    same_name = [key for key, row in rows.items() if (row["account_id"], row["name"]) == (account_id, values["name"])]
    if values["id"] is None:
        if len(same_name) > 1:
            table.mistake("name", f"the account has more than one plan called {values['name']}: give the id")
        return (same_name[0] if same_name else None), table.is_sound
    found = [key for key, row in rows.items() if row["public_id"] == values["id"]]
    if not found and same_name:
        table.mistake("id", f"plan {values['name']} exists with the id {rows[same_name[0]]['public_id']}")
    if found and rows[found[0]]["account_id"] != account_id:
        table.mistake("account", f"plan {values['id']} belongs to another account, and plans do not move")
    return (found[0] if found else None), table.is_sound


def _fields(values: dict[str, Any], account_id: int, before: dict[str, Any] | None) -> dict[str, Any]:
    resend = values["submit"] == "at_least_once"
    resolve_after_s = values["resolve_after_s"]
    return {
        "public_id": before["public_id"] if before else values["id"] or secrets.token_hex(12),
        "account_id": account_id,
        "name": values["name"],
        "active": values["active"] if values["active"] is not None else before["active"] if before else True,
        "dlr_url": values["dlr_url"],
        "mo_url": values["mo_url"],
        "at_least_once": resend,
        "resolve_after_s": resolve_after_s if resolve_after_s is not None else 20 if resend else 600,
        "validity_s": values["validity_s"],
        "priority": values["priority"],
        "unknown_events": values["unknown_events"],
        "sent_events": values["sent_events"],
        "countries": values["countries"],
        "rate_per_s": values["rate_per_s"],
        "transliterate": values["transliterate"] == "gsm7",
        "max_segments": values["max_segments"],
        "weight": values["weight"],
        "messages_per_s": values["messages_per_s"],
        "consent": consent.stored(values),
        "callback_origins": values["callback_origins"],
        "hook_secrets": before["hook_secrets"] if before else [],
    }
