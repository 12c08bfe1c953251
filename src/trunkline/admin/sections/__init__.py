"""The sections of a set-up file, in the order in which they refer to each other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from trunkline.admin.document import Key, Table
from trunkline.admin.sections import account, carrier, keyword, plan, route, sender
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
    Section("plan", plan.WHAT, plan.KEYS, plan.read, plan.put),
    Section("sender", sender.WHAT, sender.KEYS, sender.read, sender.put),
    Section("carrier", carrier.WHAT, carrier.KEYS, carrier.read, carrier.put),
    Section("route", route.WHAT, route.KEYS, route.read, route.put),
    Section("keyword", keyword.WHAT, keyword.KEYS, keyword.read, keyword.put),
)
# Tables inside tables, for the documentation.
INNER = {"carrier.link": (carrier.LINK_WHAT, carrier.LINK_KEYS)}
