"""The same session on uvloop, whose transports are not asyncio's: traffic, a full transport, RST, unbind."""

from __future__ import annotations

import asyncio

import pytest
from smpp_ends import CALM, MESSAGE, RECEIPT, Esme, linked, run

from trunkline.smpp import pdu as p
from trunkline.smpp.errors import ConnectFailed
from trunkline.smpp.esme import connect
from trunkline.smpp.wire import End


async def _turn():
    """One turn of the loop."""


def test_uvloop_traffic_and_unbind():
    async def test(link):
        for token in range(1000):
            link.session.submit(MESSAGE, token)
            link.smsc.session.deliver(RECEIPT, token)
        assert [row[0] for row in await link.esme.until("answered", 1000)] == list(range(1000))
        await link.smsc.until("delivered_answered", 1000)
        assert link.session.peer.startswith("127.0.0.1:")
        await link.session.unbind(1)
        assert link.esme.of("closed") == [(End.UNBOUND,)]
        assert await link.smsc.until("closed") == [(End.PEER_UNBOUND,)]

    linked(test, uv=True, window=2000)


def test_uvloop_full_transport_then_rst():
    big = p.SubmitSm(tlvs=((0x0424, b"x" * 60_000),))

    async def test(link):
        link.smsc.session.pause_reading()
        count = 0
        while link.session.free:
            link.session.submit(big, count)
            count += 1
            await asyncio.wait([asyncio.ensure_future(_turn())])
        assert count < 1000
        link.session.submit(big, count)
        link.smsc.session.abort(reset=True)
        await link.esme.until("closed")
        assert link.esme.of("lost") == [(list(range(count)),)]
        assert link.esme.of("not_sent") == [([count],)]

    linked(test, uv=True, window=1000)


def test_uvloop_fin():
    async def test(link):
        link.session.submit(MESSAGE, 1)
        await link.smsc.until("submit")
        link.smsc.session.close()
        assert await link.esme.until("closed") == [(End.PEER_CLOSED,)]
        assert link.esme.of("lost") == [([1],)]

    linked(test, uv=True, silent=True)


def test_uvloop_nobody_listens():
    async def main():
        with pytest.raises(ConnectFailed):
            await connect("127.0.0.1", 1, p.BindTransceiver(), Esme(), timers=CALM)

    run(main, uv=True)
