"""[[carrier]] and its [[carrier.link]]: where messages go, and the binds there."""

from __future__ import annotations

import re
import ssl
from dataclasses import fields as fields_of
from pathlib import Path
from typing import Any

from trunkline.admin import err_table, kinds
from trunkline.admin.document import REQUIRED, Key, Table
from trunkline.admin.pointers import pointed
from trunkline.admin.world import World
from trunkline.carriers.dialect import from_mapping
from trunkline.runtime.kinds import FLAG, TEXT, choice, integer, number
from trunkline.runtime.secret import seal
from trunkline.smpp.timers import Timers
from trunkline.smpp.tls import client_context_of
from trunkline.store.provisioning import identity_place, password_place

WHAT = "An SMSC that messages are submitted to, with its links. Known by its `name`."
KEYS = (
    Key("name", kinds.NAME, REQUIRED, "What the carrier is called here and by routes."),
    Key("active", FLAG, None, "Whether its links are bound.", shown="on at creation, then as it is"),
    Key(
        "rate_per_s",
        integer(1, 100_000),
        None,
        "SMS parts a second that it is sent at most. Less where it says that it is too much.",
        shown="what it takes",
    ),
    Key(
        "dialect",
        kinds.TABLE,
        {},
        "How it speaks SMPP, where that is not what SMPP 3.4 says: see [carriers](carriers.md).",
        shown="empty",
    ),
    Key(
        "err_table_file",
        TEXT,
        None,
        "CSV file with the dialect's `err_table`, relative to this one: `err,code` a line; read when this is applied.",
    ),
)
LINK_WHAT = (
    "One set of credentials at the carrier. Known by its `name`. A link that the file no longer names below its carrier"
    " is not bound any more."
)
LINK_KEYS = (
    Key("name", kinds.NAME, REQUIRED, "What the link is called, unique for its carrier."),
    Key("host", TEXT, REQUIRED, "Name or address of the SMSC."),
    Key("port", integer(1, 65535), 2775, "TCP port of the SMSC."),
    Key("system_id", kinds.text(15), REQUIRED, "Who we bind as."),
    Key("password_env", TEXT, None, "The environment variable that holds the password when the file is applied."),
    Key(
        "password_file", TEXT, None, "The file that holds the password, relative to this one; one line end is cut off."
    ),
    Key("system_type", kinds.text(12, empty=True), "", "`system_type` of the bind.", shown="empty"),
    Key(
        "other_hosts",
        kinds.HOSTS,
        [],
        "Hosts to go to, in turn, where the one before does not answer: `NAME` or `NAME:PORT`.",
        shown="none",
    ),
    Key(
        "bind",
        choice("transceiver", "transmitter", "receiver", "pair"),
        "transceiver",
        "The kind of session; `pair` is a transmitter and a receiver.",
    ),
    Key("binds", integer(1, 100), 1, "How many sessions with these credentials."),
    Key("window", integer(1, 10000), 10, "How many submit_sm of a session may be unanswered."),
    Key("tls", FLAG, False, "Whether the connection is TLS; the server's certificate is checked."),
    Key(
        "tls_ca_file", TEXT, None, "PEM file of who signs it, relative to this file.", shown="the system's authorities"
    ),
    Key("tls_server_name", TEXT, None, "Whom it has to be for.", shown="the host"),
    Key("tls_certificate_file", TEXT, None, "PEM file of the certificate that we show."),
    Key("tls_key_file", TEXT, None, "PEM file of its key, without a passphrase.", shown="in the same file"),
    Key("timers", kinds.TABLE, {}, "Seconds by the timer's name, where it is not the default.", shown="empty"),
)
_TIMERS = tuple(one.name for one in fields_of(Timers) if one.name != "sweep_s")
_SECONDS = number(0, 86400)


def read(table: Table) -> None:
    """Checks the table and those of its links by themselves; the links' tables are read again by `put`."""
    table.read(KEYS, also=("link",))
    if table.values["dialect"] and table.values["err_table_file"] is None:
        _check_dialect(table)
    links = table.tables("link")
    names = [link.raw.get("name") for link in links]
    for place, link in enumerate(links):
        _read_link(link)
        if link.raw.get("name") in names[:place]:
            link.mistake("name", f"the carrier has another link called {link.raw['name']}")
        table.is_sound &= link.is_sound
    table.values["links"] = links


def _check_dialect(table: Table) -> None:
    try:
        from_mapping(table.values["dialect"])
    except ValueError as error:
        table.mistake("dialect", str(error))


def _read_link(link: Table) -> None:
    link.read(LINK_KEYS)
    values = link.values
    if (values["password_env"] is None) == (values["password_file"] is None):
        link.mistake("", "carrier.link needs either password_env or password_file")
    for name, seconds in (values["timers"] or {}).items():
        if name not in _TIMERS:
            link.mistake("timers", f"timers has no key {name}; there are {', '.join(_TIMERS)}")
            continue
        try:
            values["timers"] = {**values["timers"], name: _SECONDS.read(seconds)}
        except ValueError as error:
            link.mistake("timers", f"timers.{name} must be {error}")


