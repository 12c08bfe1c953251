"""What the launcher says to its server: are you there, and is the role with its database there."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg

ROLE = "trunkline"
DATABASE = "trunkline"
SUPERUSER = "postgres"

# InternalClientError: the server said goodbye to an idle connection, and asyncpg has not yet seen it closed.
_BROKEN = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class Answer(Enum):
    """How a server answered the question whether it is ready."""

    READY = "ready"
    NOT_YET = "not yet"
    NO_SOCKET = "no socket"
    WRONG_PASSWORD = "wrong password"


async def leave(connection: Any) -> None:
    """Says goodbye, so that the server has nothing to log; a connection that is broken is dropped."""
    with contextlib.suppress(*_BROKEN):
        await connection.close(timeout=2)


@dataclass(frozen=True, slots=True)
class Server:
    """One server by its socket, and the passwords of its roles."""

    socket_dir: Path
    port: int
    passwords: dict[str, str]

    def dsn(self) -> str:
        """The URL of Trunkline's own database over the socket."""
        folder = quote(str(self.socket_dir), safe="/")
        return f"postgresql://{ROLE}:{self.passwords[ROLE]}@/{DATABASE}?host={folder}&port={self.port}"

    def tcp_dsn(self) -> str:
        return f"postgresql://{ROLE}:{self.passwords[ROLE]}@127.0.0.1:{self.port}/{DATABASE}"

    def ask(self) -> tuple[Answer, str]:
        """Whether statements are answered now, and if so the server's `data_directory`."""
        return asyncio.run(self._ask())

    def provide(self) -> None:
        """Makes the login role and the database that it owns, where they are not there with our password."""
        asyncio.run(self._provide())

    async def _ask(self) -> tuple[Answer, str]:
        try:
            connection = await self._connect(SUPERUSER, "postgres")
        except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError):
            return Answer.WRONG_PASSWORD, ""
        except (FileNotFoundError, ConnectionRefusedError):
            return Answer.NO_SOCKET, ""
        except _BROKEN:  # starting, stopping, or too busy
            return Answer.NOT_YET, ""
        try:
            return Answer.READY, await connection.fetchval("SHOW data_directory", timeout=10)
        except _BROKEN:
            return Answer.NOT_YET, ""
        finally:
            await leave(connection)

    async def _provide(self) -> None:
        superuser = await self._connect(SUPERUSER, "postgres")
        try:
            if not await superuser.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", ROLE):
                await self._set_role(superuser, "CREATE")
            if not await superuser.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
                await superuser.execute(f"CREATE DATABASE {DATABASE} OWNER {ROLE}")
            try:
                await (await self._connect(ROLE, DATABASE)).close()
            except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError):
                await self._set_role(superuser, "ALTER")
        finally:
            await superuser.close()

    async def _set_role(self, superuser: Any, verb: str) -> None:
        # Iterations slow down guessing; nobody guesses 192 random bits, and each connect would pay for them.
        await superuser.execute("SET scram_iterations = 1")
        await superuser.execute(f"{verb} ROLE {ROLE} LOGIN CREATEROLE CREATEDB PASSWORD '{self.passwords[ROLE]}'")

    async def _connect(self, role: str, database: str) -> Any:
        return await asyncpg.connect(
            host=str(self.socket_dir),
            port=self.port,
            user=role,
            password=self.passwords[role],
            database=database,
            ssl=False,
            timeout=10,
            server_settings={"application_name": "trunkline launcher"},
        )
