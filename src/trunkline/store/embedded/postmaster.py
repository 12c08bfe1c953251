"""A running PostgreSQL: starting one, recognising one that an earlier launcher left, signalling it, waiting for it."""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from trunkline.store.embedded.account import Account
from trunkline.store.embedded.binaries import Binaries
from trunkline.store.embedded.home import write_whole

_LINUX = sys.platform == "linux"
_NO_PID = 2**31 - 2  # above any system's highest pid


@dataclass(frozen=True, slots=True)
class PidFile:
    """`postmaster.pid`: pid, data directory, start, port, socket folder, address, shared memory, status."""

    pid: int
    port: int
    socket_dir: Path
    status: str

    @classmethod
    def read(cls, cluster: Path) -> PidFile | None:
        """None where there is no such file, or it is not written out yet."""
        try:
            lines = (cluster / "postmaster.pid").read_text().splitlines()
            status = lines[7].strip() if len(lines) > 7 else ""
            return cls(int(lines[0]), int(lines[3]), Path(lines[4]), status)
        except (FileNotFoundError, IndexError, ValueError):
            return None


def is_postgres_of(pid: int, cluster: Path, account: Account) -> bool:
    """Whether `pid` is alive and a PostgreSQL process of this cluster; a pid alone proves nothing, pids come again.

    Every PostgreSQL process stays in its data directory for all its life, so that is what it is known by.
    """
    if _LINUX:
        try:
            program = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
            return program.startswith("postgres") and os.path.samefile(f"/proc/{pid}/cwd", cluster)
        except PermissionError:
            return account.dropped and _asked_as(account, pid, cluster)
        except OSError:
            return False
    shown = subprocess.run(["ps", "-ww", "-p", str(pid), "-o", "command="], capture_output=True, text=True, check=False)
    return "postgres" in shown.stdout and str(cluster) in shown.stdout


