"""An SMSC whose every octet is read and written by smpplib's PDUs; it has no server, so the sockets are ours."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from smpplib import consts, smpp

PASSWORD = "pw"
_DATE = "2601010000"


def told(kind: str, **fields: Any) -> None:
    print(json.dumps({"k": kind, **fields}), flush=True)


class Numbers:
    """smpplib asks its client for sequence numbers."""

    sequence = 0

    def next_sequence(self) -> int:
        self.sequence += 1
        return self.sequence


class Session:
    def __init__(self, smsc: Smsc, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        self.smsc, self.reader, self.writer, self.number = smsc, reader, writer, number
        self.numbers = Numbers()
        self.receives = False

    async def run(self) -> None:
        try:
            while True:
                head = await self.reader.readexactly(4)
                rest = await self.reader.readexactly(int.from_bytes(head, "big") - 4)
                pdu = smpp.parse_pdu(head + rest, client=self.numbers, allow_unknown_opt_params=True)
                self._took(pdu)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            self.writer.close()
            self.smsc.sessions.discard(self)
            told("closed", session=self.number)

    def send(self, name: str, **fields: Any) -> None:
        pdu = smpp.make_pdu(name, client=self.numbers, **fields)
        if "sequence" in fields:
            pdu.sequence = fields["sequence"]
        self.writer.write(pdu.generate())

    def _took(self, pdu: Any) -> None:
        if pdu.command.startswith("bind_") and pdu.is_request():
            self._asked(pdu)
        elif pdu.command == "submit_sm":
            self._submitted(pdu)
        elif pdu.command == "deliver_sm_resp":
            told("delivered", status=pdu.status)
        elif pdu.command == "enquire_link":
            told("enquired", session=self.number)
            self.send("enquire_link_resp", sequence=pdu.sequence)
        elif pdu.command == "enquire_link_resp":
            told("enquire_answered", status=pdu.status)
        elif pdu.command == "unbind":
            self.send("unbind_resp", sequence=pdu.sequence)
            told("unbound", session=self.number)
            self.writer.close()
        elif pdu.command == "unbind_resp":
            self.writer.close()

    def _asked(self, pdu: Any) -> None:
        mode = pdu.command.removeprefix("bind_")
        status = 0 if pdu.password == PASSWORD.encode() else consts.SMPP_ESME_RINVPASWD
        self.receives = not status and mode != "transmitter"
        told("bind", session=self.number, mode=mode, system_id=pdu.system_id.decode(), status=status)
        self.send(pdu.command + "_resp", sequence=pdu.sequence, status=status, system_id="smpplib")
        if status:
            self.writer.close()

    def _submitted(self, pdu: Any) -> None:
        message_id = f"{len(self.smsc.ids):x}-smpplib"
        self.smsc.ids.append(message_id)
        told(
            "submit", session=self.number, source=pdu.source_addr.decode(), to=pdu.destination_addr.decode(),
            esm=pdu.esm_class, dcs=pdu.data_coding, hex=pdu.short_message.hex(), id=message_id,
        )  # fmt: skip
        self.send("submit_sm_resp", sequence=pdu.sequence, message_id=message_id)
        if pdu.registered_delivery & 1:
            text = f"id:{message_id} sub:001 dlvrd:001 submit date:{_DATE} done date:{_DATE} stat:DELIVRD err:000 text:"
            self.smsc.deliver(pdu.destination_addr.decode(), pdu.source_addr.decode(), text.encode(), esm=4)


class Smsc:
    def __init__(self) -> None:
        self.sessions: set[Session] = set()
        self.ids: list[str] = []
        self._count = 0

    async def accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._count += 1
        session = Session(self, reader, writer, self._count)
        self.sessions.add(session)
        await session.run()

    def deliver(self, source: str, to: str, octets: bytes, esm: int = 0, dcs: int = 0) -> None:
        session = next(session for session in self.sessions if session.receives)
        session.send(
            "deliver_sm", source_addr_ton=1, source_addr_npi=1, source_addr=source, dest_addr_ton=1, dest_addr_npi=1,
            destination_addr=to, esm_class=esm, data_coding=dcs, short_message=octets,
        )  # fmt: skip

    def asked(self, do: str, **fields: Any) -> None:
        if do == "mo":
            self.deliver(fields["source"], fields["to"], bytes.fromhex(fields["hex"]), fields["esm"], fields["dcs"])
        else:
            for session in list(self.sessions):
                session.send({"enquire": "enquire_link", "unbind": "unbind"}[do])


async def main() -> None:
    smsc = Smsc()
    server = await asyncio.start_server(smsc.accepted, "127.0.0.1", int(sys.argv[1]))
    told("listening", port=server.sockets[0].getsockname()[1])
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := await commands.readline():
        smsc.asked(**json.loads(line))


asyncio.run(main())
