"""The receiver's HTTP listener: catches webhooks, shows what was caught, lets handsets speak."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any
from urllib.parse import parse_qsl

import msgspec
from msgspec import Meta, Struct, field
from uvicorn import Config
from uvicorn.server import ServerState

from trunkline.contract.problem import MEDIA_TYPE, Refusal, problem_json
from trunkline.contract.send import SENDER
from trunkline.runtime import clock
from trunkline.sandbox import page, recipients, wiring
from trunkline.sandbox.catcher import Catcher, Caught
from trunkline.sandbox.simulator import Simulator

_BODY_MOST = 256 * 1024
_TAKEN_WITHIN_S = 10.0
_OWN = "http://localhost:3000"  # where the vendor-style receivers of the API's own port are caught as


class Asked(Struct, frozen=True):
    """One request; header names in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


class Answered(Struct, frozen=True):
    status: int
    body: bytes
    content_type: str = "application/json"


class _Search(Struct, rename="camel", forbid_unknown_fields=True):
    msg_id: str | None = None
    after: int = 0
    limit: Annotated[int, Meta(ge=1)] = 100
    wait: Annotated[float, Meta(ge=0, le=30)] = 0.0


class _Mo(Struct, forbid_unknown_fields=True):
    sender: str = field(name="from")
    recipient: str = field(name="to")
    body: str


class _Row(Struct, rename="camel"):
    number: str
    name: str
    happens: str
    status: str
    error_code: str


_ROWS = [_Row(one.number, one.name, one.happens, one.status.name, one.error_code) for one in recipients.TABLE]


class Desk:
    """Answers requests about one simulator and one catcher."""

    def __init__(self, simulator: Simulator, catcher: Catcher) -> None:
        self._simulator = simulator
        self._catcher = catcher

    async def answer(self, asked: Asked) -> Answered:
        """The answer to any request. Raises nothing that the request could cause."""
        if asked.path.startswith(wiring.CAUGHT + "/") and asked.path.count("/") >= 4:
            return await self._catch(wiring.caught_url(asked.path, asked.query), asked)
        match asked.method, asked.path:
            case "POST", "/sms/inbound" | "/sms/status":
                query = f"?{asked.query}" if asked.query else ""
                return await self._catch(_OWN + asked.path + query, asked)
            case "GET", "/sandbox/webhooks":
                return await self._search(asked)
            case "POST", "/sandbox/mo":
                return await self._speak(asked)
            case "GET", "/sandbox/recipients":
                return Answered(200, msgspec.json.encode({"data": _ROWS}))
            case "GET", "/":
                return Answered(200, page.html(), "text/html; charset=utf-8")
        return _refused("not_found", "There is nothing at this path.")

    async def _catch(self, url: str, asked: Asked) -> Answered:
        status, delay_s = self._catcher.take(url, asked.headers, asked.body)
        if delay_s:
            await clock.sleep(delay_s)
        return Answered(status, b"" if status == 204 else msgspec.json.encode({"caught": url}))

    async def _search(self, asked: Asked) -> Answered:
        try:
            search = msgspec.convert(dict(parse_qsl(asked.query)), _Search, strict=False)
        except msgspec.ValidationError as error:
            return _refused("validation_failed", f"The query is not as it has to be: {error}.")
        found = self._find(search)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(search.wait):
                while not found:
                    await self._catcher.news()
                    found = self._find(search)
        return Answered(200, msgspec.json.encode({"data": found}))

    def _find(self, search: _Search) -> list[Caught]:
        return self._catcher.find(msg_id=search.msg_id, after=search.after, limit=search.limit)

    async def _speak(self, asked: Asked) -> Answered:
        # A page of another site can post a form here, but not JSON.
        if asked.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return _refused("unsupported_media_type", "Send the body as `Content-Type: application/json`.")
        try:
            mo = msgspec.json.decode(asked.body, type=_Mo)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return _refused("validation_failed", f"The body must have from, to and body: {error}.")
        if not SENDER(mo.sender) or not SENDER(mo.recipient):
            return _refused("validation_failed", "from and to must be numbers such as +15550002222, or short codes.")
        try:
            async with asyncio.timeout(_TAKEN_WITHIN_S):
                taken = await self._simulator.say(mo.sender, mo.recipient, mo.body)
        except ValueError as error:
            return _refused("validation_failed", str(error))
        except TimeoutError:
            return _refused("unavailable", "The platform has not taken it yet: no link is bound, or it is busy.")
        if not taken:
            return _refused("unavailable", "The platform refused it.")
        return Answered(200, msgspec.json.encode({"status": "taken"}))

    async def app(self, scope: Mapping[str, Any], receive: _Receive, send: _Send) -> None:
        """The same as an ASGI application."""
        assert scope["type"] == "http"
        body = b""
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > _BODY_MOST:
                await _write(send, _refused("payload_too_large", "The body is too large to be caught."))
                return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        path, query = scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")
        await _write(send, await self.answer(Asked(scope["method"], path, query, headers, body)))


_Receive = Callable[[], Awaitable[Mapping[str, Any]]]
_Send = Callable[[Mapping[str, Any]], Awaitable[None]]


def _refused(code: str, detail: str) -> Answered:
    refusal = Refusal(code, detail)
    return Answered(refusal.status, problem_json(refusal, "sandbox"), MEDIA_TYPE)


async def _write(send: _Send, answered: Answered) -> None:
    headers = [
        (b"content-type", answered.content_type.encode()),
        (b"content-length", b"%d" % len(answered.body)),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": answered.status, "headers": headers})
    await send({"type": "http.response.body", "body": answered.body})


async def listen(desk: Desk, sock: socket.socket) -> asyncio.Server:
    """Serves the desk on a listening socket."""
    config = Config(
        desk.app,
        interface="asgi3",
        lifespan="off",
        ws="none",
        proxy_headers=False,
        server_header=False,
        date_header=False,
        access_log=False,
        log_config=None,
        timeout_keep_alive=75,
    )
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    protocol: Any = config.http_protocol_class
    return await loop.create_server(lambda: protocol(config=config, server_state=state, app_state={}), sock=sock)
