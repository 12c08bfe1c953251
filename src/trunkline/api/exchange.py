"""One HTTP exchange as plain values: its limits, the request as it was read, the answer as it will be written."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httptools
from msgspec import Struct

from trunkline.contract.problem import MEDIA_TYPE, Refusal, problem_json

JSON = b"content-type: application/json\r\ncache-control: no-store\r\n"
_PROBLEM = f"content-type: {MEDIA_TYPE}\r\ncache-control: no-store\r\n".encode()


class Limits(Struct, frozen=True):
    """Deadlines in seconds, sizes in octets. `linger_s`: how long a refused client may go on sending."""

    header_s: float = 5.0
    body_s: float = 10.0
    idle_s: float = 75.0
    linger_s: float = 2.0
    sweep_s: float = 0.25
    url_size: int = 8 * 1024
    header_size: int = 32 * 1024
    body_size: int = 64 * 1024


class Request:
    """Header names are in lower case; a header that came more than once has its values joined by ", " (RFC 9110 §5.3).

    `path` is as it came, still percent-encoded. `oversized`: the body was larger than the limit and is not here.
    `charged`: for how many rate limits it was counted; `rate_lines`: what its answer's header tells of them.
    """

    __slots__ = (
        "body", "charged", "headers", "method", "oversized", "path", "peer", "query", "rate_lines", "request_id",
    )  # fmt: skip

    def __init__(
        self,
        method: bytes,
        path: bytes,
        query: bytes,
        headers: dict[bytes, bytes],
        body: bytes,
        oversized: bool,
        peer: str,
        request_id: str,
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.oversized = oversized
        self.peer = peer
        self.request_id = request_id
        self.charged = 0
        self.rate_lines = b""


class Response(Struct, gc=False):
    """`headers` are whole lines, CRLF included; the protocol adds those of framing, Date and X-Request-Id."""

    status: int
    body: bytes
    headers: bytes = JSON


class Later(Struct):
    """An answer that waits for something: `finish` makes it of what `awaited` gives, or tells what to wait for next.

    Not a coroutine, so that the hot path needs no task: a callback on the future that comes with a batch will do.
    """

    awaited: Awaitable[Any]
    finish: Callable[[Any], Response | Later]


Answer = Response | Later


def refused(refusal: Refusal, request_id: str) -> Response:
    """The problem document of a refusal, with the headers that belong to it."""
    headers = _PROBLEM
    status = refusal.status
    if status == 401:
        headers += b"www-authenticate: Bearer\r\n"
    if refusal.retry_after_s is not None:
        headers += b"retry-after: %d\r\n" % refusal.retry_after_s
    if refusal.allow is not None:
        headers += b"allow: %s\r\n" % refusal.allow.encode()
    return Response(status, problem_json(refusal, request_id), headers)


def unavailable(detail: str) -> Refusal:
    """The refusal of what may work in a moment."""
    return Refusal("unavailable", detail, retry_after_s=1)


def origin_form(url: bytes) -> bytes:
    """Path and query of another form of request target (RFC 9112 §3.2); of no form, `*`, which no operation has."""
    try:
        parsed = httptools.parse_url(url)
    except httptools.HttpParserInvalidURLError:
        return b"*"
    path: bytes = parsed.path or b"*"
    return path + b"?" + parsed.query if parsed.query else path
