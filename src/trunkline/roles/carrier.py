"""One carrier at work in a dispatcher: its links, its dispatch, its outcomes, its receipts and inbound messages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Protocol

from trunkline.carriers import dialect as dialects
from trunkline.carriers import inbound
from trunkline.carriers import receipt as receipts
from trunkline.carriers.link import Link
from trunkline.carriers.pool import Pool
from trunkline.carriers.receipt import Kind
from trunkline.dlr import match
from trunkline.dlr.receive import Incoming, Receiver, Undecodable
from trunkline.domain.ids import MsgIds
from trunkline.domain.provisioning import Carrier, CarrierId, Plan, PlanId, Provisioning
from trunkline.domain.quality import Measured
from trunkline.mo.accept import Inbox, IncomingMessage
from trunkline.mt.dispatch import Dispatch
from trunkline.mt.outcome import Outcomes
from trunkline.mt.reply import reply
from trunkline.mt.route import nothing_measured
from trunkline.smpp.esme import EsmeSession
from trunkline.smpp.pdu import DataSm, DeliverSm
from trunkline.smpp.status import ESME_ROK

_DRAIN_S = 25.0


class _Runs(Protocol):
    async def run(self) -> None: ...


class CarrierWork:
    """Wires one carrier together. Its links tell it everything (carriers/link.LinkOwner); it hands on."""

    def __init__(
        self,
        dsn: str,
        epoch: int,
        carrier: Carrier,
        *,
        provisioning: Callable[[], Provisioning | None],
        live: Callable[[CarrierId], bool],
        may_write: Callable[[], bool],
        now_ms: Callable[[], int],
        measured: Callable[[], Measured] = nothing_measured,
    ) -> None:
        self.carrier = carrier
        self._dialect = dialects.from_mapping(carrier.dialect)
        self._provisioning = provisioning
        self._plans: Mapping[PlanId, Plan] = {}
        self.pool = Pool(carrier, self)

        self.outcomes = Outcomes(
            dsn, carrier.carrier_id, self._dialect, match.look, self._requeued, self._tells_sent, live
        )
        self.dispatch = Dispatch(
            dsn,
            epoch,
            self.pool,
            self._dialect,
            self.outcomes,
            provisioning=provisioning,
            live=live,
            may_write=may_write,
            measured=measured,
        )
        self.receiver = Receiver(dsn, carrier.carrier_id, self._dialect, name=carrier.name)
        self.inbox = Inbox(
            dsn,
            carrier.carrier_id,
            epoch,
            provisioning=provisioning,
            ids=MsgIds(),
            now_ms=now_ms,
            compose=partial(reply, provisioning),
        )
        self.submit_answered = self.dispatch.submit_answered
        self.submit_unanswered = self.dispatch.submit_unanswered
        self.submit_lost = self.dispatch.submit_lost
        self.submit_not_sent = self.dispatch.submit_not_sent
        self.room_changed = self.dispatch.room_changed
        self._tasks: list[asyncio.Task[None]] = []
        self._dispatching: asyncio.Task[None] | None = None

    def _tells_sent(self, plan_id: PlanId) -> bool:
        """Whether a plan may want SENT told: of one that we know nothing of yet, the database knows."""
        known = self._provisioning()
        if known is not None:  # else as it was: an outage of the database changes no plan
            self._plans = known.plans
        plan = self._plans.get(plan_id)
        return plan is None or plan.sent_events

    def take_rate(self, carrier: Carrier) -> None:
        """What the carrier may be sent a second is as `carrier` says from now on: no reason to bind anew."""
        if carrier.rate_per_s != self.carrier.rate_per_s:
            self.carrier = replace(self.carrier, rate_per_s=carrier.rate_per_s)
            self.dispatch.throttle.limit_to(carrier.rate_per_s)

    def start(self) -> None:
        """Binds the links and begins to claim. Whatever receives is ready before the first bind is sent."""
        writers: tuple[_Runs, ...] = (
            self.outcomes.accepts,
            self.outcomes.endings,
            self.outcomes.doubts,
            self.outcomes.cuts,
            self.receiver.receipts,
            self.receiver.garbage,
            self.inbox.messages,
            self.inbox.binds,
        )
        name = self.carrier.name
        self._tasks = [asyncio.create_task(writer.run(), name=f"writer {name}") for writer in writers]
        self._tasks.append(asyncio.create_task(self.pool.run(), name=f"links {name}"))
        self._dispatching = asyncio.create_task(self.dispatch.run(), name=f"dispatch {name}")

    async def stop(self, drain_s: float = _DRAIN_S) -> None:
        """Claims nothing more, waits for open answers, unbinds, stores what was told."""
        self.dispatch.drain()
        if self._dispatching is not None:
            await self._dispatching
        await self.pool.drain(drain_s)
        self.dispatch.drained()
        await self.outcomes.drained()
        await self.receiver.drained()
        await self.inbox.drained()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(self.outcomes.close(), self.receiver.close(), self.inbox.close())

    def failed(self) -> BaseException | None:
        """Why a task of this carrier ended by itself, if one did: a defect, which the process does not outlive."""
        for task in (*self._tasks, *([self._dispatching] if self._dispatching else [])):
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                return error
        return None

    def _requeued(self) -> None:
        self.dispatch.wake(again=True)

    # What the links receive.

    def delivered(self, link: Link, session: EsmeSession, pdu: DeliverSm | DataSm) -> None:
        octets = pdu.short_message if isinstance(pdu, DeliverSm) else b""
        kind = receipts.kind_of(pdu.esm_class, octets, pdu.tlvs, self._dialect)
        if kind is Kind.RECEIPT:
            receipt = receipts.parse(pdu.esm_class, octets, pdu.tlvs, self._dialect)
            self.receiver.receipts.add(
                Incoming(session, pdu, link.link_id, _number(pdu.source_addr), _number(pdu.destination_addr), receipt)
            )
        elif kind is Kind.MO:
            message = inbound.parse(
                pdu.esm_class,
                pdu.data_coding,
                octets,
                pdu.source_addr,
                pdu.source_addr_ton,
                pdu.destination_addr,
                pdu.dest_addr_ton,
                pdu.tlvs,
                self._dialect,
            )
            self.inbox.messages.add(IncomingMessage(session, pdu, link.link_id, message))
        else:
            session.answer(pdu, ESME_ROK)

    def ended(self, session: EsmeSession) -> None:
        self.inbox.binds.end()

    def undecodable(
        self, link: Link, session: EsmeSession, command_id: int, sequence: int, octets: bytes, reason: str
    ) -> None:
        self.receiver.garbage.add(Undecodable(session, command_id, sequence, link.link_id, octets, reason))


def _number(address: str) -> str:
    """An address of a receipt as the platform writes numbers, whatever type the carrier gave it."""
    digits = match.digits(address)
    return "+" + digits if len(digits) > 6 and digits.isascii() and digits.isdecimal() else address
