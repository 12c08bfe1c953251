"""Start-up checks of the database, whichever it is: what would lose or mix up messages is refused with one line."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from trunkline.store.db import Connection

OLDEST_MAJOR = 15
READER_ROLE = "trunkline_reader"
CONNECT_S = 10.0
NOTIFY_S = 2.0

_LOSES = {
    "fsync": "a crash of the machine may destroy the whole database",
    "full_page_writes": "a crash of the machine may destroy pages",
    "synchronous_commit": "a crash loses messages that were already answered 202",
}

_NO_URL = "DATABASE_URL cannot be read: write postgresql://role:password@host:port/database"

# What a transaction pooler does to prepared statements: the next one runs where nobody prepared it.
_STATEMENT_GONE = (asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError)


class DatabaseRefused(Exception):
    """The database cannot be used; the text is one line that says why and what to do, without any password."""


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What the server said of itself, for the log line of the start."""

    where: str
    version: str
    version_num: int
    database: str
    role: str
    max_connections: int
    max_locks_per_transaction: int
    unsafe: tuple[str, ...]


_FACTS = """
SELECT current_setting('server_version')                  AS version,
       current_setting('server_version_num')::int         AS version_num,
       current_database()::text                           AS database,
       current_user::text                                 AS role,
       current_setting('server_encoding')                 AS encoding,
       current_setting('max_connections')::int            AS max_connections,
       current_setting('max_locks_per_transaction')::int  AS max_locks_per_transaction,
       pg_is_in_recovery()                                AS in_recovery,
       current_setting('transaction_read_only')           AS read_only,
       current_schema()::text                             AS schema,
       coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)         AS may_create,
       login.rolsuper OR login.rolcreaterole                                     AS may_create_role,
       reader.oid IS NOT NULL                                                    AS has_reader,
       reader.rolsuper OR reader.rolbypassrls                                    AS reader_passes,
       pg_has_role(login.oid, reader.oid, CASE WHEN version.by_option THEN 'SET' ELSE 'MEMBER' END) AS is_reader,
       CASE WHEN version.by_option THEN pg_has_role(login.oid, reader.oid, 'MEMBER WITH ADMIN OPTION')
            ELSE login.rolsuper OR login.rolcreaterole END                       AS may_grant_reader
FROM pg_roles login
CROSS JOIN (SELECT current_setting('server_version_num')::int >= 160000 AS by_option) version
LEFT JOIN pg_roles reader ON reader.rolname = $1
WHERE login.rolname = current_user
"""


async def check(dsn: str, *, allow_unsafe: bool = False, rls: bool = True) -> ServerFacts:
    """Connects twice, looks, and leaves nothing behind. `rls`: whether row-level security is on, which needs a role.

    Raises DatabaseRefused. Takes milliseconds, and up to `NOTIFY_S` where notifications do not come.
    """
    where = shown(dsn)
    first = await _connect(dsn, where)
    try:
        second = await _connect(dsn, where)
        try:
            try:
                facts = await first.fetchrow(_FACTS, READER_ROLE)
                unsafe = await _unsafe(first)
                _judge(facts, where, rls=rls)
                if unsafe and not allow_unsafe:
                    raise DatabaseRefused(_unsafe_line(unsafe[0], where))
                await _prove_sessions(first, second, where)
            except _STATEMENT_GONE:
                raise DatabaseRefused(_pooler_line(where)) from None
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as trouble:
                raise DatabaseRefused(f"{where} failed a question at the start: {_text(trouble)}") from trouble
        finally:
            await _leave(second)
    finally:
        await _leave(first)
    return ServerFacts(
        where=where,
        version=facts["version"],
        version_num=facts["version_num"],
        database=facts["database"],
        role=facts["role"],
        max_connections=facts["max_connections"],
        max_locks_per_transaction=facts["max_locks_per_transaction"],
        unsafe=tuple(unsafe),
    )


def shown(dsn: str) -> str:
    """A database URL fit to be shown: role, host, port, database, and never a password."""
    try:
        parts = urlsplit(dsn)
        host, port = parts.hostname or "its socket", parts.port
    except ValueError:
        return "the database"
    role = f"{parts.username}@" if parts.username else ""
    return f"the database {role}{host}{f':{port}' if port else ''}{parts.path}"


async def _connect(dsn: str, where: str) -> Connection:
    if not dsn.startswith(("postgres://", "postgresql://")):
        raise DatabaseRefused(_NO_URL)
    settings = {"application_name": "trunkline doctor"}
    try:
        return await asyncpg.connect(dsn, timeout=CONNECT_S, statement_cache_size=0, server_settings=settings)
    except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError) as trouble:
        # Unknown role, wrong password, no matching line of pg_hba.conf: the server's words name no password.
        raise DatabaseRefused(f"{where} does not let us in ({_text(trouble)}): correct DATABASE_URL") from None
    except asyncpg.InvalidCatalogNameError:
        raise DatabaseRefused(f"{where} does not exist on that server: create it, or correct DATABASE_URL") from None
    except asyncpg.TooManyConnectionsError:
        raise DatabaseRefused(f"{where} has no free connection: raise max_connections, or end other clients") from None
    except asyncpg.CannotConnectNowError as trouble:
        raise DatabaseRefused(f"{where} is not ready ({_text(trouble)}): start again when it is") from None
    except TimeoutError:
        raise DatabaseRefused(f"{where} does not answer within {CONNECT_S:.0f} s: is it PostgreSQL's port?") from None
    except ssl.SSLError as trouble:
        raise DatabaseRefused(f"{where}: TLS failed ({trouble.reason}): correct sslmode in DATABASE_URL") from None
    except (ConnectionError, asyncpg.PostgresConnectionError):
        raise DatabaseRefused(f"{where} cannot be reached: is PostgreSQL running, is it the right port?") from None
    except OSError as trouble:
        raise DatabaseRefused(f"{where} cannot be reached ({_text(trouble)}): correct DATABASE_URL") from None
    except (asyncpg.ClientConfigurationError, ValueError):  # its text may repeat the URL
        raise DatabaseRefused(_NO_URL) from None
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as trouble:
        raise DatabaseRefused(f"{where} refuses the connection ({_text(trouble)})") from None


