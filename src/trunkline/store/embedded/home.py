"""The launcher's folder: where it is, what lies in it, and the lock that one launcher at a time holds.

DATA/postgresql/        or, where the user PostgreSQL runs as cannot get there, a folder that `moved-to` names
    launcher.json       the mark that the folder is ours; the port, which also names the socket
    credentials.json    passwords of the roles `postgres` and `trunkline`, mode 0600
    lock                held (fcntl) by the launcher, with its pid, for as long as it lives
    cluster/ log/ run/  the database, its log, its socket
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trunkline.store.embedded import account
from trunkline.store.embedded.account import Account
from trunkline.store.embedded.refusal import EmbeddedRefused

# A socket's path has to fit sun_path: 107 bytes on Linux, 103 on macOS.
SOCKET_PATH_BYTES = 103

_MARK = "launcher.json"
_POINTER = "moved-to"


@dataclass(frozen=True, slots=True)
class Home:
    """The launcher's folder `path` for the data folder `data_dir`, and the user PostgreSQL runs as."""

    data_dir: Path
    path: Path
    account: Account
    port: int

    @property
    def cluster(self) -> Path:
        return self.path / "cluster"

    @property
    def log_dir(self) -> Path:
        return self.path / "log"

    def credentials(self) -> dict[str, str]:
        """Passwords by role, made when first asked for (or lost). They are random, so never weak."""
        path = self.path / "credentials.json"
        with contextlib.suppress(FileNotFoundError, ValueError):
            found: dict[str, str] = json.loads(path.read_text())
            if {"postgres", "trunkline"} <= found.keys():
                return found
        made = {role: secrets.token_urlsafe(24) for role in ("postgres", "trunkline")}
        write_whole(path, json.dumps(made, indent=2) + "\n", mode=0o600)
        return made

    def private_dir(self, path: Path) -> Path:
        """`path` as a folder that belongs to PostgreSQL's user alone. Raises EmbeddedRefused where it cannot be."""
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
            if self.account.dropped:
                os.chown(path, self.account.uid, self.account.gid, follow_symlinks=False)
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != self.account.uid or found.st_mode & 0o077:
            raise EmbeddedRefused(f"{path} has to be a folder of user {self.account.name}, mode 0700: remove it")
        return path

    def socket_dir(self, port: int) -> Path:
        """The folder of the socket, made if need be: `run`, or a short private one where that path will not do."""
        run = self.path / "run"
        # A comma would part the path into two hosts of a URL.
        if len(os.fsencode(run / f".s.PGSQL.{port}")) > SOCKET_PATH_BYTES or "," in str(run):
            mark = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:12]
            run = _short_base(self.account) / f"trunkline-{mark}"
        return self.private_dir(run)

    def remove(self) -> None:
        """Deletes the folder, and the pointer to it if it was moved out."""
        shutil.rmtree(self.path)
        shutil.rmtree(self.data_dir / "postgresql", ignore_errors=True)

    def tidy(self, socket_dir: Path) -> None:
        """Removes a socket folder of a stopped server that lies elsewhere than with us."""
        if socket_dir.parent != self.path:
            with contextlib.suppress(OSError):
                socket_dir.rmdir()


def _short_base(user: Account) -> Path:
    if user.dropped:
        return Path("/run" if os.access("/run", os.W_OK) else "/tmp")
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    return Path(runtime if runtime and len(runtime) < 50 and os.access(runtime, os.W_OK) else "/tmp")


def open_home(data_dir: Path, system_dir: Path) -> Home:
    """Finds or makes the launcher's folder. Raises EmbeddedRefused for a folder not ours, OSError for the rest.

    As root, existing folders keep their modes: if the user PostgreSQL runs as cannot pass through the parents of
    `data_dir`, the files of a new database go below `system_dir`, and `moved-to` in the data folder says where.
    """
    data_dir = data_dir.expanduser().absolute()
    if (data_dir / "PG_VERSION").exists():
        raise EmbeddedRefused(
            f"{data_dir} is the folder of another PostgreSQL: give a folder of its own, or set DATABASE_URL"
        )
    nominal = data_dir / "postgresql"
    path = _moved_to(nominal) or nominal
    if path == nominal and nominal.is_dir() and not (nominal / _MARK).exists() and _holds_something(nominal):
        raise EmbeddedRefused(f"{nominal} was not made by Trunkline: give another data folder")
    cluster = path / "cluster"
    user = account.choose(cluster.stat().st_uid if cluster.is_dir() else None)
    if path == nominal:
        data_dir.mkdir(mode=0o711 if user.dropped else 0o700, parents=True, exist_ok=True)
        _make(nominal, user)
        if not user.can_enter(nominal):
            if cluster.is_dir():
                raise EmbeddedRefused(
                    f"user {user.name}, which owns the database, cannot reach {cluster}: "
                    "let it pass through the folders above (chmod o+x)"
                )
            path = _move_out(data_dir, nominal, user, system_dir)
    return Home(data_dir, path, user, _port_of(path, data_dir))


