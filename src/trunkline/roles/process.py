"""One process of an installation: `python -m trunkline.roles.process api` or `… dispatcher,webhooks,upkeep`.

Settings come from the environment, the database's address with them, listening sockets from the supervisor.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import sys
from collections.abc import Coroutine, Iterator

import uvloop

from trunkline.roles import api, sandbox_paths, upkeep, webhooks
from trunkline.roles.context import Context, policy_of
from trunkline.roles.dispatcher import Dispatcher
from trunkline.runtime import log
from trunkline.runtime.child import CONFIGURATION, Parent
from trunkline.runtime.secret import SealBroken, secret_key
from trunkline.runtime.settings import Settings, SettingsError, load
from trunkline.sandbox import wiring
from trunkline.store.carriers import CarrierWatch
from trunkline.store.db import DatabaseError
from trunkline.store.timing import DatabaseClock
from trunkline.store.watch import ProvisioningWatch
from trunkline.webhooks.target import target_of

ROLES = ("api", "dispatcher", "webhooks", "upkeep")
_log = log.get_logger()


async def _run(names: list[str], settings: Settings, parent: Parent, sandbox_port: int | None) -> None:
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    await parent.listen()
    context, watch = await _context(settings)
    if sandbox_port is not None:
        sandbox_paths.join(context, sandbox_port)
    # What is there now stays: the collector need not look at it again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    try:
        async with asyncio.TaskGroup() as group:
            following = [
                group.create_task(context.clock.run(), name="clock"),
                group.create_task(context.carriers.run(), name="carriers"),
            ]
            running = [group.create_task(work, name=name) for name, work in _works(names, context, stop, parent)]
            parent.ready()
            _log.info("process.ready", roles=names)
            await asyncio.wait(running, return_when=asyncio.FIRST_EXCEPTION)
            for task in following:
                task.cancel()
    finally:
        await watch.stop()
        await context.carriers.close()
        await parent.close()
    _log.info("process.ended", roles=names)


async def _context(settings: Settings) -> tuple[Context, ProvisioningWatch]:
    dsn = settings.database.url
    assert dsn is not None
    key = secret_key(settings)
    clock = DatabaseClock(dsn)
    await clock.measure()
    watch = ProvisioningWatch(dsn, key)
    await watch.start()
    policy = policy_of(settings)
    context = Context(
        settings=settings,
        dsn=dsn,
        secret_key=key,
        provisioning=watch.current,
        clock=clock,
        carriers=CarrierWatch(dsn, down_after_s=settings.failover_after_s),
        policy=policy,
        target_of=target_of(policy),
    )
    return context, watch


def _works(
    names: list[str], context: Context, stop: asyncio.Event, parent: Parent
) -> list[tuple[str, Coroutine[None, None, None]]]:
    works: list[tuple[str, Coroutine[None, None, None]]] = []
    for name in names:
        if name == "api":
            works.append((name, api.run(context, stop, parent.sockets["http"])))
        elif name == "dispatcher":
            works.append((name, Dispatcher(context).run(stop)))
        elif name == "webhooks":
            works.append((name, webhooks.run(context, stop)))
        elif name == "upkeep":
            works.append((name, upkeep.run(context, stop)))
    return works


def main() -> None:
    """Runs the roles named on the command line until the supervisor says stop, or is gone."""
    names = sys.argv[1].split(",")
    parent = Parent.inherited()
    if parent is None:
        sys.exit("this is started by `trunkline serve`")
    try:
        settings = load()
        log.configure(level=settings.log.level, format=settings.log.format, process="+".join(names), node=settings.node)
        uvloop.run(_run(names, settings, parent, wiring.inherited()))
    except (SettingsError, SealBroken) as error:
        parent.failed(str(error))
        sys.exit(CONFIGURATION)
    except DatabaseError as error:
        parent.failed(log.explained(error))
        sys.exit(1)
    except BaseExceptionGroup as errors:
        causes = list(_leaves(errors))
        for one in causes:
            _log.error("process.failed", error=log.explained(one), exc_info=one)
        with contextlib.suppress(OSError):
            parent.failed(log.explained(causes[0]))
        sys.exit(1)


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    """The errors themselves, out of however many groups they are wrapped in."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


if __name__ == "__main__":
    main()
