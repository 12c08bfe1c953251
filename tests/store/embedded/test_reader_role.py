"""The role of customers' reads, which all databases of a cluster share: on the oldest and the embedded PostgreSQL."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import asyncpg
import pytest
from embedded_rig import PG15, ask, open_folder, postgresql_15

from trunkline.domain.provisioning import AccountId
from trunkline.store import db, readers
from trunkline.store.doctor import DatabaseRefused, check
from trunkline.store.embedded import scratch
from trunkline.store.migrate import migrate
from trunkline.store.readers import Readers

MISSING_15 = pytest.mark.skipif(not (PG15 / "postgres").exists(), reason="no PostgreSQL 15 server on this machine")
ORDINARY = "LOGIN PASSWORD 'sesame' NOSUPERUSER CREATEDB"


@dataclass(frozen=True)
class Cluster:
    """A server without the role; `dsn` is of a login with CREATEROLE and CREATEDB, and no superuser."""

    dsn: str
    superuser: str | None

    def of(self, role: str, database: str) -> str:
        place = self.dsn.partition("?")[2]
        password = urlsplit(self.dsn).password if role == "trunkline" else "sesame"
        return f"postgresql://{role}:{password}@/{database}?{place}"

    def role(self, rights: str) -> str:
        """A new login that is not a superuser, with a database of its own of the same name."""
        name = f"login_{secrets.token_hex(4)}"
        ask(self.dsn, f"CREATE ROLE {name} {ORDINARY} {rights}")
        ask(self.of(name, "postgres"), f"CREATE DATABASE {name}")
        return name


@pytest.fixture(params=["18", pytest.param("15", marks=MISSING_15)])
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    if request.param == "18":
        with scratch() as endpoint:
            yield Cluster(endpoint.dsn, None)
        return
    folder = open_folder("tl-15-")
    with postgresql_15(folder) as superuser:
        ask(superuser, f"CREATE ROLE trunkline CREATEROLE {ORDINARY}")
        yield Cluster(superuser.replace("postgres@", "trunkline:sesame@"), superuser)
    shutil.rmtree(folder)


async def rows_seen(dsn: str, *, rls: bool = True) -> int:
    reading = await Readers.open(dsn, size=1, rls=rls)
    try:
        async with reading.of(AccountId(1)) as conn:
            return int(await conn.fetchval("SELECT count(*) FROM msg"))
    finally:
        await reading.close()


async def fill(dsn: str) -> None:
    """One message each of two accounts."""
    conn = await asyncpg.connect(dsn)
    await conn.execute(
        "INSERT INTO msg (plan_id, msg_id, account_id, encoding, parts, expires_at)"
        " SELECT n, msg_id_floor(now()), n, 0, 1, now() FROM generate_series(1, 2) AS n"
    )
    await conn.close()


def test_the_role_is_made_once_for_all_databases_and_logins(cluster: Cluster) -> None:
    names = [f"one_of_{n}" for n in range(4)]
    for name in names:
        ask(cluster.dsn, f"CREATE DATABASE {name}")
    own = [cluster.of("trunkline", name) for name in names]

    async def ours() -> None:
        assert [(await check(dsn, allow_unsafe=True)).role for dsn in own] == ["trunkline"] * 4
        await asyncio.gather(*(migrate(dsn) for dsn in own))
        for dsn in own:
            await fill(dsn)
            assert await rows_seen(dsn) == 1
        conns = [await db.connect(dsn, name="test") for dsn in own for _ in range(2)]
        await asyncio.gather(*(readers.provide(conn) for conn in conns))
        for conn in conns:
            await conn.close()

    asyncio.run(ours())
    # Another installation, with a login of its own: who made the role has to let it in, where that is needed.
    other = cluster.role("CREATEROLE")
    dsn = cluster.of(other, other)
    if ask(dsn, "SELECT current_setting('server_version_num')::int") >= 160_000:
        advice = f"GRANT trunkline_reader TO {other} WITH INHERIT FALSE, SET TRUE"
        with pytest.raises(DatabaseRefused, match=f"may not become trunkline_reader.*{advice}, or set rls = off"):
            asyncio.run(check(dsn, allow_unsafe=True))
        ask(cluster.dsn, advice)

    async def theirs() -> None:
        await check(dsn, allow_unsafe=True)
        await migrate(dsn)
        await fill(dsn)
        assert await rows_seen(dsn) == 1

    asyncio.run(theirs())
    if cluster.superuser is not None:
        ask(cluster.superuser, "ALTER ROLE trunkline_reader BYPASSRLS")
        with pytest.raises(DatabaseRefused, match=r"does not hold for trunkline_reader: ALTER ROLE .* NOBYPASSRLS"):
            asyncio.run(check(dsn))
        with pytest.raises(asyncpg.InterfaceError, match="row-level security is off"):
            asyncio.run(rows_seen(dsn))


def test_two_databases_make_the_role_at_the_same_moment(cluster: Cluster) -> None:
    for name in ("first", "second"):
        ask(cluster.dsn, f"CREATE DATABASE {name}")

    async def main() -> None:
        first, second = (cluster.of("trunkline", name) for name in ("first", "second"))
        for dsn in (first, second):
            await migrate(dsn, rls=False)
            await fill(dsn)
        one, other, watching = [await db.connect(dsn, name="test") for dsn in (first, second, second)]
        waits = f"SELECT EXISTS (SELECT FROM pg_locks WHERE pid = {other.get_server_pid()} AND NOT granted)"
        async with one.transaction():
            await readers.provide(one)
            late = asyncio.create_task(readers.provide(other))
            async with asyncio.timeout(20):
                while not await watching.fetchval(waits):
                    assert not late.done()
        await late
        for conn in (one, other, watching):
            await conn.close()
        assert [await rows_seen(dsn) for dsn in (first, second)] == [1, 1]

    asyncio.run(main())


def test_without_the_right_to_make_roles(cluster: Cluster) -> None:
    login = cluster.role("")
    dsn = cluster.of(login, login)

    async def main() -> None:
        with pytest.raises(DatabaseRefused, match=f"ALTER ROLE {login} CREATEROLE, or set rls = off"):
            await check(dsn, allow_unsafe=True)
        await check(dsn, allow_unsafe=True, rls=False)
        await migrate(dsn, rls=False)
        await fill(dsn)
        assert await rows_seen(dsn, rls=False) == 2
        with pytest.raises(asyncpg.PostgresError):
            await rows_seen(dsn)

    asyncio.run(main())
    # Given the right later, the next start makes up for it.
    ask(cluster.dsn, f"ALTER ROLE {login} CREATEROLE")

    async def later() -> None:
        await check(dsn, allow_unsafe=True)
        assert await migrate(dsn) == []
        assert await rows_seen(dsn) == 1

    asyncio.run(later())
