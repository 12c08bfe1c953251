"""The database files: made once with initdb, given our configuration at every start."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path

from trunkline.store.embedded import config
from trunkline.store.embedded.binaries import Binaries
from trunkline.store.embedded.home import Home, sync_dir, write_whole
from trunkline.store.embedded.postmaster import environment
from trunkline.store.embedded.refusal import DOCS, EmbeddedRefused, why
from trunkline.store.embedded.session import SUPERUSER

_UNFINISHED = "cluster.new."
_PASSWORD = ".initdb."


def exists(home: Home, binaries: Binaries) -> bool:
    """Whether the files are there. Raises EmbeddedRefused if they are, and these programs cannot use them."""
    try:
        major = (home.cluster / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        if home.cluster.is_dir() and any(home.cluster.iterdir()):
            raise EmbeddedRefused(
                f"{home.cluster} holds files but no PostgreSQL database: restore a backup, or give another data folder"
            ) from None
        return False
    if major != str(binaries.major):
        raise EmbeddedRefused(
            f"the database in {home.cluster} was made by PostgreSQL {major} and this is {binaries.major}: "
            f"move it over as {DOCS} says, or give another data folder"
        )
    return True


def sweep(home: Home) -> None:
    """Removes what a first start left that never came to its end."""
    for path in home.path.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(path, ignore_errors=True)
    for path in home.path.glob(f"{_PASSWORD}*"):
        path.unlink(missing_ok=True)


def create(home: Home, binaries: Binaries, *, fsync: bool) -> None:
    """Runs initdb; the files appear in their place complete or not at all. Raises EmbeddedRefused, OSError."""
    # A name of its own: the initdb of a launcher that was killed a moment ago may still be at work.
    fresh = home.private_dir(home.path / f"{_UNFINISHED}{secrets.token_hex(4)}")
    password = _for_account(home, home.credentials()[SUPERUSER])
    command: list[str | Path] = [
        binaries.initdb,
        f"--pgdata={fresh}",
        f"--username={SUPERUSER}",
        f"--pwfile={password}",
        "--auth=scram-sha-256",
        # Sorting and case rules that come with PostgreSQL, not with the system: they are the same after any upgrade.
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--locale=C",
        "--encoding=UTF8",
        "--no-instructions",
        *([] if fsync else ["--no-sync"]),
    ]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=environment(),
            umask=0o077,
            text=True,
            errors="replace",
            check=False,
            **home.account.spawn_options(),
        )
        if done.returncode != 0:
            raise EmbeddedRefused(f"could not make a database in {home.path}: {why(done.stdout)}")
        with (fresh / "postgresql.conf").open("a") as file:
            file.write(config.INCLUDES)
            file.flush()
            os.fsync(file.fileno())
        for name in (config.USER, config.HBA_USER):
            write_whole(fresh / name, "# Yours: Trunkline reads this file and never writes it.\n", mode=0o600)
        fresh.rename(home.cluster)
        sync_dir(home.path)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    finally:
        password.unlink()


def _for_account(home: Home, secret: str) -> Path:
    """A short-lived file that initdb, running as PostgreSQL's user, can read."""
    handle, name = tempfile.mkstemp(prefix=_PASSWORD, dir=home.path)
    with os.fdopen(handle, "w") as file:
        if home.account.dropped:
            os.fchown(file.fileno(), home.account.uid, home.account.gid)
        file.write(secret + "\n")
    return Path(name)


def configured(home: Home, managed: str) -> bool:
    """Whether the files in place already say this: a running server need not be started anew for it."""
    try:
        return (
            (home.cluster / config.MANAGED).read_text() == managed
            and (home.cluster / "pg_hba.conf").read_text() == config.HBA
        )  # fmt: skip
    except FileNotFoundError:
        return False


def configure(home: Home, managed: str) -> None:
    write_whole(home.cluster / config.MANAGED, managed, mode=0o600)
    write_whole(home.cluster / "pg_hba.conf", config.HBA, mode=0o600)


def set_superuser_password(home: Home, binaries: Binaries) -> None:
    """Gives the superuser the password in our file, by the way that needs none: a stopped server's single-user mode."""
    subprocess.run(
        [binaries.postgres, "--single", "-D", home.cluster, "postgres"],
        input=f"ALTER ROLE {SUPERUSER} LOGIN PASSWORD '{home.credentials()[SUPERUSER]}';\n".encode(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env=environment(),
        umask=0o077,
        check=False,
        **home.account.spawn_options(),
    )
