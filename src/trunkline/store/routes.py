"""The routes in use, as the index of domain/routes.py; read and put in order a few at a time."""

from __future__ import annotations

from collections.abc import Mapping
from sys import intern
from typing import Any

from trunkline.domain.routes import EVERY_KIND, SENDER_KINDS, Route, Routes
from trunkline.store.db import Connection
from trunkline.store.queries import Queries

_SQL = Queries("provisioning")

_ROWS = 200  # that the loop does nothing else for


async def load(conn: Connection) -> Routes:
    """All routes in use, inside the caller's transaction; other work of the loop goes on in between."""
    routes = Routes(version=await conn.fetchval(_SQL.route_version))
    cursor = await conn.cursor(_SQL.used_routes)
    while rows := await cursor.fetch(_ROWS):
        for row in rows:
            routes.add(_route(row))
    return routes


async def load_alone(conn: Connection) -> Routes:
    """The same, of one moment, in a transaction of its own."""
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        return await load(conn)


def _route(row: Mapping[str, Any]) -> Route:
    fields = dict(row)
    for name in ("prefixes", "networks", "countries"):
        if fields[name] is not None:
            fields[name] = tuple(map(intern, fields[name]))
    kinds = fields.pop("sender_kinds")
    fields["senders"] = EVERY_KIND if kinds is None else sum(SENDER_KINDS[kind] for kind in set(kinds))
    return Route(**fields)
