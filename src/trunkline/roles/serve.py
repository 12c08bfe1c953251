"""`trunkline serve`: the database brought up and checked, then the roles as supervised processes, till told to stop."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence

from trunkline.roles.process import ROLES
from trunkline.runtime import clock, files, log
from trunkline.runtime.scrape import MetricsListener
from trunkline.runtime.secret import secret_key
from trunkline.runtime.settings import Settings, SettingsError, as_environment, check_listeners
from trunkline.runtime.supervisor import ChildSpec, Supervisor
from trunkline.store import leases, migrate
from trunkline.store.db import DatabaseError, connect
from trunkline.store.doctor import check
from trunkline.store.embedded import Embedded, EmbeddedRefused

_log = log.get_logger()
_POSTMASTER_LOOK_S = 0.25


def run(
    settings: Settings,
    roles: Sequence[str] = ROLES,
    *,
    extra: Callable[[Settings], Iterable[ChildSpec]] = lambda settings: (),
    prepare: Callable[[Settings], None] = lambda settings: None,
    started: Callable[[Settings], None] = lambda settings: None,
    environment: Mapping[str, str] | None = None,
) -> int:
    """Runs the roles of this node in the foreground; returns the exit code.

    `prepare` is called with the final settings (database's address filled in) before any role starts, `started` once
    all are ready; `extra` children run beside the roles; `environment` is added to all of theirs.
    Raises SettingsError, EmbeddedRefused, DatabaseRefused, SchemaUnknown, OSError (a port is taken): one line each.
    """
    files.allow_most()
    check_listeners(settings)
    secret_key(settings)
    sock = _listening_socket(settings) if "api" in roles else None
    embedded: Embedded | None = None
    try:
        if settings.database.url is None:
            embedded = Embedded(settings.data_dir, port=settings.database.port or None)
            settings = with_database(settings, embedded.start().dsn)
        elif not settings.data_dir.exists():
            settings.data_dir.mkdir(mode=0o700, parents=True)
        assert settings.database.url is not None
        asyncio.run(
            check(settings.database.url, allow_unsafe=settings.database.allow_unsafe, rls=settings.database.rls)
        )
        asyncio.run(migrate.migrate(settings.database.url, rls=settings.database.rls))
        prepare(settings)
        if sock is not None and settings.http.port == 0:
            settings = dataclasses.replace(
                settings, http=dataclasses.replace(settings.http, port=sock.getsockname()[1])
            )
        children = [*_children(settings, roles, sock, environment or {}), *extra(settings)]
        return asyncio.run(_supervise(settings, children, embedded, started))
    finally:
        if sock is not None:
            sock.close()
        if embedded is not None:
            embedded.stop()


def with_database(settings: Settings, dsn: str) -> Settings:
    """The settings with the address of the database that is used."""
    return dataclasses.replace(settings, database=dataclasses.replace(settings.database, url=dsn))


def _listening_socket(settings: Settings) -> socket.socket:
    host, port = settings.http.host, settings.http.port
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        sock = socket.socket(family, kind, proto)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(2048)
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {host}:{port}: {error.strerror}; stop what runs there, or set http_port to another"
        ) from None
    return sock


def _children(
    settings: Settings, roles: Sequence[str], sock: socket.socket | None, environment: Mapping[str, str]
) -> list[ChildSpec]:
    """Which processes run which roles: on a small machine the API in one, all else in another."""
    env = {**as_environment(settings), **environment}
    children = []

    def add(name: str, names: Sequence[str], count: int, sockets: Mapping[str, socket.socket] | None = None) -> None:
        for number in range(1, count + 1):
            argv = [sys.executable, "-m", "trunkline.roles.process", ",".join(names)]
            children.append(ChildSpec(f"{name}-{number}", argv, env, sockets or {}))

    if "api" in roles and sock is not None:
        add("api", ["api"], settings.processes.api, {"http": sock})
    beside = [role for role in ("webhooks", "upkeep") if role in roles]
    if settings.processes.webhooks and "webhooks" in roles:
        add("webhooks", ["webhooks"], settings.processes.webhooks)
        beside.remove("webhooks")
    if "dispatcher" in roles:
        add("dispatcher", ["dispatcher", *beside], settings.processes.dispatcher)
    elif beside:
        add("-".join(beside), beside, 1)
    return children


async def _supervise(
    settings: Settings, children: Sequence[ChildSpec], embedded: Embedded | None, started: Callable[[Settings], None]
) -> int:
    endings: set[asyncio.Task[None]] = set()

    def child_dead(spec: ChildSpec, pid: int) -> None:
        # Its death was witnessed: nobody has to wait for its lease to run out.
        task = asyncio.get_running_loop().create_task(_end_lease(settings, pid))
        endings.add(task)
        task.add_done_callback(endings.discard)

    supervisor = Supervisor(children, on_child_dead=child_dead)
    metrics = MetricsListener(supervisor.numbers)
    if settings.metrics.port >= 0:
        try:
            await metrics.start(settings.metrics.host, settings.metrics.port)
        except OSError as error:
            raise SettingsError(
                f"cannot serve /metrics on {settings.metrics.host}:{settings.metrics.port}: {error.strerror}; "
                "set metrics_port to another, or to -1"
            ) from None
    announcing = asyncio.create_task(_announce(settings, supervisor, started))
    watching = asyncio.create_task(_keep_database(embedded)) if embedded is not None else None
    code = await supervisor.run()
    announcing.cancel()
    if watching is not None:
        watching.cancel()
    await metrics.stop()
    if supervisor.message:
        raise SettingsError(supervisor.message)
    return code


async def _announce(settings: Settings, supervisor: Supervisor, started: Callable[[Settings], None]) -> None:
    await supervisor.ready.wait()
    _log.info("serve.ready", host=settings.http.host, port=settings.http.port)
    started(settings)


async def _end_lease(settings: Settings, pid: int) -> None:
    assert settings.database.url is not None
    try:
        conn = await connect(settings.database.url, name="supervisor")
        try:
            await leases.end_dead(conn, settings.node, pid)
        finally:
            await conn.close()
    except DatabaseError as error:
        _log.warning("serve.lease_not_ended", pid=pid, error=log.explained(error))


async def _keep_database(embedded: Embedded) -> None:
    """Brings the embedded server up again when its postmaster died; the roles connect again by themselves."""
    while True:
        await clock.sleep(_POSTMASTER_LOOK_S)
        if not embedded.alive():
            log.alarm("database_down", "embedded", True)
            try:
                await asyncio.to_thread(embedded.restart)
            except EmbeddedRefused as error:
                _log.error("serve.database_not_restarted", error=log.explained(error))
                await clock.sleep(1.0)
            else:
                log.alarm("database_down", "embedded", False)
