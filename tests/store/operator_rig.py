"""An operator who calls commands on one database."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import UUID

from click.testing import CliRunner

from trunkline.cli import main
from trunkline.runtime.settings import load
from trunkline.store import db
from trunkline.store.db import Connection

FILE = """\
[[account]]
name = "acme"
[[plan]]
name = "otp"
account = "acme"
[[carrier]]
name = "north"
[[carrier.link]]
name = "a"
host = "127.0.0.1"
system_id = "acme"
password_env = "PW"
"""
ID = UUID("01938c2e-7b1a-7c3d-9f00-0123456789ab")


class Operator:
    """Calls commands on one database, from one folder."""

    def __init__(self, dsn: str, folder: Path) -> None:
        self.dsn = dsn
        self.environ = {
            # Tests' servers run without fsync.
            "TRUNKLINE_ALLOW_UNSAFE_DATABASE": "on",
            "TRUNKLINE_DATA_DIR": str(folder),
            "DATABASE_URL": dsn,
            "PW": "s3cret",
        }
        self.file = folder / "set-up.toml"
        self.file.write_text(FILE)
        self.settings = load(environ=self.environ)

    def call(self, *arguments: str) -> tuple[int, str, str]:
        result = CliRunner(env=self.environ).invoke(main, arguments)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout, result.stderr

    def execute(self, *statements: str) -> None:
        async def main() -> None:
            conn: Connection = await db.connect(self.dsn, name="test")
            for statement in statements:
                await conn.execute(statement)
            await conn.close()

        asyncio.run(main())