async def put(world: World, table: Table) -> None:
    """Creates or changes the carrier and its links; links that are not named any more are retired."""
    values = table.values
    _read_err_table(world, table)
    passwords = [_password(world, link) for link in values["links"]]
    identities = [_tls(world, link) for link in values["links"]]
    if not table.is_sound or not all(link.is_sound for link in values["links"]):
        return
    name = values["name"]
    carrier_id = next((key for key, row in world.rows["carrier"].items() if row["name"] == name), None)
    was_active = world.rows["carrier"][carrier_id]["active"] if carrier_id is not None else True
    active = was_active if values["active"] is None else values["active"]
    fields = {"name": name, "active": active, "dialect": values["dialect"], "rate_per_s": values["rate_per_s"]}
    carrier_id = await world.put("carrier", carrier_id, fields, name)
    left = {row["name"]: key for key, row in world.rows["link"].items() if row["carrier_id"] == carrier_id}
    for link, password, identity in zip(values["links"], passwords, identities, strict=True):
        assert password is not None
        link_name = link.values["name"]
        row_id = left.pop(link_name, None)
        known = world.rows["link"].get(row_id) if row_id is not None else None
        same = known is not None and world.password_of(known) == password
        sealed = known["password"] if known and same else _sealed(world, password, password_place(name, link_name))
        fields = _fields(link.values, carrier_id, sealed)
        if identity is not None:
            same = known is not None and world.identity_of(known) == identity
            fields["tls_identity"] = (
                known["tls_identity"] if known and same else _sealed(world, identity, identity_place(name, link_name))
            )
        await world.put("link", row_id, fields, f"{name}/{link_name}")
    for link_name, row_id in left.items():
        if world.rows["link"][row_id]["active"]:
            await world.put("link", row_id, {**world.rows["link"][row_id], "active": False}, f"{name}/{link_name}")


def _password(world: World, link: Table) -> str | None:
    """The password that the link's table points to. SMPP 3.4 §4.1.1 has up to 8 characters; carriers give out more."""
    password = pointed(world.around, link, "password")
    if password is None:
        return None
    try:
        return str(kinds.text(64).read(password))
    except ValueError as error:
        key = "password_env" if link.values["password_env"] is not None else "password_file"
        link.mistake(key, f"the password must be {error}")
        return None


def _sealed(world: World, secret: str, place: str) -> bytes:
    """A secret, sealed. One that is stored already is left as it is: sealing it again would look like a change."""
    return seal(world.around.secret_key, secret.encode(), place)


def _read_err_table(world: World, table: Table) -> None:
    """The error table of a file becomes part of the dialect."""
    name = table.values["err_table_file"]
    if name is None:
        return
    text = _text_of(world, table, "err_table_file")
    if text is None:
        return
    if "err_table" in table.values["dialect"]:
        table.mistake("dialect", "dialect.err_table: there is an err_table_file as well")
        return
    found, mistakes = err_table.read(text)
    for mistake in mistakes:
        table.mistake("err_table_file", f"{name}, {mistake}")
    table.values["dialect"] = {"err_profile": "table", **table.values["dialect"], "err_table": found}
    if table.is_sound:
        _check_dialect(table)


def _tls(world: World, link: Table) -> str | None:
    """Reads the link's PEM files: `tls_ca` becomes a value of it, our certificate with its key is returned."""
    values = link.values
    values["tls_ca"] = _text_of(world, link, "tls_ca_file")
    identity = _text_of(world, link, "tls_certificate_file")
    key = _text_of(world, link, "tls_key_file")
    given = [name for name in _TLS_KEYS if values[name] is not None]
    if given and not values["tls"]:
        link.mistake(given[0], f"{given[0]} is for a link with tls = true")
    elif values["tls_key_file"] is not None and values["tls_certificate_file"] is None:
        link.mistake("tls_key_file", "tls_key_file goes with tls_certificate_file")
    if not link.is_sound or not given:
        return None
    identity = None if identity is None else identity + "\n" + (key or "")
    for name, ca, shown in (("tls_ca_file", values["tls_ca"], None), ("tls_certificate_file", None, identity)):
        try:
            client_context_of(ca, shown)
        except (ssl.SSLError, ValueError) as error:
            link.mistake(name, f"{name} cannot be used: {_reason(error)}")
    return identity


_TLS_KEYS = ("tls_ca_file", "tls_server_name", "tls_certificate_file", "tls_key_file")


def _reason(error: Exception) -> str:
    """What OpenSSL says, without its numbers."""
    reason = getattr(error, "reason", None) or str(error)
    return re.sub(r"[\s_]+", " ", reason).lower()


def _text_of(world: World, table: Table, key: str) -> str | None:
    """The text of the file that a key names, if it does and can be read; None with a mistake where it cannot."""
    name = table.values[key]
    if name is None:
        return None
    path: Path = world.around.folder / name
    try:
        return path.read_text("utf-8")
    except OSError as error:
        table.mistake(key, f"cannot read {name}: {error.strerror}")
    except UnicodeDecodeError:
        table.mistake(key, f"{name} is not text in UTF-8")
    return None


def _fields(values: dict[str, Any], carrier_id: int, sealed: bytes) -> dict[str, Any]:
    return {
        "carrier_id": carrier_id,
        "name": values["name"],
        "host": values["host"],
        "port": values["port"],
        "system_id": values["system_id"],
        "password": sealed,
        "system_type": values["system_type"],
        "bind_mode": values["bind"],
        "bind_count": values["binds"],
        "send_window": values["window"],
        "tls": values["tls"],
        "timers": values["timers"],
        "active": True,
        "other_hosts": values["other_hosts"],
        "tls_ca": values["tls_ca"],
        "tls_identity": None,
        "tls_server_name": values["tls_server_name"],
    }
