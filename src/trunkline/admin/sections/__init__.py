"""The sections of a set-up file, in the order in which they refer to each other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from trunkline.admin.document import Key, Table
from trunkline.admin.sections import account, carrier, guard, keyword, plan, price_list, receiver, route, sender
from trunkline.admin.world import World


@dataclass(frozen=True, slots=True)
class Section:
    """`read` checks a table by itself; `put` notes what in the world stands against it, and if nothing does and the
    table is sound, makes the world so."""

    name: str
    what: str
    keys: Sequence[Key]
    read: Callable[[Table], None]
    put: Callable[[World, Table], Awaitable[None]]


SECTIONS = (
    Section("account", account.WHAT, account.KEYS, account.read, account.put),
    Section("price_list", price_list.WHAT, price_list.KEYS, price_list.read, price_list.put),
    Section("plan", plan.WHAT, plan.KEYS, plan.read, plan.put),
    Section("sender", sender.WHAT, sender.KEYS, sender.read, sender.put),
    Section("receiver", receiver.WHAT, receiver.KEYS, receiver.read, receiver.put),
    Section("carrier", carrier.WHAT, carrier.KEYS, carrier.read, carrier.put),
    Section("route", route.WHAT, route.KEYS, route.read, route.put),
    Section("guard", guard.WHAT, guard.KEYS, guard.read, guard.put),
    Section("blocked_range", guard.BLOCKED_WHAT, guard.BLOCKED_KEYS, guard.read_blocked, guard.put_blocked),
    Section("keyword", keyword.WHAT, keyword.KEYS, keyword.read, keyword.put),
)
# Tables inside tables, for the documentation.
INNER = {
    "price_list.price": (price_list.PRICE_WHAT, price_list.PRICE_KEYS),
    "carrier.link": (carrier.LINK_WHAT, carrier.LINK_KEYS),
    "guard.velocity": (guard.VELOCITY_WHAT, guard.VELOCITY_KEYS),
}
