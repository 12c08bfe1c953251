"""The server of smpp34 as an SMSC: codec and sessions are its own."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import smpp34

_DATE = "2601010000"


def told(kind: str, **fields: Any) -> None:
    print(json.dumps({"k": kind, **fields}), flush=True)


class Smsc:
    def __init__(self) -> None:
        self.bound: dict[str, Any] = {}
        self.ids: list[str] = []
        self.tasks: set[asyncio.Task[None]] = set()

    async def serve(self, server: Any) -> None:
        while True:
            event = await server.next()
            if isinstance(event, smpp34.Esme):
                self.bound[event.session_id] = event
                # It does not say which kind of bind it was, only whether messages may be delivered over it.
                told("bind", session=event.session_id, mode=None, system_id=event.system_id, status=0)
            elif isinstance(event, smpp34.SubmitSmEvent):
                self.submitted(event)
            elif isinstance(event, smpp34.Unbound):
                self.bound.pop(event.session_id, None)
                told("unbound", session=event.session_id)

    def submitted(self, event: Any) -> None:
        message_id = f"smpp34-{len(self.ids):08d}"
        self.ids.append(message_id)
        told(
            "submit", session=event.session_id, source=event.source_addr, to=event.destination_addr,
            esm=event.esm_class, dcs=event.data_coding, hex=event.short_message.hex(), id=message_id,
        )  # fmt: skip
        event.accept(message_id)
        if event.registered_delivery & 1:
            text = f"id:{message_id} sub:001 dlvrd:001 submit date:{_DATE} done date:{_DATE} stat:DELIVRD err:000 text:"
            tlvs = [
                smpp34.Tlv(smpp34.TLV_RECEIPTED_MESSAGE_ID, message_id.encode() + b"\0"),
                smpp34.Tlv(smpp34.TLV_MESSAGE_STATE, b"\2"),
            ]
            self.deliver(event.destination_addr, event.source_addr, text.encode(), esm_class=4, tlvs=tlvs)

    def deliver(self, source: str, to: str, octets: bytes, **fields: Any) -> None:
        esme = next(esme for esme in self.bound.values() if esme.can_receive)

        async def whole() -> None:
            try:
                answer = await esme.deliver_sm(
                    to, octets, source_addr=source, source_addr_ton=1, source_addr_npi=1, dest_addr_ton=1,
                    dest_addr_npi=1, **fields,
                )  # fmt: skip
            except smpp34.SmppError:
                return  # the session ended before it saw the answer
            told("delivered", status=answer.command_status)

        self.keep(whole())

    def asked(self, do: str, **fields: Any) -> None:
        if do == "mo":
            octets = bytes.fromhex(fields["hex"])
            self.deliver(fields["source"], fields["to"], octets, esm_class=fields["esm"], data_coding=fields["dcs"])
        elif do == "unbind":
            for esme in list(self.bound.values()):
                self.keep(esme.unbind())

    def keep(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


async def main() -> None:
    port = int(sys.argv[1]) or free_port()
    server = smpp34.Server("127.0.0.1", port, system_id="smpp34")
    await server.start()
    told("listening", port=port)
    smsc = Smsc()
    smsc.keep(smsc.serve(server))
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := await commands.readline():
        smsc.asked(**json.loads(line))


def free_port() -> int:
    """It cannot be asked which port it got."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


asyncio.run(main())