def _asked_as(account: Account, pid: int, cluster: Path) -> bool:
    """The same, asked as the processes' own user: root in a container may not look into other users' processes."""
    script = 'readlink "/proc/$1/exe" && readlink "/proc/$1/cwd"'
    shown = subprocess.run(
        ["/bin/sh", "-c", script, "sh", str(pid)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd="/",
        check=False,
        **account.spawn_options(),
    )
    lines = shown.stdout.splitlines()
    return len(lines) == 2 and "/postgres" in lines[0] and lines[1] == os.path.realpath(cluster)


def disarm(cluster: Path) -> None:
    """Makes a left-over `postmaster.pid` harmless whose pid now belongs to another program.

    PostgreSQL would take that program for a running server. The file itself stays: it also names the shared
    memory, by which PostgreSQL finds out whether processes of the dead server are still at work.
    """
    path = cluster / "postmaster.pid"
    with contextlib.suppress(FileNotFoundError):
        _, _, rest = path.read_text().partition("\n")
        write_whole(path, f"{_NO_PID}\n{rest}", mode=0o600)


def clear_sockets(socket_dir: Path, account: Account) -> None:
    """Removes sockets and their lock files that nobody alive owns; the folder is private to this cluster."""
    for lock in socket_dir.glob(".s.PGSQL.*.lock"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            lines = lock.read_text().splitlines()
            if not is_postgres_of(int(lines[0]), Path(lines[1]), account):
                lock.unlink()
                lock.with_suffix("").unlink(missing_ok=True)


def orphans(cluster: Path, account: Account) -> list[int]:
    """Pids of this cluster's processes: those that a killed postmaster left, if it is known to be dead (Linux)."""
    found = []
    for name in os.listdir("/proc") if _LINUX else ():
        with contextlib.suppress(ValueError, OSError):
            owned = os.stat(f"/proc/{name}").st_uid == account.uid
            if owned and is_postgres_of(int(name), cluster, account):
                found.append(int(name))
    return found


def end_orphans(cluster: Path, account: Account, by: signal.Signals) -> None:
    for pid in orphans(cluster, account):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, by)


class Postmaster:
    """A server process, our child or not. Signals reach it and never a later process with its pid."""

    def __init__(self, pid: int, child: subprocess.Popen[bytes] | None, pidfd: int | None) -> None:
        self.pid = pid
        self._child = child
        self._pidfd = pidfd

    @classmethod
    def adopt(cls, pid: int, cluster: Path, account: Account) -> Postmaster | None:
        """The running server `pid` of this cluster, which somebody else started; None if it is not one."""
        pidfd = None
        if _LINUX:
            with contextlib.suppress(OSError):
                pidfd = os.pidfd_open(pid)
        if is_postgres_of(pid, cluster, account):  # asked when the pid can no longer change hands
            return cls(pid, None, pidfd)
        if pidfd is not None:
            os.close(pidfd)
        return None

    @classmethod
    def launch(cls, binaries: Binaries, cluster: Path, account: Account, output: Path) -> Postmaster:
        """Starts a server that writes its first words to the file `output`; raises OSError."""
        with output.open("wb") as sink:
            child = subprocess.Popen(
                [binaries.postgres, "-D", cluster],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=environment(),
                umask=0o077,
                # A session of its own: Ctrl-C goes to a whole process group, and must not end the database
                # before those that write to it have ended.
                start_new_session=True,
                **account.spawn_options(),
            )
        _be_hard_to_kill(child.pid)
        return cls(child.pid, child, None)

    @property
    def exit_code(self) -> int | None:
        return None if self._child is None else self._child.poll()

    def alive(self) -> bool:
        if self._child is not None:
            return self._child.poll() is None  # also reaps it
        if self._pidfd is not None:
            return not select.select([self._pidfd], [], [], 0)[0]
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def signal(self, what: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            if self._child is not None:
                self._child.send_signal(what)
            elif self._pidfd is not None:
                signal.pidfd_send_signal(self._pidfd, what)
            else:
                os.kill(self.pid, what)

    def wait(self, limit_s: float) -> bool:
        """Waits for the end; False when it has not come within `limit_s`."""
        if self._child is not None:
            try:
                self._child.wait(limit_s)
            except subprocess.TimeoutExpired:
                return False
            return True
        if self._pidfd is not None:
            return bool(select.select([self._pidfd], [], [], limit_s)[0])
        deadline = time.monotonic() + limit_s
        while self.alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def stop(self, limit_s: float) -> bool:
        """Fast shutdown (clients are cut off, a checkpoint is written), after `limit_s` an immediate one.

        An immediate shutdown loses nothing either: the next start recovers from the write-ahead log.
        Returns whether the fast one was enough.
        """
        self.signal(signal.SIGINT)
        fast = self.wait(limit_s)
        if not fast:
            self.signal(signal.SIGQUIT)
            if not self.wait(10):
                self.signal(signal.SIGKILL)
                self.wait(10)
        self.close()
        return fast

    def close(self) -> None:
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None


def environment() -> dict[str, str]:
    """What PostgreSQL's programs see of our environment: no PG… that would steer them, and none of our secrets."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in ("PATH", "HOME", "TMPDIR") or name.startswith(("LD_", "DYLD_", "NSS_WRAPPER_"))
    }
    if _LINUX:  # the postmaster is protected, its children stay as killable as we are
        kept |= {"PG_OOM_ADJUST_FILE": "/proc/self/oom_score_adj", "PG_OOM_ADJUST_VALUE": _own_oom_score()}
    return kept | {"LC_ALL": "C"}


def _own_oom_score() -> str:
    try:
        return Path("/proc/self/oom_score_adj").read_text().strip()
    except OSError:
        return "0"


def _be_hard_to_kill(pid: int) -> None:
    """Where we may: the out-of-memory killer takes others first; and no core files, which would hold messages."""
    if not _LINUX:
        return
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_text("-900")
    with contextlib.suppress(OSError, ValueError):
        resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
