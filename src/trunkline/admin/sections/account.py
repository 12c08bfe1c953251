"""[[account]]: a customer."""

from __future__ import annotations

import secrets

from trunkline.admin import kinds
from trunkline.admin.document import REQUIRED, Key, Table
from trunkline.admin.world import World
from trunkline.domain.provisioning import ACCOUNT_RATE_PER_S
from trunkline.runtime.kinds import FLAG, TEXT

WHAT = "A customer. Known by its `id`, or by its `name` where no `id` is given."
KEYS = (
    Key("name", kinds.NAME, REQUIRED, "What the account is called here and by other sections."),
    Key("id", kinds.ID, None, "The `accountId` that customers see.", shown="made at creation"),
    Key("active", FLAG, None, "Whether its plans may send.", shown="on at creation, then as it is"),
    Key("dlr_url", TEXT, None, "Where receipts go that neither message nor plan has a URL for."),
    Key("mo_url", TEXT, None, "Where inbound messages go that the plan has no URL for."),
    Key(
        "rate_per_s",
        kinds.RATE,
        None,
        "Requests to the API a second, over all its plans.",
        shown=f"`{ACCOUNT_RATE_PER_S}`",
    ),
)


def read(table: Table) -> None:
    """Checks the table by itself."""
    table.read(KEYS)


async def put(world: World, table: Table) -> None:
    """Creates or changes the account."""
    values = table.values
    world.check_url(table, "dlr_url")
    world.check_url(table, "mo_url")
    same_name = [key for key, row in world.rows["account"].items() if row["name"] == values["name"]]
    if values["id"] is not None:
        found = [key for key, row in world.rows["account"].items() if row["public_id"] == values["id"]]
        if not found and same_name:
            other = world.rows["account"][same_name[0]]["public_id"]
            table.mistake("id", f"account {values['name']} exists with the id {other}")
    else:
        found = same_name
        if len(found) > 1:
            table.mistake("name", f"more than one account is called {values['name']}: give the id")
    if not table.is_sound:
        return
    row_id = found[0] if found else None
    before = world.rows["account"][row_id] if row_id is not None else None
    fields = {
        "public_id": before["public_id"] if before else values["id"] or secrets.token_hex(12),
        "name": values["name"],
        "active": values["active"] if values["active"] is not None else before["active"] if before else True,
        "dlr_url": values["dlr_url"],
        "mo_url": values["mo_url"],
        "rate_per_s": values["rate_per_s"],
    }
    await world.put("account", row_id, fields, f"{fields['name']} ({fields['public_id']})")
