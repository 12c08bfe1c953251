"""HTTP/1.1 for the public API: uvicorn's httptools protocol with limits, deadlines and strict framing of our own.

uvicorn gives the server (sockets, TLS, shutdown) and httptools the parser, which itself refuses a Content-Length
beside Transfer-Encoding, a second Content-Length, bare line feeds and bad chunks. Requests go to `Api.handle`
directly: the ceremony of ASGI (a task, an event and four dicts a request) would cost more than the API itself.

One request of a connection is in work at a time; what is pipelined behind it waits, and reading pauses meanwhile.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httptools
from uvicorn import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import get_remote_addr
from uvicorn.server import ServerState

from trunkline.api.exchange import Later, Request, Response, origin_form, refused
from trunkline.contract.problem import Refusal

if TYPE_CHECKING:
    from trunkline.api.listener import Listener

_IDLE, _HEAD, _BODY = range(3)
_NEVER = float("inf")
_DISCARD_LIMIT = 16 * 1024 * 1024
_STATUS_LINE = {int(status): f"HTTP/1.1 {int(status)} {status.phrase}\r\n".encode() for status in HTTPStatus}
_HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+;=%-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?").fullmatch


class _Enough(Exception):
    """Raised in a parser callback to stop the parser: nothing that follows on this connection is read."""


class ApiProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(
        self,
        listener: Listener,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.listener = listener
        self.limits = listener.limits
        self.api = listener.api
        self.deadline = _NEVER
        self._peer = ""
        self._host: bytes | None = b"?"  # the last one that was right
        self._phase = _IDLE
        self._closed = False
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._head_size = 0
        self._head_extra = 0  # octets of chunks that did not end the head that they went on with
        self._body = b""
        self._keep_alive = True
        self._persists = True  # what the request being read says of it
        self._no_more = False  # nothing further is read; what was read is still answered
        self._at_eof = False
        self._discarded = 0
        self._continue_due = False
        self._in_work: Request | None = None
        self._waiting: deque[Request | Response] = deque()

    # -- the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.flow = FlowControl(self.transport)
        client = get_remote_addr(self.transport)
        self._peer = client[0] if client else ""
        self.connections.add(self)
        self.listener.add(self)
        self.deadline = self.listener.now + self.limits.idle_s

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed = True
        self.connections.discard(self)
        self.listener.discard(self)
        self._waiting.clear()
        self.parser = None  # type: ignore[assignment]

    def eof_received(self) -> bool:  # type: ignore[override]
        """The client sends no more. What it has asked for in full is answered all the same."""
        self._no_more = self._at_eof = True
        self._keep_alive = False
        return self._in_work is not None or bool(self._waiting)

    def shutdown(self) -> None:
        """uvicorn's word that the server stops: idle connections go now, busy ones with their answer."""
        self._keep_alive = False
        if self._phase == _IDLE and self._in_work is None and not self._waiting:
            self.transport.close()

    def pause_writing(self) -> None:
        self.flow.pause_writing()
        self.flow.pause_reading()
        self.deadline = self.listener.now + self.limits.idle_s

    def resume_writing(self) -> None:
        self.flow.resume_writing()
        self.deadline = self.listener.now + (self.limits.idle_s if self._phase == _IDLE else self.limits.body_s)
        self._go_on()

    def out_of_time(self) -> None:
        """The sweeper's word that the deadline is over."""
        self.deadline = _NEVER
        if self.flow.write_paused:
            self.transport.abort()  # it does not read its answers
        elif self.flow.read_paused:  # it is we who do not read
            self.deadline = self.listener.now + self.limits.body_s
        elif self._phase == _IDLE or self._no_more:
            if self.transport.get_write_buffer_size():
                self.transport.abort()  # it does not read its answer; close() would wait for it for ever
            else:
                self.transport.close()
        else:
            what = "headers" if self._phase == _HEAD else "body"
            self._refuse(Refusal("request_timeout", f"The request's {what} did not arrive in time."))

    # -- reading

    def data_received(self, data: bytes) -> None:
        if self._no_more:
            self._discarded += len(data)
            if self._discarded > _DISCARD_LIMIT:
                self.transport.abort()
            return
        goes_on = self._phase == _HEAD
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # no protocol to upgrade to: the request was answered as it is (RFC 9110 §7.8), the connection ends
        except httptools.HttpParserError:
            if not self._no_more:
                self._refuse(Refusal("validation_failed", "This is not HTTP/1.1 as it has to be."))
            return
        if goes_on and self._phase == _HEAD:
            # A header line is shown when it is complete; one that never ends must not fill the memory.
            self._head_extra += len(data)
            if self._head_extra > self.limits.header_size + self.limits.url_size:
                self._refuse(Refusal("headers_too_large", "The headers must be at most 32 KiB."))

    def on_message_begin(self) -> None:
        if self._no_more:
            raise _Enough
        self._phase = _HEAD
        self._url = b""
        self._headers = {}
        self._head_size = self._head_extra = 0
        self._body = b""
        self.deadline = self.listener.now + self.limits.header_s

    def on_url(self, url: bytes) -> None:
        self._url += url
        if len(self._url) > self.limits.url_size:
            self._stop(Refusal("uri_too_long", "The request target must be at most 8 KiB."))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_size += len(name) + len(value) + 4
        if self._head_size > self.limits.header_size:
            self._stop(Refusal("headers_too_large", "The headers must be at most 32 KiB."))
        name = name.lower()
        headers = self._headers
        if name in headers:
            value = headers[name] + b", " + value
        headers[name] = value

    def on_headers_complete(self) -> None:
        headers = self._headers
        parser = self.parser
        version = parser.get_http_version()
        host = headers.get(b"host")
        if version not in ("1.1", "1.0"):
            self._stop(Refusal("validation_failed", "The HTTP version must be 1.1 or 1.0."))
        # Two Host lines have become one with a comma, which no host name has.
        if host != self._host:  # of a connection's requests, nearly always the same
            if not _HOST(host or b"") or (host is None and version == "1.1"):
                self._stop(Refusal("validation_failed", "There must be exactly one Host header, with a host name."))
            self._host = host
        self._persists = version == "1.1" and parser.should_keep_alive() and not parser.should_upgrade()
        chunked = headers.get(b"transfer-encoding")
        length = headers.get(b"content-length")
        if chunked is None and length is None:
            return
        if chunked is not None:
            # RFC 9112 §6.1: in a message of HTTP/1.0, or beside a length, it is a sign of smuggling.
            if chunked.lower() != b"chunked" or version == "1.0" or length is not None:
                self._stop(Refusal("validation_failed", "Transfer-Encoding may only be `chunked`, alone, in HTTP/1.1."))
        elif int(length or b"") > self.limits.body_size:  # one number: the parser has refused all else
            self._take(oversized=True)
            raise _Enough
        self._phase = _BODY
        self.deadline = self.listener.now + self.limits.body_s
        if b"expect" in headers and version == "1.1" and headers[b"expect"].lower() == b"100-continue":
            self._continue_due = True
            self._say_continue()

    def on_body(self, body: bytes) -> None:
        self._body = self._body + body if self._body else body
        if len(self._body) > self.limits.body_size:
            self._body = b""
            self._take(oversized=True)
            raise _Enough

    def on_message_complete(self) -> None:
        self._take(oversized=False)

    def _take(self, oversized: bool) -> None:
        """The request is here, as far as it will be read: to the API with it, or into the queue."""
        self._phase = _IDLE
        self._continue_due = False
        self.deadline = _NEVER
        if oversized or not self._persists:
            self._keep_alive = False
            self._no_more = True
        url = self._url
        if url[:1] != b"/" or b"#" in url:
            url = origin_form(url)
        path, _, query = url.partition(b"?")
        request = Request(
            self.parser.get_method(),
            path,
            query,
            self._headers,
            self._body,
            oversized,
            self._peer,
            self.api.request_id(),
        )
        if self._in_work is None and not self._waiting and not self.flow.write_paused:
            self._work(request)
        else:
            self._waiting.append(request)
            self.flow.pause_reading()

    def _stop(self, refusal: Refusal) -> None:
        """Refuses the request in a parser callback."""
        self._refuse(refusal)
        raise _Enough

    def _refuse(self, refusal: Refusal) -> None:
        """Answers what cannot become a request, after all that came before it, and ends the connection."""
        self._phase = _IDLE
        self._no_more = True
        self._keep_alive = False
        self.deadline = _NEVER
        request_id = self.api.request_id()
        response = refused(refusal, request_id)
        response.headers += f"x-request-id: {request_id}\r\n".encode()
        self._waiting.append(response)
        self._go_on()

    # -- answering

    def _work(self, request: Request) -> None:
        answer = self.api.handle(request)
        if isinstance(answer, Later):
            self._in_work = request
            self._await(request, answer)
        else:
            self._respond(request, answer)

    def _await(self, request: Request, later: Later) -> None:
        asyncio.ensure_future(later.awaited).add_done_callback(partial(self._done, request, later))

    def _done(self, request: Request, later: Later, future: asyncio.Future[Any]) -> None:
        answer = self.api.finish(request, later, future)
        if isinstance(answer, Later):
            self._await(request, answer)
            return
        self._in_work = None
        if not self._closed:
            self._respond(request, answer)
            self._go_on()

    def _go_on(self) -> None:
        """Answers what waits, one after the other, and reads on when nothing waits any more."""
        while self._in_work is None and not self.flow.write_paused and not self._closed:
            if not self._waiting:
                self.flow.resume_reading()
                self._say_continue()
                return
            following = self._waiting.popleft()
            if isinstance(following, Request):
                self._work(following)
            else:
                self._write(following, b"", False)

    def _respond(self, request: Request, response: Response) -> None:
        own_lines = b"%bx-request-id: %b\r\n" % (request.rate_lines(), request.request_id.encode())
        self._write(response, own_lines, request.method == b"HEAD")

    def _write(self, response: Response, own_lines: bytes, only_head: bool) -> None:
        last = not self._keep_alive and not self._waiting
        body = response.body
        self.transport.write(
            b"%b%b%b%b%b%b\r\n%b"
            % (
                _STATUS_LINE[response.status],
                self.listener.date,
                response.headers,
                own_lines,
                # Of a 304 it would be that of the body that is not sent again (RFC 9110 §8.6).
                b"" if response.status == 304 else b"content-length: %d\r\n" % len(body),
                b"connection: close\r\n" if last else b"",
                b"" if only_head else body,
            )
        )
        self.server_state.total_requests += 1
        if last:
            self._end()
        elif self._phase == _IDLE:
            self.deadline = self.listener.now + self.limits.idle_s

    def _end(self) -> None:
        """Closes after the last answer. A client that is still sending would lose it to a reset, so it may finish."""
        self._no_more = True
        self.deadline = self.listener.now + self.limits.linger_s
        if self.transport.can_write_eof() and not self._at_eof:
            self.transport.write_eof()
        else:
            self.transport.close()

    def _say_continue(self) -> None:
        if self._continue_due and self._in_work is None and not self._waiting:
            self._continue_due = False
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
