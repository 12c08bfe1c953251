"""Starts, takes over, restarts and stops the PostgreSQL that a data folder holds."""

from __future__ import annotations

import atexit
import os
import re
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import structlog

from trunkline.store.embedded import binaries as programs
from trunkline.store.embedded import cluster, config, postmaster
from trunkline.store.embedded.binaries import Binaries
from trunkline.store.embedded.home import Home, Lock, open_home
from trunkline.store.embedded.postmaster import PidFile, Postmaster
from trunkline.store.embedded.refusal import EmbeddedRefused, of_os_error, why
from trunkline.store.embedded.session import Answer, Server

log = structlog.get_logger("trunkline.embedded")

SYSTEM_DIR = Path("/var/lib/trunkline")
RETRY_S = 10.0  # how long remains of a killed server may keep a new one from starting
READY_S = 600.0  # how long crash recovery may take
STOP_S = 60.0

# Remains of a server that was killed a moment ago: they go away, or are helped to.
_REMAINS = re.compile(r"lock file .* already exists|pre-existing shared memory block")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server that answers. `dsn` goes over the socket and holds the password, so neither is shown by repr."""

    dsn: str = field(repr=False)
    data_dir: Path
    pid: int
    taken_over: bool
    tcp_dsn: str | None = field(default=None, repr=False)


class _NotStarted(Exception):
    """A server ended before it was ready; the text is what it wrote."""


class Embedded:
    """The PostgreSQL of one data folder. Synchronous: an asyncio program calls it through `asyncio.to_thread`.

    `port`: also listen on 127.0.0.1, on this port (below 32768, so that no outgoing connection sits on it).
    `fsync=False`: for tests and demonstrations only, a power cut may lose everything.
    `settings`: PostgreSQL settings by name, over ours and under the operator's `postgresql.user.conf`.
    `ready_s`: how long crash recovery may take, in seconds.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int | None = None,
        fsync: bool = True,
        settings: Mapping[str, str] | None = None,
        ready_s: float = READY_S,
        system_dir: Path = SYSTEM_DIR,
        binaries: Binaries | None = None,
    ) -> None:
        self._data_dir = data_dir
        self._port = port
        self._fsync = fsync
        self._settings = dict(settings or {})
        self._ready_s = ready_s
        self._system_dir = system_dir
        self._binaries = binaries
        self._home: Home | None = None
        self._lock: Lock | None = None
        self._server: Postmaster | None = None
        self._socket_dir: Path | None = None

    def __enter__(self) -> Endpoint:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def start(self) -> Endpoint:
        """Makes the database if there is none, starts it or takes over the one left running, waits until it answers.

        Raises EmbeddedRefused. Blocks for as long as crash recovery needs, up to `ready_s`.
        """
        config.check(self._settings, fsync=self._fsync)
        try:
            self._home = open_home(self._data_dir, self._system_dir)
            self._lock = Lock(self._home)
            self._home.private_dir(self._home.log_dir)
            source = self._binaries or programs.of_wheel()
            self._binaries = programs.runnable_by(self._home.account, source, self._system_dir)
            cluster.sweep(self._home)
            if not cluster.exists(self._home, self._binaries):
                log.info("postgres.creating", folder=str(self._home.cluster), user=self._home.account.name)
                cluster.create(self._home, self._binaries, fsync=self._fsync)
            endpoint = self._bring_up()
        except BaseException as trouble:
            self.stop()
            if isinstance(trouble, OSError):
                raise of_os_error(trouble, Path(trouble.filename or self._data_dir)) from trouble
            raise
        atexit.register(self._at_exit, os.getpid())
        return endpoint

    def alive(self) -> bool:
        """Whether the server process lives (it restarts crashed children by itself)."""
        return self._server is not None and self._server.alive()

    def restart(self) -> Endpoint:
        """Brings a server up again whose process has died (a living one is stopped first); the folder stays locked.

        Raises EmbeddedRefused, after which it may be called again.
        """
        if self._lock is None:
            return self.start()
        try:
            return self._bring_up()
        except OSError as trouble:
            raise of_os_error(trouble, Path(trouble.filename or self._data_dir)) from trouble

    def stop(self) -> None:
        """Fast shutdown, waited for; then the folder is free. Does nothing where nothing runs."""
        atexit.unregister(self._at_exit)
        self._end_server()
        if self._home is not None and self._socket_dir is not None:
            self._home.tidy(self._socket_dir)
            self._socket_dir = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def remove(self) -> None:
        """Stops the server and deletes the database for good, wherever it lies. Raises EmbeddedRefused, OSError."""
        if self._lock is None:
            self._home = open_home(self._data_dir, self._system_dir)
            self._lock = Lock(self._home)  # nobody else may be running it
            found = PidFile.read(self._home.cluster)
            left = found and Postmaster.adopt(found.pid, self._home.cluster, self._home.account)
            if left:
                left.stop(STOP_S)
        home = self._home
        self.stop()
        if home is not None:
            home.remove()

    def _end_server(self) -> None:
        """Stops the server, and reaps a dead one."""
        if self._server is not None:
            began = time.monotonic()
            fast = self._server.stop(STOP_S)
            log.info("postgres.stopped", pid=self._server.pid, fast=fast, took_s=round(time.monotonic() - began, 2))
            self._server = None

    def _at_exit(self, pid: int) -> None:
        if os.getpid() == pid:  # not in a fork of the launcher
            self.stop()

    # --- one server, from whatever state the folder is in ---

    def _bring_up(self) -> Endpoint:
        assert self._home is not None
        assert self._binaries is not None
        began = time.monotonic()
        self._end_server()
        port = self._port or self._home.port
        self._socket_dir = self._home.socket_dir(port)
        listen = config.Listen(self._socket_dir, port, tcp=self._port is not None)
        managed = config.managed(
            listen, self._settings, fsync=self._fsync, lz4=self._binaries.has_lz4(), version=self._binaries.version
        )
        server = Server(listen.socket_dir, port, self._home.credentials())
        taken_over = self._take_over(self._home, managed, server)
        if not taken_over:
            cluster.configure(self._home, managed)
            self._launch(self._home, self._binaries, server)
        server.provide()
        assert self._server is not None
        assert self._lock is not None
        self._lock.say(port=port, postmaster=self._server.pid)
        log.info(
            "postgres.taken_over" if taken_over else "postgres.started",
            pid=self._server.pid,
            version=self._binaries.version,
            took_s=round(time.monotonic() - began, 2),
        )
        return Endpoint(
            dsn=server.dsn(),
            data_dir=self._home.data_dir,
            pid=self._server.pid,
            taken_over=taken_over,
            tcp_dsn=server.tcp_dsn() if listen.tcp else None,
        )

    def _take_over(self, home: Home, managed: str, server: Server) -> bool:
        """Whether a server that outlived its launcher now is ours. One that runs under another configuration, or
        cannot be reached, is shut down. Nobody else can be using the folder: we hold the lock."""
        found = PidFile.read(home.cluster)
        if found is None:  # none, or torn by a power cut, which PostgreSQL would not start over
            (home.cluster / "postmaster.pid").unlink(missing_ok=True)
            return False
        left = Postmaster.adopt(found.pid, home.cluster, home.account)
        if left is None:
            postmaster.disarm(home.cluster)
            return False
        self._server = left
        if cluster.configured(home, managed) and self._answers(home, server):
            left.signal(signal.SIGHUP)  # the operator's file may have changed
            return True
        log.info("postgres.replacing", pid=left.pid)
        self._end_server()
        return False

    def _answers(self, home: Home, server: Server) -> bool:
        try:
            return self._wait_ready(home, server, silent_s=1.0) is Answer.READY
        except _NotStarted:
            return False

    def _launch(self, home: Home, binaries: Binaries, server: Server) -> None:
        """Starts a server; remains of a killed one are waited for, then ended, within `RETRY_S`."""
        began = time.monotonic()
        reset = False
        while True:
            postmaster.clear_sockets(server.socket_dir, home.account)
            try:
                if self._launch_once(home, binaries, server) is Answer.READY:
                    return
            except _NotStarted as trouble:
                waited_s = time.monotonic() - began
                if not _REMAINS.search(str(trouble)) or waited_s > RETRY_S:
                    raise EmbeddedRefused(
                        f"PostgreSQL does not start in {home.path}, port {server.port}: {why(str(trouble))} "
                        f"(its log: {home.log_dir})"
                    ) from None
                log.warning("postgres.remains", reason=why(str(trouble)), waited_s=round(waited_s, 1))
                if waited_s > 1:  # no postmaster lives: what is left of it can only be in the way
                    by = signal.SIGKILL if waited_s > 3 else signal.SIGQUIT
                    postmaster.end_orphans(home.cluster, home.account, by)
                time.sleep(0.25)
                continue
            self._end_server()
            if reset:
                raise EmbeddedRefused(
                    f"PostgreSQL in {home.path} does not take the password of {home.path / 'credentials.json'}: "
                    "restore that file, or look into pg_hba.user.conf"
                )
            log.warning("postgres.password_reset", folder=str(home.path))
            cluster.set_superuser_password(home, binaries)
            reset = True

    def _launch_once(self, home: Home, binaries: Binaries, server: Server) -> Answer:
        sizes = {path: path.stat().st_size for path in home.log_dir.glob("postgresql-*.log")}
        output = home.log_dir / "start.log"
        self._server = Postmaster.launch(binaries, home.cluster, home.account, output)
        try:
            return self._wait_ready(home, server)
        except _NotStarted:
            self._server = None
            raise _NotStarted(_last_words(output, home.log_dir, sizes)) from None

    def _wait_ready(self, home: Home, server: Server, *, silent_s: float | None = None) -> Answer:
        """Waits while the server lives, for as long as recovery takes; READY or WRONG_PASSWORD.

        `silent_s`: after so long without a socket, NO_SOCKET (somebody removed it from below a running server).
        Raises _NotStarted when the server ends, EmbeddedRefused after `ready_s`.
        """
        assert self._server is not None
        began = time.monotonic()
        tell_at = began + 5
        while self._server.alive():
            waited_s = time.monotonic() - began
            found = PidFile.read(home.cluster)
            if found is not None and found.pid == self._server.pid and found.status == "ready":
                answer, directory = server.ask()
                if answer is Answer.READY and os.path.samefile(directory, home.cluster):
                    return answer
                if answer is Answer.WRONG_PASSWORD:
                    return answer
                if answer is Answer.NO_SOCKET and silent_s is not None and waited_s > silent_s:
                    return answer
            if waited_s > self._ready_s:
                raise EmbeddedRefused(
                    f"PostgreSQL in {home.path} is not ready after {waited_s:.0f} s: see {home.log_dir}, "
                    "and allow it more time if it is recovering"
                )
            if time.monotonic() > tell_at:
                log.info("postgres.waiting", pid=self._server.pid, waited_s=round(waited_s))
                tell_at += 5
            time.sleep(0.01)
        raise _NotStarted


def _last_words(output: Path, log_dir: Path, sizes: Mapping[Path, int]) -> str:
    """What a server wrote that has ended: first to `output`, then to the log, whose size was `sizes` before.

    The log has a process of its own, which may write for a moment longer.
    """
    deadline = time.monotonic() + 2
    while True:
        text = output.read_text(errors="replace") + _appended(log_dir, sizes)
        if re.search("FATAL|PANIC", text) or time.monotonic() > deadline:
            return text
        time.sleep(0.01)


def _appended(log_dir: Path, sizes: Mapping[Path, int]) -> str:
    texts = []
    for path in log_dir.glob("postgresql-*.log"):
        with path.open("rb") as file:
            file.seek(sizes.get(path, 0))
            texts.append(file.read().decode(errors="replace"))
    return "\n".join(texts)
