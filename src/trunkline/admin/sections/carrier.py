"""[[carrier]] and its [[carrier.link]]: where messages go, and the binds there."""

from __future__ import annotations

from dataclasses import fields as fields_of
from typing import Any

from trunkline.admin import kinds
from trunkline.admin.document import REQUIRED, Key, Table
from trunkline.admin.pointers import pointed
from trunkline.admin.world import World
from trunkline.carriers.dialect import from_mapping
from trunkline.runtime.kinds import FLAG, TEXT, choice, integer, number
from trunkline.runtime.secret import seal
from trunkline.smpp.timers import Timers
from trunkline.store.provisioning import password_place

WHAT = "An SMSC that messages are submitted to, with its links. Known by its `name`."
KEYS = (
    Key("name", kinds.NAME, REQUIRED, "What the carrier is called here and by routes."),
    Key("active", FLAG, None, "Whether its links are bound.", shown="on at creation, then as it is"),
    Key("dialect", kinds.TABLE, {}, "How it speaks SMPP, where that is not what SMPP 3.4 says.", shown="empty"),
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
    Key("bind", choice("transceiver", "transmitter", "receiver"), "transceiver", "The kind of session."),
    Key("binds", integer(1, 100), 1, "How many sessions with these credentials."),
    Key("window", integer(1, 10000), 10, "How many submit_sm of a session may be unanswered."),
    Key("tls", FLAG, False, "Whether the connection is TLS; the certificate is checked."),
    Key("timers", kinds.TABLE, {}, "Seconds by the timer's name, where it is not the default.", shown="empty"),
)
_TIMERS = tuple(one.name for one in fields_of(Timers) if one.name != "sweep_s")
_SECONDS = number(0, 86400)


def read(table: Table) -> None:
    """Checks the table and those of its links by themselves; the links' tables are read again by `put`."""
    table.read(KEYS, also=("link",))
    if table.values["dialect"]:
        try:
            from_mapping(table.values["dialect"])
        except ValueError as error:
            table.mistake("dialect", str(error))
    links = table.tables("link")
    names = [link.raw.get("name") for link in links]
    for place, link in enumerate(links):
        _read_link(link)
        if link.raw.get("name") in names[:place]:
            link.mistake("name", f"the carrier has another link called {link.raw['name']}")
        table.is_sound &= link.is_sound
    table.values["links"] = links


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
    passwords = [_password(world, link) for link in values["links"]]
    if not table.is_sound or not all(link.is_sound for link in values["links"]):
        return
    name = values["name"]
    carrier_id = next((key for key, row in world.rows["carrier"].items() if row["name"] == name), None)
    was_active = world.rows["carrier"][carrier_id]["active"] if carrier_id is not None else True
    active = was_active if values["active"] is None else values["active"]
    fields = {"name": name, "active": active, "dialect": values["dialect"]}
    carrier_id = await world.put("carrier", carrier_id, fields, name)
    left = {row["name"]: key for key, row in world.rows["link"].items() if row["carrier_id"] == carrier_id}
    for link, password in zip(values["links"], passwords, strict=True):
        assert password is not None
        row_id = left.pop(link.values["name"], None)
        sealed = _sealed(world, row_id, password, password_place(name, link.values["name"]))
        await world.put("link", row_id, _fields(link.values, carrier_id, sealed), f"{name}/{link.values['name']}")
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


def _sealed(world: World, row_id: int | None, password: str, place: str) -> bytes:
    """The password, sealed; as it is stored where it is the same, because sealing it again would look like a change."""
    if row_id is not None and world.password_of(world.rows["link"][row_id]) == password:
        sealed: bytes = world.rows["link"][row_id]["password"]
        return sealed
    return seal(world.around.secret_key, password.encode(), place)


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
    }
