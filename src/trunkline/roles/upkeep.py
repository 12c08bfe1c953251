"""The upkeep role: the rounds that keep an installation in order."""

from __future__ import annotations

import asyncio
from functools import partial

from trunkline.dlr import match
from trunkline.domain.ids import MsgIds
from trunkline.domain.provisioning import PlanId
from trunkline.domain.routes import Choice
from trunkline.mo.parts import Joiner
from trunkline.mt.reply import reply
from trunkline.mt.route import Router
from trunkline.roles.context import Context
from trunkline.store.diverting import Stranded
from trunkline.store.refusals import Refusals
from trunkline.upkeep.divert import Diverting
from trunkline.upkeep.rounds import Rounds


async def run(context: Context, stop: asyncio.Event) -> None:
    """Works until `stop`."""
    joiner = Joiner(
        provisioning=context.provisioning,
        ids=MsgIds(),
        now_ms=context.clock.now_ms,
        compose=partial(reply, context.provisioning),
    )
    router = Router(context.carriers.live, context.carriers.measured)

    def choose(plan_id: PlanId, message: Stranded, refused: Refusals) -> Choice | None:
        provisioning = context.provisioning()
        if provisioning is None:
            return None
        return router.choose(
            provisioning,
            plan_id,
            message.sender,
            message.recipient,
            message.country,
            message.mccmnc,
            message.msg_id,
            refused,
        )

    rounds = Rounds(
        context.dsn,
        lease_s=round(context.settings.lease_s),
        dead_letter_days=context.settings.callback.dead_letter_days,
        look=match.look,
        join=joiner.look,
        receipt_grace_s=round(context.settings.receipt_grace_s),
        diverting=Diverting(context.carriers.down, choose),
    )
    async with asyncio.TaskGroup() as group:
        running = group.create_task(rounds.run(), name="upkeep")
        await stop.wait()
        running.cancel()
