"""The recorder on the customer's side: a webhook receiver that writes down each request before it answers as told.

Ledger: `hook` with id, n, body's status, whether the signature is right, and the answer given (null: none).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import httptools
from rig.recording import Recorder, main
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError


class Behaviour:
    """What a test may set, by name."""

    status = 200
    answer_s = 0.0
    fail_every = 0  # each n-th is answered `fail_status`
    fail_status = 500
    reset_every = 0  # at each n-th the connection is reset, unanswered
    pattern: list[int] = []


class Connection(asyncio.Protocol):
    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.parser = httptools.HttpRequestParser(self)

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_begin(self) -> None:
        self.headers: dict[str, str] = {}
        self.body = b""

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode().lower()] = value.decode()

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.sink.received(self, self.headers, self.body)

    def answer(self, status: int) -> None:
        if not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status)


class Sink(Recorder):
    def __init__(self, ledger: Path, settings: dict[str, Any]) -> None:
        super().__init__(ledger)
        self.behaviour = Behaviour()
        self._webhook = Webhook(settings.pop("secret"))
        self._finals: set[str] = set()
        self._set(settings)

    def _set(self, settings: dict[str, Any]) -> None:
        for name, value in settings.items():
            assert hasattr(Behaviour, name), name
            setattr(self.behaviour, name, value)

    async def start(self) -> dict[str, Any]:
        self._server = await asyncio.get_running_loop().create_server(lambda: Connection(self), "127.0.0.1", 0)
        return {"port": self._server.sockets[0].getsockname()[1]}

    async def stop(self) -> None:
        self._server.close()

    async def do_set(self, **settings: Any) -> None:
        self._set(settings)

    def received(self, connection: Connection, headers: dict[str, str], body: bytes) -> None:
        wants = self.behaviour
        number = self.counts["hook"] + 1
        answer: int | None = wants.status
        if wants.fail_every and number % wants.fail_every == 0:
            answer = wants.fail_status
        if wants.reset_every and number % wants.reset_every == 0:
            answer = None
        silent = False
        if wants.pattern:
            turn = wants.pattern[number % len(wants.pattern)]
            answer, silent = (turn if turn > 0 else None), turn < 0
        hook_id = headers.get("webhook-id", "")
        msg_id, _, n = hook_id.rpartition("-")
        record = json.loads(body)
        self.note(
            "hook", id=hook_id, msgId=msg_id, n=int(n), status=record.get("status"), code=record.get("errorCode"),
            resubmitted=record.get("resubmitted"), late=record.get("late"), signed=self._is_signed(headers, body),
            digest=hashlib.sha256(body).hexdigest()[:16], answer=answer,
        )  # fmt: skip
        if answer is not None and 200 <= answer < 300 and int(n) >= 2 and msg_id not in self._finals:
            self._finals.add(msg_id)
            self.count("final")
        if silent:
            self.count("silence")
        elif answer is None:
            connection.transport.abort()
        elif wants.answer_s:
            asyncio.get_running_loop().call_later(wants.answer_s, connection.answer, answer)
        else:
            connection.answer(answer)

    def _is_signed(self, headers: dict[str, str], body: bytes) -> bool:
        try:
            self._webhook.verify(body, headers)
        except WebhookVerificationError:
            return False
        return True


if __name__ == "__main__":
    main(Sink)
