"""What a message costs on an SMPP link: codec alone, and the round trip with both ends in one process.

python bench/smpp_session.py [messages]
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable

import uvloop

from trunkline.smpp import pdu as p
from trunkline.smpp.codec import decode_body, decode_short_message, encode, encode_short_message
from trunkline.smpp.esme import EsmeHandler, EsmeSession, connect
from trunkline.smpp.smsc import SmscHandler, SmscSession, serve

WINDOW = 500
SUBMIT = p.SubmitSm(
    source_addr_ton=5,
    source_addr="Trunkline",
    dest_addr_ton=1,
    dest_addr_npi=1,
    destination_addr="31612345678",
    registered_delivery=1,
    short_message=b"x" * 100,
)
RECEIPT = p.DeliverSm(
    source_addr_ton=1,
    source_addr_npi=1,
    source_addr="31612345678",
    destination_addr="Trunkline",
    esm_class=4,
    short_message=b"id:0000012345 sub:001 dlvrd:001 submit date:2503140926 done date:2503140926 stat:DELIVRD err:000",
    tlvs=((0x001E, b"0000012345\0"), (0x0427, b"\x02")),
)


class Smsc(SmscHandler):
    """Answers every submit, with a receipt behind each where asked for."""

    receipts = False
    count = 0

    def submit(self, session: SmscSession, pdu: p.SubmitSm) -> None:
        self.count += 1
        session.answer_submit(pdu.sequence_number, 0, f"{self.count:010}")
        if self.receipts:
            session.deliver(RECEIPT, self.count)


class Esme(EsmeHandler):
    """Keeps the window full until all is sent; done when all is answered and receipted."""

    session: EsmeSession

    def __init__(self, count: int, receipts: bool) -> None:
        self.left = count
        self.open = count * (1 + receipts)
        self.done = asyncio.get_running_loop().create_future()

    def more(self) -> None:
        session = self.session
        for _ in range(min(self.left, session.free)):
            self.left -= 1
            session.submit(SUBMIT, self.left)

    def submit_answered(self, token: object, command_status: int, message_id: str, late: bool) -> None:
        self._one()

    def delivered(self, session: EsmeSession, pdu: p.DeliverSm | p.DataSm) -> None:
        session.answer(pdu, 0)
        self._one()

    def window_opened(self) -> None:
        self.more()

    def _one(self) -> None:
        self.open -= 1
        if not self.open:
            self.done.set_result(None)


async def trip(count: int, receipts: bool) -> tuple[float, float]:
    """Wall and CPU microseconds a message."""
    smsc = Smsc()
    smsc.receipts = receipts
    server = await serve("127.0.0.1", 0, lambda: smsc, window=10 * WINDOW)
    esme = Esme(count, receipts)
    esme.session = await connect("127.0.0.1", server.port, p.BindTransceiver(system_id="bench"), esme, window=WINDOW)
    wall, cpu = time.perf_counter(), time.process_time()
    esme.more()
    await esme.done
    spent = time.perf_counter() - wall, time.process_time() - cpu
    await esme.session.unbind(1)
    await server.close()
    return spent[0] / count * 1e6, spent[1] / count * 1e6


def codec(name: str, call: Callable[[], object]) -> None:
    """Print the CPU microseconds of a call, the best of five."""
    best = 1e9
    for _ in range(5):
        started = time.process_time()
        for _ in range(20_000):
            call()
        best = min(best, (time.process_time() - started) / 20_000 * 1e6)
    print(f"{name:<44}{'':>10}{best:>10.2f}")


def main() -> None:
    """Print the table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    submit, receipt = encode(SUBMIT, 7), encode(RECEIPT, 7)
    print(f"{'µs a message':<44}{'wall':>10}{'CPU':>10}")
    codec("encode submit_sm", lambda: encode_short_message(SUBMIT, 7))
    codec("encode submit_sm, by the table", lambda: encode(SUBMIT, 7))
    codec("decode submit_sm", lambda: decode_short_message(p.SubmitSm, 0, 7, submit, 16, len(submit)))
    codec("decode submit_sm, by the table", lambda: decode_body(4, 0, 7, submit, 16, len(submit)))
    codec("decode deliver_sm with two TLVs", lambda: decode_short_message(p.DeliverSm, 0, 7, receipt, 16, len(receipt)))
    for loop, run in (("asyncio", asyncio.run), ("uvloop", uvloop.run)):
        for receipts in (False, True):
            wall, cpu = min(run(trip(count, receipts)) for _ in range(3))
            what = "submit, answer, receipt, answer" if receipts else "submit, answer"
            print(f"{f'{what}; both ends, {loop}':<44}{wall:>10.2f}{cpu:>10.2f}")


if __name__ == "__main__":
    main()
