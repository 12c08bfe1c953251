"""Jasmin's SMPP server (smpp.twisted, without the gateway behind it) as an SMSC: codec and sessions are its own.

Runs in an environment of its own, with what requirements-jasmin.txt says.
"""

from __future__ import annotations

import json
import sys
from io import BytesIO
from typing import Any

from smpp.pdu.operations import DeliverSM, EnquireLink
from smpp.pdu.pdu_encoding import DataCodingEncoder, EsmClassEncoder
from smpp.pdu.pdu_types import AddrNpi, AddrTon, CommandStatus, RegisteredDeliveryReceipt
from smpp.twisted.config import SMPPServerConfig
from smpp.twisted.protocol import DataHandlerResponse, SMPPServerProtocol
from smpp.twisted.server import SMPPServerFactory
from twisted.cred.error import UnauthorizedLogin
from twisted.internet import defer, reactor
from twisted.internet.stdio import StandardIO
from twisted.protocols.basic import LineReceiver

USERS, PASSWORD = ("us", "trunk"), "pw"
_DATE = "2601010000"
_INVALID_PASSWORD = 0x0E


_OUT = sys.stdout
sys.stdout = sys.stderr  # the library prints there, too


def told(kind: str, **fields: Any) -> None:
    print(json.dumps({"k": kind, **fields}), file=_OUT, flush=True)


def status(pdu: Any) -> int | str:
    return 0 if pdu.status == CommandStatus.ESME_ROK else str(pdu.status)


class Session(SMPPServerProtocol):  # type: ignore[misc]
    def onPDURequest_enquire_link(self, pdu: Any) -> None:
        told("enquired")
        super().onPDURequest_enquire_link(pdu)

    def onPDURequest_unbind(self, pdu: Any) -> None:
        told("unbound")
        super().onPDURequest_unbind(pdu)


class Smsc(SMPPServerFactory):  # type: ignore[misc]
    protocol = Session

    def __init__(self) -> None:
        self.ids: list[str] = []
        config = SMPPServerConfig(msgHandler=self.submitted, systems={user: {"max_bindings": 10} for user in USERS})
        super().__init__(config, None)

    def login(self, system_id: str, password: str, client: str) -> Any:
        if password != PASSWORD:
            told("bind", mode=None, system_id=system_id, status=_INVALID_PASSWORD)
            raise UnauthorizedLogin
        return defer.succeed((None, None, None))

    def addBoundConnection(self, connection: Any) -> None:
        super().addBoundConnection(connection)
        mode = connection.bind_type.name.removeprefix("bind_")
        told("bind", mode=mode, system_id=connection.system_id, status=0)

    def removeConnection(self, connection: Any) -> None:
        super().removeConnection(connection)
        told("closed")

    def submitted(self, system_id: str, session: Any, pdu: Any) -> Any:
        message_id = f"{len(self.ids):08x}-jasmin"
        self.ids.append(message_id)
        fields = pdu.params
        source, to = fields["source_addr"].decode(), fields["destination_addr"].decode()
        told(
            "submit", source=source, to=to, esm=EsmClassEncoder().encode(fields["esm_class"])[0],
            dcs=DataCodingEncoder().encode(fields["data_coding"])[0], hex=fields["short_message"].hex(), id=message_id,
        )  # fmt: skip
        if fields["registered_delivery"].receipt != RegisteredDeliveryReceipt.NO_SMSC_DELIVERY_RECEIPT_REQUESTED:
            text = f"id:{message_id} sub:001 dlvrd:001 submit date:{_DATE} done date:{_DATE} stat:DELIVRD err:000 text:"
            reactor.callLater(0, self.deliver, to, source, text.encode(), 4, 0)
        return DataHandlerResponse(CommandStatus.ESME_ROK, message_id=message_id)

    def deliver(self, source: str, to: str, octets: bytes, esm: int, dcs: int) -> None:
        (user,) = self.bound_connections
        session = self.getBoundConnections(user).getNextBindingForDelivery()
        pdu = DeliverSM(
            source_addr_ton=AddrTon.INTERNATIONAL, source_addr_npi=AddrNpi.ISDN, source_addr=source,
            dest_addr_ton=AddrTon.INTERNATIONAL, dest_addr_npi=AddrNpi.ISDN, destination_addr=to,
            esm_class=EsmClassEncoder().decode(BytesIO(bytes((esm,)))),
            data_coding=DataCodingEncoder().decode(BytesIO(bytes((dcs,)))), short_message=octets,
        )  # fmt: skip
        session.sendDataRequest(pdu).addCallback(lambda done: told("delivered", status=status(done.response)))

    def asked(self, do: str, **fields: Any) -> None:
        if do == "mo":
            self.deliver(fields["source"], fields["to"], bytes.fromhex(fields["hex"]), fields["esm"], fields["dcs"])
        elif do == "enquire":
            for session in (session for binds in self.bound_connections.values() for session in binds):
                asked = session.sendRequest(EnquireLink(), 10)
                asked.addCallback(lambda done: told("enquire_answered", status=status(done.response)))
        else:
            for user in list(self.bound_connections):
                self.unbindGateway(user)


class Commands(LineReceiver):  # type: ignore[misc]
    delimiter = b"\n"

    def __init__(self, smsc: Smsc) -> None:
        self.smsc = smsc

    def lineReceived(self, line: bytes) -> None:
        self.smsc.asked(**json.loads(line))

    def connectionLost(self, reason: Any = None) -> None:
        reactor.stop()


def main() -> None:
    smsc = Smsc()
    listening = reactor.listenTCP(int(sys.argv[1]), smsc, interface="127.0.0.1")
    told("listening", port=listening.getHost().port)
    StandardIO(Commands(smsc))
    reactor.run()


main()
