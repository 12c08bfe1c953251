"""The recorder on the carrier's side: an SMSC that writes down every submit_sm before it answers, and can misbehave.

Ledger: `submit` (with the answer that it will get: a status, or null for none), `receipt` (made), `answered` (a receipt
and the status that it got), `asked` (to bind), `bind`, `end`. A receipt that was not answered ESME_ROK is sent again,
on whatever link is there then, as carriers do.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from pathlib import Path
from typing import Any

from rig.long_texts import named, reference
from rig.recording import Recorder, main

from trunkline.smpp.codec import encode
from trunkline.smpp.errors import NotSent
from trunkline.smpp.pdu import Bind, DeliverSm, GenericNack, SubmitSm
from trunkline.smpp.smsc import Server, SmscHandler, SmscSession, serve
from trunkline.smpp.timers import Timers
from trunkline.smpp.wire import End

_TLV_NOT_ALLOWED = 0xC1
_VENDOR = 0x1400  # tags from here on
_BURST = 1000  # receipts on their way at a time
_RECEIPT = 4  # esm_class (SMPP 3.4 §5.2.12)
_AGAIN_S = 0.3
_STATES = ("ACCEPTD", "ENROUTE", "DELIVRD", "UNDELIV", "REJECTD", "EXPIRED", "UNKNOWN", "BUFFERED")
_FINAL = ("DELIVRD", "UNDELIV", "REJECTD", "EXPIRED")
_DATES = ("2601010000", "1912312359", "9912312359", "700101000000", "2513320000")


class Behaviour:
    """What a test may set, by name."""

    status = 0  # of every answer
    answer_s = 0.0
    statuses: dict[str, int] = {}  # of answers to single recipients; below 0: generic_nack with the status -n
    drop_every = 0  # each n-th submit_sm gets no answer; 1: none does
    drop_receipts = False  # of those either
    hold_answers = False  # until release_answers
    refuse_tlvs = False  # vendor TLVs are answered ESME_ROPTPARNOTALLWD
    throttle_per_s = 0.0  # more than this many a second are refused
    burst = 0.0  # 0: so many in each second of the clock; else a token bucket that holds so many
    throttle_status = 0x58
    stat: str | None = "DELIVRD"  # null: no receipts
    receipt_s = 0.0  # after the answer; below 0: so long before it
    receipt_spread_s = 0.0  # ± at random around receipt_s
    copies = 1
    shuffled = False  # receipts leave in any order, once 20 wait
    other_bind = False
    hold_receipts = False  # until release_receipts
    chaos = False  # one to five receipts of any kind, one of them final, each once to three times, any dates
    id_form = "dec"  # of the id in receipts; the answer's is decimal
    part_answers: dict[str, list[int | None]] = {}  # by number of the part: of its submits, one after the other
    part_stats: dict[str, str | None] = {}  # by number of the part, instead of `stat`
    bind_status: int | None = 0  # of every bind; null: none is answered
    bind_answer_s = 0.0


class Link(SmscHandler):
    """One bind."""

    def __init__(self, smsc: Smsc) -> None:
        self.smsc = smsc
        self.session: SmscSession | None = None
        self.number = 0

    def bind(self, session: SmscSession, pdu: Bind) -> int | None:
        return self.smsc.asked(session, pdu)

    def bound(self, session: SmscSession) -> None:
        self.session = session
        self.smsc.bound(self)

    def submit(self, session: SmscSession, pdu: SubmitSm) -> None:
        self.smsc.submitted(self, session, pdu)

    def delivered_answered(self, token: object, command_status: int) -> None:
        self.smsc.receipt_answered(token, command_status)

    def delivered_unanswered(self, token: object) -> None:
        self.smsc.send_again([token])

    def lost(self, tokens: Any) -> None:
        self.smsc.send_again(tokens)

    def not_sent(self, tokens: Any) -> None:
        self.smsc.send_again(tokens)

    def closed(self, reason: End) -> None:
        self.smsc.ended(self, reason)


class Receipt:
    """One receipt (or one copy of it) on its way; `rid` names it in the ledger."""

    __slots__ = ("came_on", "pdu", "rid")

    def __init__(self, rid: int, pdu: DeliverSm, came_on: Link | None) -> None:
        self.rid, self.pdu, self.came_on = rid, pdu, came_on


class Smsc(Recorder):
    def __init__(self, ledger: Path, settings: dict[str, Any]) -> None:
        super().__init__(ledger)
        self.behaviour = Behaviour()
        self._port = settings.pop("port", 0)
        self._next_id = settings.pop("first_id", 10_000_000)
        self._set(settings)
        self._links: list[Link] = []
        self._link_count = self._rid = self._submit_count = 0
        self._waiting: list[Any]
        self._unsent: deque[Receipt] = deque()
        self._held_receipts: list[Receipt] = []
        self._held_answers: list[tuple[Link, int, int, str]] = []
        self._second = (0, 0)
        self._tokens, self._filled_at = 0.0, 0.0
        self._server: Server | None = None
        self._cut_inside = False

    def _set(self, settings: dict[str, Any]) -> None:
        for name, value in settings.items():
            assert hasattr(Behaviour, name), name
            setattr(self.behaviour, name, value)

    async def start(self) -> dict[str, Any]:
        self._server = await serve(
            "127.0.0.1", self._port, lambda: Link(self), timers=Timers(response_s=10.0), window=200
        )
        return {"port": self._server.port}

    async def stop(self) -> None:
        assert self._server is not None
        await self._server.close()

    # What the links see.

    def asked(self, session: SmscSession, pdu: Bind) -> int | None:
        wants = self.behaviour
        self.note("asked", system=pdu.system_id, answer=wants.bind_status)
        if wants.bind_status is not None and wants.bind_answer_s:
            asyncio.get_running_loop().call_later(wants.bind_answer_s, session.answer_bind, wants.bind_status)
            return None
        return wants.bind_status

    def bound(self, link: Link) -> None:
        self._link_count += 1
        link.number = self._link_count
        self._links.append(link)
        self.note("bind", link=link.number)
        unsent, self._unsent = self._unsent, deque()
        for receipt in unsent:
            self._send(receipt)

    def ended(self, link: Link, reason: End) -> None:
        if link in self._links:
            self._links.remove(link)
            self.note("end", link=link.number, reason=str(reason))

    def submitted(self, link: Link, session: SmscSession, pdu: SubmitSm) -> None:
        wants = self.behaviour
        self._submit_count += 1
        status: int | None = wants.statuses.get(pdu.destination_addr, wants.status)
        if wants.drop_every and self._submit_count % wants.drop_every == 0:
            status = None
        elif wants.throttle_per_s and not self._within_rate(wants.throttle_per_s):
            status = wants.throttle_status
        if wants.refuse_tlvs and any(tag >= _VENDOR for tag, _ in pdu.tlvs):
            status = _TLV_NOT_ALLOWED
        ref, part_no, parts = named(pdu)
        if scripted := wants.part_answers.get(str(part_no)):
            status = scripted.pop(0)
        smsc_id = ""
        if status in (0, None):
            self._next_id += 1
            smsc_id = str(self._next_id)
        if self._cut_inside:
            status = None
        self.note(
            "submit", link=link.number, seq=pdu.sequence_number, to=pdu.destination_addr, ref=ref, part=part_no,
            parts=parts, answer=status, id=smsc_id, concat=reference(pdu),
        )  # fmt: skip
        if self._cut_inside:
            session.write_raw(b"\0\0\0\x1a\x80\0\0\x04\0\0")  # the start of a submit_sm_resp
            session.abort(reset=True)
            self._cut_inside = False
            return
        self._answer_and_tell(link, pdu, status, smsc_id)

    def _answer_and_tell(self, link: Link, pdu: SubmitSm, status: int | None, smsc_id: str) -> None:
        wants, loop = self.behaviour, asyncio.get_running_loop()
        stat = wants.part_stats.get(str(named(pdu)[1]), wants.stat)
        told = smsc_id and stat and pdu.registered_delivery & 1 and not (status is None and wants.drop_receipts)
        receipts = self._receipts(link, pdu, smsc_id, stat or "") if told else []
        lag = wants.receipt_s + (random.uniform(-1, 1) * wants.receipt_spread_s if wants.receipt_spread_s else 0.0)
        first = min(lag, 0.0)
        if receipts and lag < 0 and not wants.hold_receipts:
            self._dispatch(receipts)
            receipts = []
        if status is not None:
            answer = (link, pdu.sequence_number, status, smsc_id)
            if wants.hold_answers:
                self._held_answers.append(answer)
            elif wants.answer_s - first > 0:
                loop.call_later(wants.answer_s - first, self._answer, *answer)
            else:
                self._answer(*answer)
        if receipts and wants.hold_receipts:
            self._held_receipts += receipts
        elif receipts:
            loop.call_later(wants.answer_s + lag, self._dispatch, receipts)

    def _answer(self, link: Link, sequence: int, status: int, smsc_id: str) -> None:
        if link in self._links and link.session is not None:
            if status < 0:
                link.session.write_raw(encode(GenericNack(sequence, -status)))
            else:
                link.session.answer_submit(sequence, status, smsc_id)

    def _within_rate(self, per_s: float) -> bool:
        if self.behaviour.burst:
            now = asyncio.get_running_loop().time()
            self._tokens = min(self.behaviour.burst, self._tokens + (now - self._filled_at) * per_s)
            self._filled_at = now
            if self._tokens < 1 - 1e-9:
                return False
            self._tokens -= 1
            return True
        second = int(asyncio.get_running_loop().time())
        self._second = (second, self._second[1] + 1 if self._second[0] == second else 1)
        return self._second[1] <= per_s

    # Receipts.

    def _receipts(self, link: Link, pdu: SubmitSm, smsc_id: str, stat: str) -> list[Receipt]:
        wants = self.behaviour
        shown = {"dec": smsc_id, "hex": f"{int(smsc_id):x}", "HEX": f"{int(smsc_id):X}"}[wants.id_form]
        stats = [stat] * wants.copies
        if wants.chaos:
            stats = [*random.choices(_STATES, k=random.randint(0, 4)), random.choice(_FINAL)]
            stats = [stat for stat in stats for _ in range(random.randint(1, 3))]
        return [self._receipt(link, shown, pdu.destination_addr, pdu.source_addr, stat) for stat in stats]

    def _receipt(self, link: Link | None, shown: str, source: str, destination: str, stat: str = "DELIVRD") -> Receipt:
        self._rid += 1
        date = random.choice(_DATES) if self.behaviour.chaos else "2601010000"
        text = f"id:{shown} sub:001 dlvrd:001 submit date:2601010000 done date:{date} stat:{stat} err:000 text:"
        self.note("receipt", rid=self._rid, id=shown, to=source, stat=stat)
        pdu = DeliverSm(
            source_addr_ton=1, source_addr_npi=1, source_addr=source, destination_addr=destination, esm_class=_RECEIPT,
            short_message=text.encode(),
        )  # fmt: skip
        return Receipt(self._rid, pdu, link)

    def _dispatch(self, receipts: list[Receipt]) -> None:
        if self.behaviour.shuffled:
            self._held_receipts += receipts
            if len(self._held_receipts) < 20:
                return
            receipts, self._held_receipts = self._held_receipts, []
            random.shuffle(receipts)
        for receipt in receipts:
            self._send(receipt)

    def _send(self, receipt: Receipt) -> None:
        links = [link for link in self._links if link.session is not None]
        if self.behaviour.other_bind and len(links) > 1:
            links = [link for link in links if link is not receipt.came_on]
        elif receipt.came_on in links:
            links = [receipt.came_on]
        if not links:
            self._unsent.append(receipt)
            return
        session = random.choice(links).session
        assert session is not None
        if self.behaviour.chaos:
            self.note("sent", rid=receipt.rid)
        try:
            session.deliver(receipt.pdu, receipt)
        except NotSent:
            self.send_again([receipt])

    def receipt_answered(self, token: Any, command_status: int) -> None:
        self.note("answered", rid=token.rid, status=command_status)
        if command_status == 0:
            self.count("rok")
            if not token.pdu.esm_class & _RECEIPT:
                self.count("mo_rok")
        else:
            self.send_again([token])

    def send_again(self, tokens: Any) -> None:
        for receipt in tokens:
            self.count("redelivery")
            asyncio.get_running_loop().call_later(_AGAIN_S, self._send, receipt)

    # What it may be asked.

    async def do_set(self, **settings: Any) -> None:
        self._set(settings)

    async def do_release_answers(self, status: int | None = None) -> int:
        """Answers what was held, and holds nothing more."""
        self.behaviour.hold_answers = False
        held, self._held_answers = self._held_answers, []
        for link, sequence, planned, smsc_id in held:
            self._answer(link, sequence, planned if status is None else status, smsc_id)
        return len(held)

    async def do_release_receipts(self, last_first: bool = False, paced: bool = True) -> int:
        """Sends what was held, as fast as it is answered or (`paced` false) all at once, and holds nothing more."""
        self.behaviour.hold_receipts = self.behaviour.shuffled = False
        held, self._held_receipts = self._held_receipts, []
        if last_first:
            held.reverse()
        if self.behaviour.chaos:
            random.shuffle(held)
        for start in range(0, len(held), _BURST):
            answered = self.counts["rok"] + _BURST // 2
            for receipt in held[start : start + _BURST]:
                self._send(receipt)
            if paced and len(held) > start + _BURST:
                await self.do_wait("rok", answered)
        return len(held)

    async def do_cut(self, how: str, links: int = 1000) -> int:
        """Ends links: `rst`, `fin` (without unbind), `unbind`, or `inside`: at the next submit_sm, in mid-answer."""
        if how == "inside":
            self._cut_inside = True
            return 1
        chosen = list(self._links)[:links]
        for link in chosen:
            assert link.session is not None
            if how == "unbind":
                asyncio.ensure_future(link.session.unbind())  # noqa: RUF006
            elif how == "fin":
                link.session.close()
            else:
                link.session.abort(reset=True)
        return len(chosen)

    async def do_listen(self, wanted: bool) -> None:
        """Takes connections on the same port as before, or ends all and takes none."""
        if not wanted:
            assert self._server is not None
            self._port = self._server.port
            await self._server.close()
        else:
            await self.start()

    async def do_bogus(self, count: int, to: str = "15559999999", first: int = 900_000_000_000) -> None:
        """Sends receipts with ids that were never given to anybody (from `first` on: or not for this number), as fast
        as they are answered."""
        answered = self.counts["rok"]
        for number in range(count):
            self._send(self._receipt(None, str(first + number), to, "12345"))
            if number >= _BURST and number % 100 == 0:
                await self.do_wait("rok", answered + number - _BURST)

    async def do_say(self, octets: str, source: str, to: str = "12345", esm_class: int = 0) -> None:
        """A handset sends a message, or a part of one, with these octets (hex). Sent again until it is answered OK."""
        self._rid += 1
        self.note("mo", rid=self._rid, source=source)
        pdu = DeliverSm(
            source_addr_ton=1, source_addr=source, destination_addr=to, esm_class=esm_class,
            short_message=bytes.fromhex(octets),
        )  # fmt: skip
        self._send(Receipt(self._rid, pdu, None))

    async def do_nack(self, sequence: int, status: int) -> int:
        """Sends a generic_nack on every link, to whatever had this sequence number."""
        for link in self._links:
            assert link.session is not None
            link.session.write_raw(encode(GenericNack(sequence, status)))
        return len(self._links)

    async def do_links(self) -> int:
        return len(self._links)


if __name__ == "__main__":
    main(Smsc)
