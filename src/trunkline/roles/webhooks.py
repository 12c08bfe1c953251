"""The webhooks role: delivers events to customers."""

from __future__ import annotations

import asyncio

from trunkline.roles.context import Context
from trunkline.store.db import Listener
from trunkline.webhooks.client import HookClient
from trunkline.webhooks.deliver import Delivery


async def run(context: Context, stop: asyncio.Event) -> None:
    """Works until `stop`; then open attempts are awaited."""
    client = HookClient(context.policy, per_origin=context.settings.callback.origin_concurrency)
    delivery = Delivery(context.dsn, client, provisioning=context.provisioning, target_of=context.target_of)
    async with asyncio.TaskGroup() as group:
        listening = group.create_task(
            Listener(context.dsn, ["hooks"], lambda channel, payload: delivery.wake()).run(), name="listen hooks"
        )
        running = group.create_task(delivery.run(), name="deliver")
        stopped = group.create_task(stop.wait())
        await asyncio.wait([running, stopped], return_when=asyncio.FIRST_COMPLETED)
        delivery.drain()
        await running
        listening.cancel()
        stopped.cancel()
    await client.close()
