"""The recorder on the sender's side: N senders on kept-alive connections; a line per request, with whatever it got.

Ledger: `request` with reqId, answer (HTTP status; null: none came), code (of a problem) and msgId. A request that was
refused at connecting was never made: it is tried again, as every client does, and is no line.
"""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

from rig.recording import Recorder, main

from trunkline.runtime import clock


class Client(Recorder):
    def __init__(self, ledger: Path, settings: dict[str, Any]) -> None:
        super().__init__(ledger)
        self._port: int = settings["port"]
        # Token and plan of each sender; with several, requests go round them by number.
        self._accounts: list[tuple[str, str]] = settings.get("accounts") or [(settings["token"], settings["plan"])]
        self._callback: str | None = settings.get("callback")
        self._chars: int = settings.get("chars", 20)
        self._recipients: list[str] = settings.get("recipients") or []  # in turn; none: one a request
        self._senders: int = settings.get("senders", 4)
        self._word: str = settings.get("word", "")  # behind the request's name
        self._fields: dict[str, Any] = settings.get("fields", {})  # further ones of the request
        self._number = settings.get("first", 0)
        self._left = 0.0
        self._per_s: float | None = None
        self._begun_at = 0.0
        self._begun_number = 0
        self._running: list[asyncio.Task[None]] = []

    async def do_send(self, count: int) -> int:
        """Sends so many and answers when each has its answer, or has none."""
        await self.do_begin(count)
        return await self.do_end(at_once=False)

    async def do_begin(self, count: int | None = None, per_s: float | None = None) -> None:
        """Begins to send: so many, or until `end`; at most so many a second."""
        self._left = float("inf") if count is None else count
        self._per_s, self._begun_at, self._begun_number = per_s, time.monotonic(), self._number
        self._running = [asyncio.ensure_future(self._send_all()) for _ in range(self._senders)]

    async def do_end(self, at_once: bool = True) -> int:
        """Stops sending; answers with the number of requests made so far, once all are over."""
        if at_once:
            self._left = 0
        await asyncio.gather(*self._running)
        return self.counts["request"]

    async def _send_all(self) -> None:
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while self._left > 0:
            self._left -= 1
            number = self._number
            self._number += 1
            if self._per_s:
                due_at = self._begun_at + (number - self._begun_number) / self._per_s
                await clock.sleep(max(0.0, due_at - time.monotonic()))
            while streams is None:
                try:
                    streams = await asyncio.open_connection("127.0.0.1", self._port)
                except OSError:
                    await clock.sleep(0.05)
            try:
                keep = await self._send(number, *streams)
            except (OSError, asyncio.IncompleteReadError, ValueError):
                self.note("request", reqId=_name(number), answer=None, code=None, msgId=None, s=None)
                keep = False
            if not keep:
                streams[1].transport.abort()
                streams = None
        if streams is not None:
            streams[1].close()

    async def _send(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        began = time.monotonic()
        writer.write(self._request(number))
        async with asyncio.timeout(60):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            size = int(head.partition("content-length:")[2].split("\r\n")[0])
            body = json.loads(await reader.readexactly(size))
        status = int(head.split(" ", 2)[1])
        self.note(
            "request", reqId=_name(number), answer=status, code=body.get("code"), msgId=body.get("msgId"),
            s=round(time.monotonic() - began, 4), retryAfter="retry-after:" in head,
        )  # fmt: skip
        if status == 202:
            self.count("accepted")
        elif status == 429:
            self.count("refused")
        return "connection: close" not in head

    def _request(self, number: int) -> bytes:
        name = _name(number)
        token, plan = self._accounts[number % len(self._accounts)]
        to = self._recipients[number % len(self._recipients)] if self._recipients else f"+1555{number:07d}"
        fields = {
            "servicePlanId": plan, "channel": "SMS", "from": "12345", "to": to,
            "body": (name + " " + self._word).ljust(self._chars, "x"), **self._fields,
        }  # fmt: skip
        if self._callback:
            fields["callbackUrl"] = self._callback
        body = json.dumps(fields).encode()
        head = (
            f"POST /v1/sendsms HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


def _name(number: int) -> str:
    return f"r{number:07d}"


if __name__ == "__main__":
    main(Client)
