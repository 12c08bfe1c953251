"""[[guard]] and [[blocked_range]]: what is not sent since it looks like artificial traffic, or goes to such numbers."""

from __future__ import annotations

from trunkline.admin import kinds
from trunkline.admin.document import REQUIRED, Key, Table
from trunkline.admin.world import World
from trunkline.runtime.kinds import FLAG, TEXT, integer

WHAT = (
    "What is watched of whom a plan writes to; without it nothing is. What a rule stops is accepted and ends FAILED,"
    " with the code that is named. Known by its `plan`."
)
_MOST, _WINDOW = integer(1, 1_000_000), integer(10, 86400)
# Of these the numbers themselves are kept.
_NUMBERS = integer(1, 1000)
KEYS = (
    Key("plan", kinds.REFERENCE, REQUIRED, "The plan: an id, `NAME`, or `ACCOUNT/NAME` where two have the same name."),
    Key("active", FLAG, True, "Whether it is used."),
    Key("recipient_most", _MOST, None, "Messages to one number in a window; 608 beyond.", shown="not watched"),
    Key("recipient_window_s", _WINDOW, 600, "Seconds of that window."),
    Key(
        "range_most",
        _NUMBERS,
        None,
        "Different numbers of one range of 10,000 (all but the last four digits) in a window; 607 beyond.",
        shown="not watched",
    ),
    Key("range_window_s", _WINDOW, 600, "Seconds of that window."),
    Key(
        "sequence_most",
        _NUMBERS,
        None,
        "Different numbers of one block of 100 (all but the last two digits) in a window; 607 beyond.",
        shown="not watched",
    ),
    Key("sequence_window_s", _WINDOW, 600, "Seconds of that window."),
    Key("blocked", kinds.PREFIXES, [], "Prefixes of numbers that it does not write to: 609.", shown="none"),
)
VELOCITY_WHAT = "How many messages a plan may send to what begins with a prefix, in a window; 608 beyond."
VELOCITY_KEYS = (
    Key("prefix", kinds.PREFIX, REQUIRED, "What the numbers begin with, such as `+8821`."),
    Key("most", _MOST, REQUIRED, "So many messages."),
    Key("window_s", _WINDOW, 3600, "In so many seconds."),
)
BLOCKED_WHAT = "Numbers that no plan writes to: messages to them end FAILED 609. Known by its `prefix`."
BLOCKED_KEYS = (
    Key("prefix", kinds.PREFIX, REQUIRED, "What the numbers begin with, such as `+8821`."),
    Key("note", TEXT, None, "Why, for operators.", shown="none"),
    Key("active", FLAG, True, "Whether it is used."),
)


def read(table: Table) -> None:
    """Checks the table and those below it by themselves."""
    table.read(KEYS, also=("velocity",))
    rules = table.tables("velocity")
    prefixes = [rule.raw.get("prefix") for rule in rules]
    for place, rule in enumerate(rules):
        rule.read(VELOCITY_KEYS)
        if prefixes[place] in prefixes[:place]:
            rule.mistake("prefix", f"the guard has another rule for {prefixes[place]}")
        table.is_sound &= rule.is_sound
    table.values["velocity"] = [[rule.values[key.name] for key in VELOCITY_KEYS] for rule in rules]


async def put(world: World, table: Table) -> None:
    """Creates or changes the guard."""
    plan_id = world.plan(table, "plan")
    if not table.is_sound or plan_id is None:
        return
    row_id = next((key for key, row in world.rows["guard"].items() if row["plan_id"] == plan_id), None)
    fields = {**table.values, "plan_id": plan_id}
    del fields["plan"]
    await world.put("guard", row_id, fields, world.rows["plan"][plan_id]["name"])


def read_blocked(table: Table) -> None:
    """Checks the table by itself."""
    table.read(BLOCKED_KEYS)


async def put_blocked(world: World, table: Table) -> None:
    """Creates or changes the range."""
    if not table.is_sound:
        return
    prefix = table.values["prefix"]
    rows = world.rows["blocked_range"].items()
    row_id = next((key for key, row in rows if row["prefix"] == prefix), None)
    fields = {"prefix": prefix, "note": table.values["note"] or "", "active": table.values["active"]}
    await world.put("blocked_range", row_id, fields, prefix)
