"""The dispatcher: holds a lease, works the carriers that it gets with it."""

from __future__ import annotations

import asyncio
from functools import partial

from trunkline.domain.provisioning import CarrierId
from trunkline.mt.lease import Lease
from trunkline.mt.report import Report
from trunkline.roles.carrier import CarrierWork
from trunkline.roles.context import Context
from trunkline.runtime import clock, log
from trunkline.store.db import Listener

_log = log.get_logger()
_LOOK_S = 0.5


class Dispatcher:
    """Starts and stops carriers as the lease and provisioning say."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._works: dict[CarrierId, CarrierWork] = {}
        self._held: set[CarrierId] = set()
        self._stopping: set[asyncio.Task[None]] = set()
        self._draining = False
        self._lease = Lease(
            context.dsn,
            node=context.settings.node,
            lease_s=round(context.settings.lease_s),
            changed=self._changed,
            up=lambda: [carrier_id for carrier_id, work in self._works.items() if work.pool.up],
            ready=lambda: [carrier_id for carrier_id, work in self._works.items() if work.dispatch.takes],
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Works until `stop`, then drains: intake ends, answers are awaited, links unbind, the lease is given up."""
        report = Report(
            self._context.dsn,
            self._context.settings.node,
            lambda: [work.dispatch for work in self._works.values()],
            self._context.provisioning,
        )
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._lease.run(), name="lease"),
                group.create_task(Listener(self._context.dsn, ["mt"], self._heard).run(), name="listen mt"),
                group.create_task(report.run(), name="report"),
                group.create_task(self._follow(), name="follow provisioning"),
            ]
            await stop.wait()
            self._draining = True
            tasks[3].cancel()
            await self._stop_all()
            for task in tasks:
                task.cancel()
        await self._lease.resign()

    def _heard(self, channel: str, payload: str) -> None:
        for work in self._works.values():
            work.dispatch.wake(again=payload == "again")

    async def _changed(self, epoch: int, held: set[CarrierId]) -> None:
        """The lease covers these carriers from now on. Those that it no longer covers are somebody else's."""
        lost = self._held - held
        self._held = held
        for carrier_id in lost:
            work = self._works.pop(carrier_id, None)
            if work is not None:
                # Nothing is awaited: their answers, should they still come, are facts and are stored.
                self._retire(work, drain_s=0.0)
        self._match_provisioning()

    async def _follow(self) -> None:
        while True:
            self._match_provisioning()
            for work in self._works.values():
                if (error := work.failed()) is not None:
                    raise error
            await clock.sleep(_LOOK_S)

    def _match_provisioning(self) -> None:
        """Starts carriers that are held and not at work, and anew those whose links or dialect were changed."""
        provisioning = self._context.provisioning()
        if provisioning is None or self._draining:  # a carrier that comes with the lease now waits till we resign
            return
        for carrier_id in self._held:
            carrier = provisioning.carriers.get(carrier_id)
            work = self._works.get(carrier_id)
            if work is not None and carrier is not None:
                work.take_rate(carrier)
            if work is not None and carrier != work.carrier:
                del self._works[carrier_id]
                self._retire(work, drain_s=5.0)
                work = None
            if work is None and carrier is not None and carrier.active:
                work = CarrierWork(
                    self._context.dsn,
                    self._lease.epoch,
                    carrier,
                    provisioning=self._context.provisioning,
                    live=self._live,
                    may_write=partial(self._lease.holds, self._lease.epoch),
                    now_ms=self._context.clock.now_ms,
                    measured=self._context.carriers.measured,
                )
                self._works[carrier_id] = work
                work.start()
                _log.info("carrier.started", carrier=carrier.name)

    def _live(self, carrier_id: CarrierId) -> bool:
        """Whether a carrier takes messages. Of one that another process works the database tells."""
        work = self._works.get(carrier_id)
        return self._context.carriers.live(carrier_id) if work is None else work.dispatch.takes

    def _retire(self, work: CarrierWork, *, drain_s: float) -> None:
        task = asyncio.create_task(work.stop(drain_s), name=f"stop {work.carrier.name}")
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)

    async def _stop_all(self) -> None:
        for carrier_id in list(self._works):
            self._retire(self._works.pop(carrier_id), drain_s=25.0)
        if self._stopping:
            await asyncio.wait(self._stopping)
