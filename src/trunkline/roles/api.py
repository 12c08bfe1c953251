"""The api role: the public HTTP API on an inherited socket."""

from __future__ import annotations

import asyncio
import socket

from uvicorn.server import ServerState

from trunkline.api.app import Api
from trunkline.api.limits import RateLimits
from trunkline.api.listener import Listener
from trunkline.mt.accept import Accepter
from trunkline.mt.route import Router
from trunkline.roles.context import Context
from trunkline.runtime import clock, log
from trunkline.store import provisioning as provisioning_store
from trunkline.store.db import connect, pool
from trunkline.store.limits import Leases
from trunkline.store.numbers import NumberWatch
from trunkline.store.prices import PriceWatch
from trunkline.store.readers import Readers

_log = log.get_logger()
_READERS = 4
_WRITERS = 2  # for what is not on the path of every message
_DRAIN_S = 10.0
_CLOCK_MOST_S = 10.0


async def run(context: Context, stop: asyncio.Event, sock: socket.socket) -> None:
    """Serves until `stop`; then accepted requests are answered and connections closed."""
    settings = context.settings
    conn = await connect(context.dsn, name="start")
    try:
        cursor_key = await provisioning_store.cursor_key(conn, context.secret_key)
    finally:
        await conn.close()
    numbers = NumberWatch(context.dsn)
    await numbers.refresh()  # before the first request: what is not known at acceptance stays so
    prices = PriceWatch(context.dsn)
    await prices.refresh()
    accepter = Accepter(context.dsn)
    readers = await Readers.open(context.dsn, size=_READERS, rls=settings.database.rls)
    writers = await pool(context.dsn, name="write", size=_WRITERS)
    leases = Leases(context.dsn)
    limits = RateLimits(leases)
    api = Api(
        provisioning=context.provisioning,
        accept=accepter.accept,
        in_work=accepter.in_work,
        first_choice=Router(context.carriers.live, context.carriers.measured).first_choice,
        mccmnc_of=numbers.mccmnc_of,
        price_of=prices.price_of,
        readers=readers,
        writers=writers,
        limits=limits,
        now_ms=context.clock.now_ms,
        cursor_key=cursor_key,
        callback_policy=context.policy,
        trusted_proxies=tuple(settings.http.trusted_proxies),
        extra_tokens=context.extra_tokens,
        extra_paths=context.extra_paths,
        ready=lambda: _trouble(context),
    )
    listener = Listener(api)
    config = listener.config(
        ssl_certfile=str(settings.http.tls_cert) if settings.http.tls_cert else None,
        ssl_keyfile=str(settings.http.tls_key) if settings.http.tls_key else None,
    )
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as group:
        beside = [group.create_task(one.run()) for one in (accepter, limits, numbers, prices)]
        server = await loop.create_server(
            lambda: listener.protocol(config, state, {}, loop), sock=sock, ssl=config.ssl, backlog=2048
        )
        await stop.wait()
        server.close()
        for connection in list(state.connections):
            connection.shutdown()
        deadline = loop.time() + _DRAIN_S
        while state.connections and loop.time() < deadline:
            await clock.sleep(0.02)
        await accepter.drained()
        for task in beside:
            task.cancel()
    for one in (accepter, leases, readers, writers, numbers, prices):
        await one.close()


def _trouble(context: Context) -> str | None:
    """Why requests should go elsewhere for now, or None."""
    if context.provisioning() is None:
        return "provisioning is out of date: the database does not answer"
    if context.clock.age_s > _CLOCK_MOST_S:
        return "the database's clock is unknown"
    return None
