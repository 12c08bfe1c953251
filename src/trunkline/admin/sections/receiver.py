"""[[receiver]]: what webhooks carry for a customer's server, bound to its origin."""

from __future__ import annotations

import ssl
from base64 import b64encode
from collections.abc import Iterator

from trunkline.admin import kinds
from trunkline.admin.document import REQUIRED, Key, Table
from trunkline.admin.pointers import from_environment, from_file, pointed
from trunkline.admin.world import World
from trunkline.runtime.kinds import TEXT
from trunkline.store import receivers
from trunkline.store.receivers import Credentials
from trunkline.webhooks.headers import header_lines
from trunkline.webhooks.tls import tls_context

WHAT = (
    "What webhooks carry for a customer's server: headers, a login, a client certificate. They are sent to this origin"
    " and to no other. Known by its account, `plan` and `origin`; one with nothing to carry takes away what was there."
)
KEYS = (
    Key("account", kinds.REFERENCE, REQUIRED, "The account whose webhooks carry it, by name or id."),
    Key("origin", TEXT, REQUIRED, "Scheme, host and port of the server, such as `https://example.com`."),
    Key("plan", kinds.REFERENCE, None, "The only plan whose webhooks carry it.", shown="every plan of the account"),
    Key("headers", kinds.HEADERS, {}, "Headers that are no secret, by name.", shown="empty"),
    Key(
        "headers_env",
        kinds.HEADERS,
        {},
        "By header, the environment variable that holds its value when the file is applied.",
        shown="empty",
    ),
    Key(
        "headers_file",
        kinds.HEADERS,
        {},
        "By header, the file that holds its value, relative to this one; one line end is cut off.",
        shown="empty",
    ),
    Key("user", kinds.text(255), None, "User name for HTTP Basic authentication."),
    Key("password_env", TEXT, None, "The environment variable with the password of `user`."),
    Key("password_file", TEXT, None, "The file with the password of `user`."),
    Key("bearer_env", TEXT, None, "The environment variable with a token that is sent as `Authorization: Bearer`."),
    Key("bearer_file", TEXT, None, "The file with such a token."),
    Key("client_cert_file", TEXT, None, "PEM file with the certificate chain that we show the server (mutual TLS)."),
    Key("client_key_env", TEXT, None, "The environment variable with the key of `client_cert_file`, PEM."),
    Key("client_key_file", TEXT, None, "The file with the key of `client_cert_file`."),
)
_SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})
_HEAD_LIMIT = 4096


def read(table: Table) -> None:
    """Checks the table by itself."""
    table.read(KEYS)
    values = table.values
    for name in ("password", "bearer", "client_key"):
        if values[f"{name}_env"] is not None and values[f"{name}_file"] is not None:
            table.mistake(f"{name}_file", f"receiver has {name}_env already")
    has_password = values["password_env"] is not None or values["password_file"] is not None
    has_bearer = values["bearer_env"] is not None or values["bearer_file"] is not None
    has_key = values["client_key_env"] is not None or values["client_key_file"] is not None
    if (values["user"] is not None) != has_password:
        table.mistake("", "user goes with password_env or password_file")
    if (values["client_cert_file"] is not None) != has_key:
        table.mistake("", "client_cert_file goes with client_key_env or client_key_file")
    if ":" in (values["user"] or ""):
        table.mistake("user", "user must not hold a colon (RFC 7617)")
    for name in values["headers"] or ():
        if name.lower() in _SECRET_HEADERS:
            table.mistake("headers", f"{name} is a secret: point to it in headers_env or headers_file")
    named = [name.lower() for key in ("headers", "headers_env", "headers_file") for name in values[key] or ()]
    if has_bearer:
        named.append("authorization")
    if has_password:
        named.append("authorization")
    for name in sorted({one for one in named if named.count(one) > 1}):
        table.mistake("", f"receiver gives the header {name} more than once")


async def put(world: World, table: Table) -> None:
    """Creates or changes what the receiver is given."""
    values = table.values
    origin = None if values["origin"] is None else world.origin(table, "origin", values["origin"])
    account_id = world.account(table, "account")
    plan_id = world.plan(table, "plan")
    if plan_id is not None and account_id is not None and world.rows["plan"][plan_id]["account_id"] != account_id:
        table.mistake("plan", f"plan {values['plan']} belongs to another account")
    head, certificate = _head(world, table), _certificate(world, table)
    if certificate is not None and (values["origin"] or "").startswith("http:"):
        table.mistake("client_cert_file", "a client certificate needs an https origin")
    if not table.is_sound or account_id is None or origin is None:
        return
    account = world.rows["account"][account_id]
    title = f"{origin} of {account['name']} ({account['public_id']})"
    if plan_id is not None:
        plan = world.rows["plan"][plan_id]
        title = f"{origin} of {account['name']}/{plan['name']} ({plan['public_id']})"
    if any((change.kind, change.title) == ("receiver", title) for change in world.changes):
        table.mistake("origin", f"the receiver {title} is in the file already")
        return
    rows = world.rows["receiver"]
    identity = (account_id, plan_id, origin)
    row_id = next(
        (key for key, row in rows.items() if (row["account_id"], row["plan_id"], row["origin"]) == identity), None
    )
    wanted = Credentials(head, certificate)
    if row_id is not None and world.credentials_of(rows[row_id]) == wanted:
        sealed = rows[row_id]["credentials"]  # sealing it again would look like a change
    else:
        sealed = receivers.sealed(world.around.secret_key, wanted, world.credentials_place(account_id, origin))
    fields = {"account_id": account_id, "plan_id": plan_id, "origin": origin, "credentials": sealed}
    await world.put("receiver", row_id, fields, title)


def _head(world: World, table: Table) -> str:
    lines = []
    for key, name, value in _headers(world, table):
        try:
            lines.append(header_lines([(name, value)]).decode("ascii"))
        except ValueError as error:
            table.mistake(key, str(error))
    head = "".join(lines)
    if len(head) > _HEAD_LIMIT:
        table.mistake("", f"headers and login have {len(head)} bytes together, more than {_HEAD_LIMIT}")
    return head


def _headers(world: World, table: Table) -> Iterator[tuple[str, str, str]]:
    """Key of the table, name and value of each header that it comes to."""
    values = table.values
    for name, value in (values["headers"] or {}).items():
        yield "headers", name, value
    for key, find in (("headers_env", from_environment), ("headers_file", from_file)):
        for name, place in (values[key] or {}).items():
            if (found := find(world.around, table, key, place)) is not None:
                yield key, name, found
    if values["user"] is not None and (password := pointed(world.around, table, "password")) is not None:
        login = b64encode(f"{values['user']}:{password}".encode()).decode()
        yield "user", "Authorization", f"Basic {login}"
    if (token := pointed(world.around, table, "bearer")) is not None:
        yield "bearer_env" if values["bearer_env"] else "bearer_file", "Authorization", f"Bearer {token}"


def _certificate(world: World, table: Table) -> str | None:
    """Chain and key in one text, proven to go together."""
    file = table.values["client_cert_file"]
    chain = None if file is None else from_file(world.around, table, "client_cert_file", file)
    key = pointed(world.around, table, "client_key")
    if chain is None or key is None:
        return None
    both = f"{chain}\n{key}\n"
    try:
        tls_context(certificate=both.encode())
    except (ssl.SSLError, OSError, ValueError):
        table.mistake("client_cert_file", "client_cert_file and its key must be PEM, go together, and have no password")
        return None
    return both
