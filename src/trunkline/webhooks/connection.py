"""One connection to a customer's server: writes a post, reads its answer within bounds, and can be used again.

The other side is anybody. What it sends is counted before it is kept, and the answer that is kept is a status, one
header and the first bytes of the body.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from time import monotonic
from typing import Protocol

import httptools
from msgspec import Struct

ANSWER_LIMIT = 64 * 1024  # bytes of one answer, with its head and any 1xx before it
HEAD_LIMIT = 32 * 1024
HEADER_COUNT_LIMIT = 200
EXCERPT_LIMIT = 256


class Failure(StrEnum):
    """Why there is no status."""

    EGRESS = "egress"  # name unknown, slow or leading to a forbidden address: one word for all
    CONNECT = "connect"  # no checked address took the connection
    TLS = "tls"
    RESET = "reset"  # closed before the head of an answer was complete
    TIMEOUT = "timeout"
    TOO_LARGE = "too_large"  # head of more than `HEAD_LIMIT` bytes or `HEADER_COUNT_LIMIT` headers
    MALFORMED = "malformed"  # not HTTP/1.x
    CLOSED = "closed"  # our own end: the client was closed, nothing is said about the receiver


class HookAnswer(Struct, frozen=True, gc=False):
    """What became of one post: a `status`, or else a `failure`.

    A status stands once the head of the answer is complete, whatever becomes of the body. `retry_after_s` is never
    negative; `excerpt` holds the first 256 bytes of the body; `detail` is a short text for the record, empty for
    `Failure.EGRESS`.
    """

    status: int | None
    failure: Failure | None
    latency_s: float
    retry_after_s: float | None = None
    excerpt: bytes = b""
    detail: str = ""


Done = Callable[[HookAnswer], None]


class Post:
    """One request on its way. `started_at` (monotonic seconds): when it got its place, the deadline counts from it."""

    __slots__ = ("body", "done", "head", "path", "started_at")

    def __init__(self, path: str, head: bytes, body: bytes, done: Done) -> None:
        self.path = path
        self.head = head
        self.body = body
        self.done = done
        self.started_at = 0.0


class Owner(Protocol):
    """Who is told what became of a connection."""

    def answered(self, connection: Connection, post: Post, answer: HookAnswer, *, reusable: bool) -> None:
        """`post` is over; the connection is idle (`reusable`) or being closed."""

    def opened(self, connection: Connection) -> None:
        """The transport exists."""

    def gone(self, connection: Connection) -> None:
        """The transport is closed."""

    def lost_unread(self, connection: Connection, post: Post) -> None:
        """A connection used before was closed by the other side with not a byte of an answer."""


class Connection(asyncio.Protocol):
    """From the dial to the end. `post` is the one it is busy with; None: idle or over.

    `fixed_head` is what every request of the origin says (`Host`, `User-Agent` …), with CRLFs. `resolved_at`: when
    the address it goes to was checked. `certificate`: ours, which it shows.
    """

    __slots__ = (
        "_complete",
        "_date",
        "_excerpt",
        "_excess",
        "_failure",
        "_fixed_head",
        "_head_count",
        "_head_size",
        "_keep",
        "_over",
        "_owner",
        "_parser",
        "_read_size",
        "_retry_after",
        "_status",
        "_transport",
        "_used",
        "certificate",
        "idle_at",
        "post",
        "resolved_at",
    )

    def __init__(self, owner: Owner, fixed_head: bytes, post: Post, certificate: bytes | None = None) -> None:
        self._owner = owner
        self._fixed_head = fixed_head
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._over = False
        self._used = False
        self.certificate = certificate
        self.post: Post | None = post
        self.idle_at = self.resolved_at = 0.0
        self._reset()

    def _reset(self) -> None:
        self._status: int | None = None
        self._failure: Failure | None = None
        self._excerpt = b""
        self._retry_after = self._date = b""
        self._read_size = self._head_size = self._head_count = 0
        self._complete = self._excess = self._keep = False

    # What the client asks

    def send(self, post: Post) -> None:
        """Write `post` on this idle connection."""
        self._reset()
        self.post = post
        self._used = True
        self._write(post)

    @property
    def is_usable(self) -> bool:
        """Whether a post may be written: connected and no end seen."""
        return self._transport is not None and not self._transport.is_closing()

    def expire(self, failure: Failure) -> None:
        """End the post in work: with its status if that has come, else with `failure`."""
        self._end(failure)

    def close(self) -> None:
        """Say good-bye and close: for idle ones."""
        self._over = True
        if self._transport is not None:
            self._transport.close()

    def cut(self) -> None:
        """Close now, unread and unwritten bytes forgotten; the owner hears no more than `gone`."""
        self.post = None
        self._over = True
        if self._transport is not None:
            self._transport.abort()

    # What the transport tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a stream transport, by how it is made
        self._owner.opened(self)
        if self.post is None:  # given up while the connection was under way
            self.cut()
        else:
            self._write(self.post)

    def data_received(self, data: bytes) -> None:
        if self.post is None or self._parser is None:
            self.cut()  # nobody asked
            return
        self._read_size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:  # 101: a status as any other, but nothing that follows is HTTP
            self._excess = True
        except httptools.HttpParserError:
            if not self._complete:
                self._end(self._failure or Failure.MALFORMED)
                return
            self._excess = True
        if self._complete:
            self._end(None)
        elif self._read_size > (HEAD_LIMIT if self._status is None else ANSWER_LIMIT):
            self._end(Failure.TOO_LARGE)

    def connection_lost(self, exc: Exception | None) -> None:
        self._over = True
        post = self.post
        if post is not None:
            if self._used and self._read_size == 0:
                self.post = None  # again on a new connection, which is not a used one: so once only
                self._owner.lost_unread(self, post)
            else:
                self._end(Failure.RESET)
        self._owner.gone(self)
        self._parser = None  # the parser holds our bound methods

    # What the parser tells

    def on_message_begin(self) -> None:
        if self._complete:
            raise httptools.HttpParserError("more than was asked for")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_count += 1
        self._head_size += len(name) + len(value) + 4
        if self._head_count > HEADER_COUNT_LIMIT or self._head_size > HEAD_LIMIT:
            self._failure = Failure.TOO_LARGE
            raise httptools.HttpParserError("head too large")
        # The two lengths first: most headers are neither, and this runs for each of them.
        if len(name) == 11 and name.lower() == b"retry-after":
            self._retry_after = value
        elif len(name) == 4 and name.lower() == b"date":
            self._date = value

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        status = self._parser.get_status_code()
        if status >= 200 or status == 101:
            self._status = status
        elif status < 100:
            raise httptools.HttpParserError("no HTTP status")

    def on_body(self, body: bytes) -> None:
        if len(self._excerpt) < EXCERPT_LIMIT:
            self._excerpt += body[: EXCERPT_LIMIT - len(self._excerpt)]

    def on_message_complete(self) -> None:
        if self._status is not None:  # after a 1xx the answer is still to come
            assert self._parser is not None
            self._complete = True
            self._keep = self._parser.should_keep_alive()  # the parser knows it only here

    def _write(self, post: Post) -> None:
        assert self._transport is not None
        self._transport.write(
            b"POST %b HTTP/1.1\r\n%b%bContent-Length: %d\r\n\r\n%b"
            % (post.path.encode("ascii"), self._fixed_head, post.head, len(post.body), post.body)
        )

    def _end(self, failure: Failure | None) -> None:
        """The post in work is over; the connection stays only after a complete answer that says so."""
        post = self.post
        assert post is not None
        self.post = None
        now = monotonic()
        answer = HookAnswer(
            status=self._status,
            failure=failure if self._status is None else None,
            latency_s=now - post.started_at,
            retry_after_s=retry_after(self._retry_after, self._date) if self._retry_after else None,
            excerpt=self._excerpt,
        )
        reusable = failure is None and self._keep and not self._excess and not self._over
        if reusable:
            self.idle_at = now
        else:
            self.cut()
        self._owner.answered(self, post, answer, reusable=reusable)


_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_FIXDATE = re.compile(rb"[A-Z][a-z]{2}, (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT")


def _http_date(text: bytes) -> datetime | None:
    """IMF-fixdate (RFC 9110 §5.6.7); the two obsolete forms are not read."""
    match = _FIXDATE.fullmatch(text)
    if match is None or match[2] not in _MONTHS:
        return None
    day, year, hour, minute, second = (int(match[place]) for place in (1, 3, 4, 5, 6))
    try:
        return datetime(year, _MONTHS.index(match[2]) + 1, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None


def retry_after(value: bytes, date: bytes) -> float | None:
    """Seconds that `Retry-After` asks for (RFC 9110 §10.2.3); None if it cannot be read.

    A time is counted from the receiver's own `Date`, so that its clock need not agree with ours.
    """
    value = value.strip()
    if value.isdigit():
        return float(value) if len(value) < 10 else 1e9
    until, now = _http_date(value), _http_date(date.strip())
    return None if until is None or now is None else max(0.0, (until - now).total_seconds())
