"""The start-up checks of a database: each thing that would lose messages is refused with one line of advice."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest
from embedded_rig import PG15, ask, open_folder, postgresql_15
from transaction_pooler import Pooler

from trunkline.store import doctor
from trunkline.store.doctor import DatabaseRefused, check, shown
from trunkline.store.embedded import Endpoint, scratch

SAFE = {"fsync": "on", "full_page_writes": "on"}


@pytest.fixture(scope="module")
def server() -> Iterator[Endpoint]:
    with scratch(settings=SAFE) as endpoint:
        yield endpoint


def refused(dsn: str, *, rls: bool = True, allow_unsafe: bool = False) -> str:
    """The line that a database is refused with."""
    with pytest.raises(DatabaseRefused) as refusal:
        asyncio.run(check(dsn, rls=rls, allow_unsafe=allow_unsafe))
    line = str(refusal.value)
    assert "\n" not in line
    assert "sesame" not in line
    password = urlsplit(dsn).password if "://" in dsn and "[" not in dsn else None
    assert not password or password not in line
    return line


def as_role(dsn: str, role: str, password: str = "sesame") -> str:
    rest = dsn.split("@", 1)[1]
    return f"postgresql://{role}:{password}@{rest}"


def with_database(dsn: str, name: str) -> str:
    return dsn.replace("/trunkline?", f"/{name}?")


@pytest.fixture
def role(server: Endpoint) -> str:
    """A login role without rights, in the shared server."""
    name = f"plain_{secrets.token_hex(4)}"
    ask(server.dsn, f"CREATE ROLE {name} LOGIN PASSWORD 'sesame'")
    return name


def test_a_good_server_is_told_about(server: Endpoint) -> None:
    facts = asyncio.run(check(server.dsn))
    assert facts.version_num >= 180_000
    assert (facts.database, facts.role, facts.unsafe) == ("trunkline", "trunkline", ())
    assert facts.max_locks_per_transaction == 512
    password = urlsplit(server.dsn).password
    assert password is not None
    assert password not in repr(facts)


def test_nothing_is_left_behind(server: Endpoint) -> None:
    asyncio.run(check(server.dsn))
    left = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
    assert ask(server.dsn, left) == 0


def test_a_server_that_a_crash_would_destroy() -> None:
    with scratch(settings={"fsync": "off", "full_page_writes": "off"}) as endpoint:
        line = refused(endpoint.dsn)
        assert "runs with fsync = off" in line
        assert "ALTER SYSTEM SET fsync = on" in line
        assert "allow_unsafe_database" in line
        assert asyncio.run(check(endpoint.dsn, allow_unsafe=True)).unsafe == ("fsync", "full_page_writes")


def test_commits_that_do_not_wait_for_the_disk(server: Endpoint) -> None:
    ask(server.dsn, "CREATE DATABASE hasty OWNER trunkline")
    try:
        ask(server.dsn, "ALTER DATABASE hasty SET synchronous_commit = off")
        dsn = with_database(server.dsn, "hasty")
        assert "runs with synchronous_commit = off: a crash loses messages that were already answered" in refused(dsn)
        assert asyncio.run(check(dsn, allow_unsafe=True)).unsafe == ("synchronous_commit",)
    finally:
        ask(server.dsn, "DROP DATABASE hasty WITH (FORCE)")


def test_a_wrong_password(server: Endpoint) -> None:
    assert "does not let us in (password authentication failed" in refused(as_role(server.dsn, "trunkline"))


def test_an_unknown_role(server: Endpoint) -> None:
    assert "does not let us in" in refused(as_role(server.dsn, "nobody_known"))


def test_an_unknown_database(server: Endpoint) -> None:
    assert "does not exist on that server: create it" in refused(with_database(server.dsn, "elsewhere"))


def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        line = refused(f"postgresql://someone:sesame@127.0.0.1:{free.getsockname()[1]}/x?sslmode=disable")
    assert "cannot be reached: is PostgreSQL running" in line
    assert "someone@127.0.0.1" in line


def test_a_socket_that_is_not_there(tmp_path: Path) -> None:
    assert "cannot be reached" in refused(f"postgresql://someone:sesame@/x?host={tmp_path}&port=5999")


def test_a_host_that_does_not_exist() -> None:
    assert "cannot be reached" in refused("postgresql://someone:sesame@no.such.host.invalid/x")


@pytest.mark.parametrize(
    "dsn",
    [
        "",
        "mysql://someone:sesame@host/x",
        "host=db password=sesame",
        "postgresql://someone:sesame@host:port/x",
        "postgresql://someone:sesame@[::1/x",
        "postgresql://someone:sesame@host/x?sslmode=sesame",
    ],
)
def test_what_is_no_url(dsn: str) -> None:
    assert refused(dsn) == "DATABASE_URL cannot be read: write postgresql://role:password@host:port/database"


@pytest.mark.parametrize("answers", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_another_service_on_that_port(answers: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "CONNECT_S", 0.5)

    async def main() -> str:
        served = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            served.append(asyncio.current_task())
            await reader.read(1000)
            if answers:
                writer.write(answers)
            else:
                await reader.read()  # silent until the client goes
            writer.close()
            await writer.wait_closed()

        listener = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        async with listener:
            with pytest.raises(DatabaseRefused) as refusal:
                await check(f"postgresql://someone:sesame@127.0.0.1:{port}/x?sslmode=disable")
            await asyncio.gather(*served, return_exceptions=True)
        return str(refusal.value)

    line = asyncio.run(main())
    assert "sesame" not in line
    assert "is it PostgreSQL's port?" in line or "is it the right port?" in line


def test_no_right_to_create_tables(server: Endpoint, role: str) -> None:
    line = refused(as_role(server.dsn, role), rls=False)
    assert f"role {role} may not create tables" in line


def test_no_right_to_create_roles(server: Endpoint, role: str) -> None:
    ask(server.dsn, f"CREATE SCHEMA {role}")
    try:
        ask(server.dsn, f"GRANT ALL ON SCHEMA {role} TO {role}")
        dsn = as_role(server.dsn, role)
        line = refused(dsn)
        assert f"ALTER ROLE {role} CREATEROLE" in line
        assert "rls = off" in line
        assert asyncio.run(check(dsn, rls=False)).role == role
        # A role made by the administrator beforehand serves as well.
        ask(server.dsn, f"CREATE ROLE {doctor.READER_ROLE}")
        assert f"GRANT {doctor.READER_ROLE} TO {role} WITH INHERIT FALSE, SET TRUE, or set rls = off" in refused(dsn)
        ask(server.dsn, f"GRANT {doctor.READER_ROLE} TO {role}")
        assert asyncio.run(check(dsn)).role == role
    finally:
        ask(server.dsn, f"DROP ROLE IF EXISTS {doctor.READER_ROLE}")
        ask(server.dsn, f"DROP SCHEMA {role}")


def test_a_database_that_takes_no_writes(server: Endpoint) -> None:
    ask(server.dsn, "CREATE DATABASE still OWNER trunkline")
    try:
        ask(server.dsn, "ALTER DATABASE still SET default_transaction_read_only = on")
        assert "is read-only" in refused(with_database(server.dsn, "still"))
    finally:
        ask(server.dsn, "DROP DATABASE still WITH (FORCE)")


def test_a_database_of_another_encoding(server: Endpoint) -> None:
    options = "ENCODING 'SQL_ASCII' TEMPLATE template0 LOCALE_PROVIDER libc LOCALE 'C'"
    ask(server.dsn, f"CREATE DATABASE old {options}")
    try:
        assert "ENCODING 'UTF8'" in refused(with_database(server.dsn, "old"))
    finally:
        ask(server.dsn, "DROP DATABASE old WITH (FORCE)")


def test_an_old_version(server: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "OLDEST_MAJOR", 99)
    assert "Trunkline needs 99 or later" in refused(server.dsn)


@asynccontextmanager
async def pooled(dsn: str, folder: Path, *, session: bool) -> AsyncIterator[str]:
    query = parse_qs(urlsplit(dsn).query)
    pooler = Pooler(f"{query['host'][0]}/.s.PGSQL.{query['port'][0]}", session=session)
    listener = await asyncio.start_unix_server(pooler.serve, folder / ".s.PGSQL.6432")
    try:
        yield f"{dsn.split('?')[0]}?host={folder}&port=6432"
    finally:
        listener.close()
        for writer in pooler.every:
            writer.close()
        await asyncio.gather(*pooler.tasks, return_exceptions=True)
        await asyncio.gather(*(writer.wait_closed() for writer in pooler.every), return_exceptions=True)


@pytest.fixture
def folder() -> Iterator[Path]:
    path = open_folder("tl-pool-")
    yield path
    shutil.rmtree(path)


def test_a_transaction_pooler_is_found_out(server: Endpoint, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "NOTIFY_S", 60)  # known by its shared process and lock, without waiting

    async def main() -> None:
        async with pooled(server.dsn, folder, session=False) as dsn:
            with pytest.raises(DatabaseRefused, match="behind a transaction pooler"):
                await asyncio.wait_for(check(dsn), 30)

    asyncio.run(main())


def test_a_session_pooler_is_welcome(server: Endpoint, folder: Path) -> None:
    async def main() -> None:
        async with pooled(server.dsn, folder, session=True) as dsn:
            assert (await check(dsn)).database == "trunkline"

    asyncio.run(main())


class Forgotten(asyncpg.Connection):
    """A connection whose server does not know any more that it listens."""

    async def add_listener(self, channel: str, callback: Callable[..., None]) -> None:
        await super().add_listener(channel, callback)
        await self.execute("UNLISTEN *")


def test_notifications_that_do_not_come_are_proof_enough(server: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some poolers keep connections apart while few clients are there; then only the notification tells."""
    monkeypatch.setattr(doctor, "NOTIFY_S", 0.2)

    async def main() -> None:
        first = await asyncpg.connect(server.dsn, connection_class=Forgotten)
        second = await asyncpg.connect(server.dsn)
        try:
            await doctor._prove_sessions(second, first, "x")
            with pytest.raises(DatabaseRefused, match="transaction pooler"):
                await doctor._prove_sessions(first, second, "x")
        finally:
            await first.close()
            await second.close()

    asyncio.run(main())


@pytest.mark.skipif(not (PG15 / "postgres").exists(), reason="no PostgreSQL 15 server on this machine")
def test_postgresql_15_is_welcome(folder: Path) -> None:
    with postgresql_15(folder) as dsn:
        assert asyncio.run(check(dsn)).version_num // 10_000 == 15


@pytest.mark.parametrize(
    ("dsn", "text"),
    [
        ("postgresql://me:sesame@db:5433/sms?sslmode=require", "the database me@db:5433/sms"),
        ("postgresql://me:sesame@/sms?host=/run/x&password=sesame", "the database me@its socket/sms"),
        ("postgresql://me:sesame@a:1,b:2/sms", "the database"),
        ("postgresql://me:sesame@[::1/x", "the database"),
    ],
)
def test_a_url_is_shown_without_its_password(dsn: str, text: str) -> None:
    assert shown(dsn) == text
