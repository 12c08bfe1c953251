"""Finds the embedded PostgreSQL that another process of this machine runs: for commands beside `trunkline serve`."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

from trunkline.store.embedded.home import open_home
from trunkline.store.embedded.launcher import SYSTEM_DIR
from trunkline.store.embedded.session import Answer, Server


def exists(data_dir: Path) -> bool:
    """Whether the data folder has an embedded database."""
    return (data_dir / "postgresql").is_dir()


def running_dsn(data_dir: Path) -> str | None:
    """The address of the server that a living launcher holds in `data_dir`, if it answers. Raises EmbeddedRefused."""
    if not exists(data_dir):
        return None
    home = open_home(data_dir, SYSTEM_DIR)
    facts = _launcher(home.path / "lock")
    if facts is None:
        return None
    port = int(facts.get("port", home.port))
    server = Server(home.socket_dir(port), port, home.credentials())
    answer, data_directory = server.ask()
    if answer is Answer.READY and Path(data_directory) == home.cluster:
        return server.dsn()
    return None


def _launcher(lock: Path) -> dict[str, int] | None:
    """What the launcher wrote that holds the lock, or None if nobody holds it."""
    try:
        handle = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.lockf(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        text = os.pread(handle, 4096, 0)
    else:
        return None  # closing the handle gives the lock back
    finally:
        os.close(handle)
    try:
        facts: dict[str, int] = json.loads(text)
    except ValueError:
        return None
    return facts
