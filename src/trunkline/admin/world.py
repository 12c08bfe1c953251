"""One application of a set-up file: the rows as they are, changed step by step inside one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trunkline.admin.document import Table, near
from trunkline.domain.callback import Policy, check
from trunkline.runtime.secret import unseal
from trunkline.store import audit, provisioning, receivers
from trunkline.store.db import Connection
from trunkline.store.receivers import Credentials

_HOST = "a public host name or address, or one of callback_allowed_networks"
# What audit rows and reports must not show.
_SECRET = frozenset({"password", "hook_secrets", "credentials", "tls_identity"})


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one thing that the file names."""

    kind: str
    title: str
    what: str  # created, changed, unchanged
    fields: tuple[str, ...] = ()  # that changed


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a file's meaning depends on besides itself."""

    secret_key: bytes
    policy: Policy
    environ: Mapping[str, str] = field(repr=False)
    folder: Path  # that `password_file` is relative to
    actor: str


@dataclass(slots=True)
class World:
    """The rows of every table by id, kept equal to what this transaction sees, and what has been done so far."""

    conn: Connection
    around: Surroundings
    rows: dict[str, dict[int, dict[str, Any]]]
    broken: set[tuple[str, str]]  # (section, name) of tables with mistakes: a reference to one is no further mistake
    changes: list[Change] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)  # plan's public id → its new webhook secret
    _routes: dict[str, int] | None = None  # by name, as they were: a file names each once

    @classmethod
    async def locked(cls, conn: Connection, around: Surroundings, broken: set[tuple[str, str]]) -> World:
        """The world as it is, held still against other changes until the transaction ends.

        Raises SealBroken where it was stored under another key: passwords under two keys would open nowhere.
        """
        await provisioning.lock(conn)
        rows = {table: await provisioning.rows(conn, table) for table in provisioning.COLUMNS}
        world = cls(conn, around, rows, broken)
        for row in rows["link"].values():
            world.password_of(row)
            world.identity_of(row)
        for row in rows["plan"].values():
            for sealed in row["hook_secrets"]:
                unseal(around.secret_key, sealed, provisioning.hook_secret_place(row["public_id"]))
        for row in rows["receiver"].values():
            world.credentials_of(row)
        return world

    def password_of(self, link: Mapping[str, Any]) -> str:
        """A stored link's password in the clear."""
        place = provisioning.password_place(self.rows["carrier"][link["carrier_id"]]["name"], link["name"])
        return unseal(self.around.secret_key, link["password"], place).decode()

    def credentials_of(self, receiver: Mapping[str, Any]) -> Credentials:
        """What a stored receiver is given, in the clear."""
        place = self.credentials_place(receiver["account_id"], receiver["origin"])
        return receivers.opened(self.around.secret_key, receiver["credentials"], place)

    def credentials_place(self, account_id: int, origin: str) -> str:
        """The context that an account's credentials for an origin are sealed for."""
        return receivers.place(self.rows["account"][account_id]["public_id"], origin)

    def identity_of(self, link: Mapping[str, Any]) -> str | None:
        """A stored link's certificate and key in the clear, if it has them."""
        if link["tls_identity"] is None:
            return None
        place = provisioning.identity_place(self.rows["carrier"][link["carrier_id"]]["name"], link["name"])
        return unseal(self.around.secret_key, link["tls_identity"], place).decode()

    async def put(self, kind: str, row_id: int | None, fields: dict[str, Any], title: str) -> int:
        """Makes the row so, if it is not, with its audit row; returns its id."""
        before = self.rows[kind].get(row_id) if row_id is not None else None
        changed = tuple(name for name in fields if before is not None and fields[name] != before[name])
        if before is not None and not changed:
            self.changes.append(Change(kind, title, "unchanged"))
            assert row_id is not None
            return row_id
        row_id = await provisioning.put(self.conn, kind, row_id, fields)
        self.rows[kind][row_id] = fields
        what = "created" if before is None else "changed"
        self.changes.append(Change(kind, title, what, changed))
        shown = {name: None if name in _SECRET else fields[name] for name in changed or fields}
        await audit.record(self.conn, self.around.actor, f"{kind}.{what}", f"{kind} {title}", shown)
        return row_id

    async def note(self, kind: str, what: str, title: str, detail: Mapping[str, Any]) -> None:
        """Reports a change that is no row of `rows`, with its audit row."""
        self.changes.append(Change(kind, title, what))
        await audit.record(self.conn, self.around.actor, f"{kind}.{what}", f"{kind} {title}", detail)

    def route_named(self, name: str) -> int | None:
        """The id of a route, if there is one of that name; at the cost of one look-up, since there may be many."""
        if self._routes is None:
            self._routes = {row["name"]: row_id for row_id, row in self.rows["route"].items()}
        return self._routes.get(name)

    def account(self, table: Table, key: str) -> int | None:
        """The id of the account that `key` names, by name or public id; None is a mistake that has been noted."""
        return self._find(table, key, "account", table.values[key])

    def carrier(self, table: Table, key: str) -> int | None:
        """The id of the carrier that `key` names."""
        return self._find(table, key, "carrier", table.values[key])

    def plan(self, table: Table, key: str) -> int | None:
        """The id of the plan that `key` names: a public id, `NAME`, or `ACCOUNT/NAME` where names are not unique."""
        return self._find(table, key, "plan", table.values[key])

    def price_list(self, table: Table, key: str) -> int | None:
        """The id of the price list that `key` names."""
        return self._find(table, key, "price_list", table.values[key])

    def names(self, kind: str, row: Mapping[str, Any]) -> list[str]:
        """What a row may be called by."""
        if kind in ("carrier", "price_list"):
            return [row["name"]]
        if kind == "plan":
            account = self.rows["account"][row["account_id"]]
            return [row["name"], row["public_id"], f"{account['name']}/{row['name']}"]
        return [row["name"], row["public_id"]]

    def check_url(self, table: Table, key: str) -> None:
        """Notes a mistake where the value is no URL that webhooks may be sent to."""
        url = table.values[key]
        if url is not None and check(url, policy=self.around.policy) is None:
            table.mistake(key, f"{key} must be {self._scheme} URL with {_HOST}")

    def origin(self, table: Table, key: str, text: str) -> str | None:
        """The origin that `text` names, as `Callback.origin` writes it; None is a mistake that has been noted."""
        target = check(text, policy=self.around.policy)
        if target is None or target.path != "/" or "#" in text:
            table.mistake(key, f"{key} must be {self._scheme} origin such as https://example.com, with {_HOST}")
            return None
        return target.origin

    @property
    def _scheme(self) -> str:
        return "an http or https" if self.around.policy.allow_http else "an https"

    def _find(self, table: Table, key: str, kind: str, name: str | None) -> int | None:
        if name is None:
            return None
        found = [row_id for row_id, row in self.rows[kind].items() if name in self.names(kind, row)]
        if len(found) == 1:
            return found[0]
        if found:
            table.mistake(key, f"more than one {kind} is called {name}: give its id")
        elif (kind, name) in self.broken or (kind == "plan" and (kind, name.rpartition("/")[2]) in self.broken):
            table.is_sound = False
        else:
            known = [row["name"] for row in self.rows[kind].values()]
            known += [called for other, called in self.broken if other == kind]
            table.mistake(key, f"there is no {kind} {name}{near(name, known)}")
        return None
