"""A carrier's links as a dispatcher has them, with an owner that only takes down what they tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from smpp_ends import Record

from trunkline.carriers import inbound
from trunkline.carriers import receipt as receipts
from trunkline.carriers.dialect import PLAIN
from trunkline.carriers.link import Link
from trunkline.carriers.pool import Pool
from trunkline.carriers.receipt import Kind
from trunkline.domain.provisioning import Carrier, CarrierId, LinkId
from trunkline.domain.provisioning import Link as LinkSpec
from trunkline.smpp import pdu as p
from trunkline.smpp.esme import EsmeSession


class Owner(Record):
    """Notes everything, and answers what is delivered with OK, as once it is stored."""

    def submit_answered(
        self, link: Link, token: object, command_status: int, message_id: str, *, late: bool, nacked: bool
    ) -> None:
        self.note("answered", token, command_status, message_id)

    def submit_unanswered(self, link: Link, token: object) -> None:
        self.note("unanswered", token)

    def submit_lost(self, link: Link, tokens: Any) -> None:
        self.note("lost", list(tokens))

    def submit_not_sent(self, link: Link, tokens: Any) -> None:
        self.note("not_sent", list(tokens))

    def delivered(self, link: Link, session: EsmeSession, pdu: p.DeliverSm | p.DataSm) -> None:
        octets = pdu.short_message if isinstance(pdu, p.DeliverSm) else b""
        if receipts.kind_of(pdu.esm_class, octets, pdu.tlvs, PLAIN) is Kind.RECEIPT:
            self.note("receipt", receipts.parse(pdu.esm_class, octets, pdu.tlvs, PLAIN))
        else:
            self.note(
                "mo",
                inbound.parse(
                    pdu.esm_class, pdu.data_coding, octets, pdu.source_addr, pdu.source_addr_ton,
                    pdu.destination_addr, pdu.dest_addr_ton, pdu.tlvs, PLAIN,
                ),
            )  # fmt: skip
        session.answer(pdu, 0)

    def undecodable(
        self, link: Link, session: EsmeSession, command_id: int, sequence: int, octets: bytes, reason: str
    ) -> None:
        self.note("undecodable", octets, reason)
        session.answer(sequence, 0, command_id=command_id)

    def ended(self, session: EsmeSession) -> None:
        self.note("ended")

    def room_changed(self) -> None:
        self.note("room")


def carrier(
    port: int,
    *,
    modes: tuple[str, ...] = ("transceiver",),
    binds: int = 1,
    window: int = 10,
    timers: Mapping[str, float] | None = None,
    system_id: str = "us",
    password: str = "pw",
) -> Carrier:
    """A carrier with one row of credentials a bind mode, all at one port of loopback."""
    links = tuple(
        LinkSpec(
            LinkId(number), CarrierId(1), mode, "127.0.0.1", port, system_id, password, "", mode, binds, window, False,
            timers or {},
        )
        for number, mode in enumerate(modes, start=1)
    )  # fmt: skip
    return Carrier(CarrierId(1), "carrier", True, {}, links)


def pool_of(owner: Owner, **how: Any) -> Pool:
    """The links of `carrier`."""
    return Pool(carrier(**how), owner)
