"""The sandbox's own process: `python -m trunkline.sandbox.process [JOURNAL]`, the simulated carrier and the receiver.

Settings come from the environment, its two listening sockets from the supervisor. `JOURNAL` is a file that gets one
line of JSON for everything that the carrier sees.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import uvloop

from trunkline.runtime import log
from trunkline.runtime.child import CONFIGURATION, Parent
from trunkline.runtime.secret import SealBroken, secret_key
from trunkline.runtime.settings import Settings, SettingsError, load
from trunkline.sandbox.catcher import Catcher
from trunkline.sandbox.listener import Desk, listen
from trunkline.sandbox.recipients import Recipients
from trunkline.sandbox.simulator import Journal, Simulator
from trunkline.store.db import DatabaseError
from trunkline.store.watch import ProvisioningWatch

SMPP, HTTP = "smpp", "http"  # names of the inherited sockets


async def _run(settings: Settings, parent: Parent, journal: Path | None) -> None:
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    await parent.listen()
    assert settings.database.url is not None
    watch = ProvisioningWatch(settings.database.url, secret_key(settings))
    await watch.start()
    simulator = Simulator(Recipients(), note=Journal(journal) if journal is not None else lambda event: None)
    server = await listen(Desk(simulator, Catcher(watch.last)), parent.sockets[HTTP])
    await simulator.start(sock=parent.sockets[SMPP])
    parent.ready()
    await stop.wait()
    server.close()
    await simulator.stop()
    await watch.stop()
    await parent.close()


def main() -> None:
    """Runs until the supervisor says stop, or is gone."""
    parent = Parent.inherited()
    if parent is None:
        sys.exit("this is started by `trunkline sandbox`")
    journal = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    try:
        settings = load()
        log.configure(level=settings.log.level, format=settings.log.format, process="simulator", node=settings.node)
        uvloop.run(_run(settings, parent, journal))
    except (SettingsError, SealBroken) as error:
        parent.failed(str(error))
        sys.exit(CONFIGURATION)
    except DatabaseError as error:
        parent.failed(log.explained(error))
        sys.exit(1)


if __name__ == "__main__":
    main()
