"""The system user that PostgreSQL runs as: ourselves, or, since it refuses root, one with fewer rights."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trunkline.store.embedded.refusal import EmbeddedRefused

# A user made for us, then PostgreSQL's own, then the one that every system has. `nobody` is last because
# other programs may run as it too, and could then read the files.
CANDIDATES = ("trunkline", "postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """A system user; `dropped` when this process is root and children are to run as somebody else."""

    name: str
    uid: int
    gid: int
    dropped: bool

    def spawn_options(self) -> dict[str, Any]:
        """Keyword arguments for `subprocess` that run a child as this user, with no other group."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.dropped else {}

    def can_run(self, command: Sequence[str | Path]) -> bool:
        """Whether `command` runs and succeeds as this user: tried, since no reading of mode bits knows ACLs."""
        try:
            ended = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                check=False,
                **self.spawn_options(),
            )
        except OSError:
            return False
        return ended.returncode == 0

    def can_enter(self, folder: Path) -> bool:
        """Whether this user can reach `folder` by its full path (each parent has to be traversable)."""
        return not self.dropped or self.can_run(["/bin/sh", "-c", 'cd -- "$1"', "sh", folder])


def choose(owner_uid: int | None = None) -> Account:
    """Whom to run PostgreSQL as; `owner_uid` owns the database files where there are any.

    An ordinary user runs it itself. Root runs it as the files' owner, or for new files as the first of
    `CANDIDATES` that exists. Raises EmbeddedRefused where the files belong to another ordinary user, or to root.
    """
    own_uid = os.geteuid()
    if own_uid != 0:
        if owner_uid not in (None, own_uid):
            raise EmbeddedRefused(
                f"the database files belong to user {_name(owner_uid)} and this is {_name(own_uid)}: "
                f"start Trunkline as {_name(owner_uid)}, or give another data folder"
            )
        return Account(_name(own_uid), own_uid, os.getegid(), dropped=False)
    if owner_uid == 0:
        raise EmbeddedRefused("the database files belong to root, and PostgreSQL refuses to run as root: chown them")
    if owner_uid is not None:
        return _dropped(_entry(owner_uid))
    for name in CANDIDATES:
        try:
            return _dropped(pwd.getpwnam(name))
        except KeyError:
            continue
    raise EmbeddedRefused(
        "PostgreSQL refuses to run as root and there is no user to run it as: make one (useradd -r trunkline)"
    )


def _dropped(entry: pwd.struct_passwd) -> Account:
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, dropped=True)


def _entry(uid: int) -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        raise EmbeddedRefused(
            f"the database files belong to uid {uid}, which is no user of this system: chown them to one"
        ) from None


def _name(uid: int | None) -> str:
    if uid is None:
        return "nobody"
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