def _holds_something(folder: Path) -> bool:
    return any(not entry.name.startswith(".") for entry in folder.iterdir())


def _moved_to(nominal: Path) -> Path | None:
    try:
        target = Path((nominal / _POINTER).read_text().strip())
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not (target / _MARK).exists():
        raise EmbeddedRefused(
            f"{nominal / _POINTER} says that the database is in {target}, and it is not there: "
            "bring it back, or give another data folder"
        )
    return target


def _make(path: Path, user: Account) -> None:
    """A folder of ours that PostgreSQL's user can pass through and nobody else; an existing one is left as it is."""
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
        if user.dropped:
            os.chown(path, -1, user.gid)
            path.chmod(0o710)


def _move_out(data_dir: Path, nominal: Path, user: Account, system_dir: Path) -> Path:
    """A new folder below `system_dir`, made known by the pointer. Its name is random: what an earlier data folder
    of the same name left there must never be taken for this one's database."""
    system_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
    path = Path(tempfile.mkdtemp(prefix=f"{data_dir.name}-", dir=system_dir))
    os.chown(path, -1, user.gid)
    path.chmod(0o710)
    if not user.can_enter(path):
        path.rmdir()
        raise EmbeddedRefused(
            f"PostgreSQL has to run as user {user.name}, which can reach neither {nominal} nor {system_dir}: "
            "give a data folder below one that every user may pass through"
        )
    _port_of(path, data_dir)
    draft = nominal / f".{_POINTER}.{path.name}"
    write_whole(draft, f"{path}\n", mode=0o644)
    try:
        os.link(draft, nominal / _POINTER)  # of two first starts, one wins
        return path
    except FileExistsError:
        shutil.rmtree(path)
        moved = _moved_to(nominal)
        assert moved is not None
        return moved
    finally:
        draft.unlink()


def _port_of(path: Path, data_dir: Path) -> int:
    """The port of this folder, chosen once: below 32768, where no outgoing connection can be sitting on it."""
    mark = path / _MARK
    with contextlib.suppress(FileNotFoundError, ValueError, KeyError):
        return int(json.loads(mark.read_text())["port"])
    port = 20000 + secrets.randbelow(12000)
    write_whole(mark, json.dumps({"port": port, "data_dir": str(data_dir)}) + "\n", mode=0o644)
    return port


def write_whole(path: Path, text: str, *, mode: int) -> None:
    """Writes a file so that a crash leaves the old or the new one; as root, it gets the owner of its folder."""
    folder = path.parent
    handle, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=folder)
    try:
        with os.fdopen(handle, "w") as file:
            if os.geteuid() == 0:
                owner = folder.stat()
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
            os.fchmod(file.fileno(), mode)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
        sync_dir(folder)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft)
        raise


def sync_dir(folder: Path) -> None:
    """Makes names that were put into `folder` survive a crash of the machine."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Lock:
    """The lock of one folder. An fcntl lock: gone with its process however that ends, and not inherited by a fork
    (flock is, and a surviving child would then lock out the next launcher)."""

    # fcntl locks do not exclude inside a process, and closing any other handle of the file would drop ours.
    _held: dict[Path, Lock] = {}

    def __init__(self, home: Home) -> None:
        """Takes the lock or raises EmbeddedRefused, which names the process that holds it."""
        self._path = home.path / "lock"
        self._owner_pid = os.getpid()
        other = Lock._held.get(self._path)
        if other is not None and other._owner_pid == self._owner_pid:
            raise EmbeddedRefused(f"{home.data_dir} is already in use by this process (pid {self._owner_pid})")
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            held_by = os.pread(handle, 4096, 0).decode(errors="replace")
            os.close(handle)
            raise EmbeddedRefused(
                f"{home.data_dir} is already in use by {_holder(held_by)}: stop that one, or give another data folder"
            ) from None
        except OSError:
            os.close(handle)
            raise
        if os.geteuid() == 0:
            os.fchown(handle, home.path.stat().st_uid, -1)
        self._handle = handle
        Lock._held[self._path] = self
        self.say(port=home.port)

    def say(self, **facts: Any) -> None:
        """Writes what a second start should be able to tell about us."""
        text = json.dumps({"pid": self._owner_pid, **facts}).encode()
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, text, 0)

    def release(self) -> None:
        os.ftruncate(self._handle, 0)
        os.close(self._handle)
        del Lock._held[self._path]


def _holder(text: str) -> str:
    try:
        facts = json.loads(text)
    except ValueError:
        return "another process"
    server = f", PostgreSQL {facts['postmaster']}" if "postmaster" in facts else ""
    return f"process {facts['pid']}{server} (port {facts['port']})"
