"""[[keyword]]: a word of a plan's own that messages from handsets may begin with."""

from __future__ import annotations

from trunkline.admin import kinds
from trunkline.admin.document import REQUIRED, Key, Table
from trunkline.admin.world import World
from trunkline.domain.consent import Does
from trunkline.mo.keywords import family
from trunkline.runtime.kinds import FLAG, choice

WHAT = (
    "A word of a plan's own that messages to its senders may begin with. Known by its plan, `address` and `word`."
    " Of several plans that share an address, the one whose keyword a message begins with gets it."
)
KEYS = (
    Key("plan", kinds.REFERENCE, REQUIRED, "The plan, as for a sender."),
    Key("word", kinds.WORD, REQUIRED, "The word; case and accents do not count."),
    Key("address", kinds.ADDRESS, None, "The sender that it is for.", shown="every sender of the plan"),
    Key(
        "does",
        choice(*(str(does) for does in reversed(Does))),
        "reply",
        "What it does beside being delivered: it is answered, or it is one more word for STOP, START or HELP.",
    ),
    Key("reply", kinds.REPLY, None, "What is answered; empty: nothing.", shown="the plan's text for what it does"),
    Key("active", FLAG, None, "Whether it counts.", shown="on at creation, then as it is"),
)


def read(table: Table) -> None:
    """Checks the table by itself."""
    table.read(KEYS)
    word, does = table.values["word"], table.values["does"]
    if word is None or does is None:
        return
    known = family([word])
    if known is not None and known.does in (Does.STOP, Does.START) and known.does != does:
        table.mistake("does", f"{word.upper()} means {known.does.upper()} everywhere, and can do nothing else")


async def put(world: World, table: Table) -> None:
    """Creates or changes the keyword."""
    values = table.values
    plan_id = world.plan(table, "plan")
    if not table.is_sound or plan_id is None:
        return
    address, word = values["address"], values["word"]
    row_id, fits = _row_id(world, table, plan_id)
    if not fits:
        return
    was_active = world.rows["keyword"][row_id]["active"] if row_id is not None else True
    fields = {
        "plan_id": plan_id,
        "address": address,
        "word": word,
        "does": values["does"],
        "reply": values["reply"],
        "active": was_active if values["active"] is None else values["active"],
    }
    at = f" at {address}" if address is not None else ""
    await world.put("keyword", row_id, fields, f"{word}{at} of {world.rows['plan'][plan_id]['name']}")


def _row_id(world: World, table: Table, plan_id: int) -> tuple[int | None, bool]:
    """The row that the table is about, if there is one, and whether it can be."""
    address, word, found = table.values["address"], table.values["word"], None
    senders = {(row["plan_id"], row["address"]) for row in world.rows["sender"].values()}
    if address is not None and (plan_id, address) not in senders:
        table.mistake("address", f"plan {table.values['plan']} has no sender {address}")
    for key, row in world.rows["keyword"].items():
        if (row["address"], row["word"]) == (address, word):
            if row["plan_id"] == plan_id:
                found = key
            elif address is not None and row["active"]:
                other = world.rows["plan"][row["plan_id"]]["name"]
                table.mistake("word", f"{word} at {address} is a keyword of plan {other}")
    return found, table.is_sound
