"""The upkeep role: the rounds that keep an installation in order."""

from __future__ import annotations

import asyncio

from trunkline.dlr import match
from trunkline.domain.ids import MsgIds
from trunkline.mo.parts import Joiner
from trunkline.roles.context import Context
from trunkline.upkeep.rounds import Rounds


async def run(context: Context, stop: asyncio.Event) -> None:
    """Works until `stop`."""
    joiner = Joiner(provisioning=context.provisioning, ids=MsgIds(), now_ms=context.clock.now_ms)
    rounds = Rounds(
        context.dsn,
        lease_s=round(context.settings.lease_s),
        dead_letter_days=context.settings.callback.dead_letter_days,
        look=match.look,
        join=joiner.look,
    )
    async with asyncio.TaskGroup() as group:
        running = group.create_task(rounds.run(), name="upkeep")
        await stop.wait()
        running.cancel()