def _judge(facts: Any, where: str, *, rls: bool) -> None:
    """Raises DatabaseRefused for what can be told from one row."""
    if facts["version_num"] < OLDEST_MAJOR * 10_000:
        raise DatabaseRefused(f"{where} is PostgreSQL {facts['version']}: Trunkline needs {OLDEST_MAJOR} or later")
    if facts["in_recovery"]:
        raise DatabaseRefused(f"{where} is a replica, which takes no writes: point DATABASE_URL at the primary")
    if facts["read_only"] == "on":
        raise DatabaseRefused(f"{where} is read-only: set default_transaction_read_only = off for {facts['role']}")
    if facts["encoding"] != "UTF8":
        raise DatabaseRefused(f"{where} stores text as {facts['encoding']}: create it with ENCODING 'UTF8'")
    if facts["schema"] is None or not facts["may_create"]:
        raise DatabaseRefused(
            f"{where}: role {facts['role']} may not create tables: ALTER DATABASE {facts['database']} OWNER TO "
            f"{facts['role']}, or GRANT CREATE ON SCHEMA public"
        )
    if rls:
        _judge_reader(facts, where)


def _judge_reader(facts: Any, where: str) -> None:
    """Raises DatabaseRefused where customers' reads cannot run under their role, or that role sees everything."""
    role = facts["role"]
    if not facts["has_reader"] and not facts["may_create_role"]:
        raise DatabaseRefused(
            f"{where}: role {role} may not create roles, which row-level security needs: "
            f"ALTER ROLE {role} CREATEROLE, or set rls = off"
        )
    if facts["has_reader"] and not facts["is_reader"] and not facts["may_grant_reader"]:
        how = " WITH INHERIT FALSE, SET TRUE" if facts["version_num"] >= 160_000 else ""
        raise DatabaseRefused(
            f"{where}: role {role} may not become {READER_ROLE}, which row-level security needs: "
            f"GRANT {READER_ROLE} TO {role}{how}, or set rls = off"
        )
    if facts["reader_passes"]:
        raise DatabaseRefused(
            f"{where}: row-level security does not hold for {READER_ROLE}: "
            f"ALTER ROLE {READER_ROLE} NOSUPERUSER NOBYPASSRLS, or set rls = off"
        )


async def _unsafe(connection: Connection) -> list[str]:
    rows = await connection.fetch(
        "SELECT name FROM pg_settings WHERE name = ANY($1) AND setting = 'off' ORDER BY name", list(_LOSES)
    )
    return [row["name"] for row in rows]


def _unsafe_line(name: str, where: str) -> str:
    cure = f"ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf()"
    if name == "synchronous_commit":
        cure += "; ALTER ROLE or ALTER DATABASE may override it"
    return (
        f"{where} runs with {name} = off: {_LOSES[name]}; set {name} = on ({cure}), "
        "or allow it with allow_unsafe_database"
    )


def _pooler_line(where: str) -> str:
    return (
        f"{where} is behind a transaction pooler, where notifications and session locks do not work: "
        "use a direct or session-pooled connection"
    )


async def _prove_sessions(first: Connection, second: Connection, where: str) -> None:
    """Refuses a transaction pooler: what one connection keeps must stay its own, and notifications must arrive.

    Two connections with the same server process, a lock granted to both, or a notification to a listening
    connection that never comes: each alone is proof.
    """
    channel = f"trunkline_{secrets.token_hex(8)}"
    key = secrets.randbits(62)
    arrived = asyncio.Event()

    def on_notify(*_: object) -> None:
        arrived.set()

    await first.add_listener(channel, on_notify)
    own = await first.fetchrow("SELECT pg_backend_pid() AS pid, pg_try_advisory_lock($1) AS locked", key)
    async with second.transaction():
        other = await second.fetchrow("SELECT pg_backend_pid() AS pid, pg_try_advisory_lock($1) AS locked", key)
        if own["pid"] == other["pid"] or (own["locked"] and other["locked"]):
            raise DatabaseRefused(_pooler_line(where))
    await second.execute(f"NOTIFY {channel}")
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(arrived.wait(), NOTIFY_S)
    if not arrived.is_set():
        raise DatabaseRefused(_pooler_line(where))


async def _leave(connection: Connection) -> None:
    with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        await connection.close(timeout=2)


def _text(trouble: BaseException) -> str:
    return (str(trouble) or type(trouble).__name__).splitlines()[0]
