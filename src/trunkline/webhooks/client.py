"""The HTTP/1.1 client that posts webhooks: many customers at once, each kept in its own bounds.

Connections are kept per (plan, origin) and never shared between plans. There is a task for each dial but none for a
post: a post is written at once on an idle connection and its answer comes as a callback, because this is half of the
cost of a message's whole trip.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections import deque
from time import monotonic

from trunkline import __version__
from trunkline.domain.callback import Callback, Policy
from trunkline.webhooks.connection import Connection, Done, Failure, HookAnswer, Post
from trunkline.webhooks.egress import Gate
from trunkline.webhooks.tls import tls_context

__all__ = ["Failure", "HookAnswer", "HookClient", "tls_context"]

_FIXED = b"User-Agent: Trunkline/%b\r\nContent-Type: application/json\r\n" % __version__.encode()
_TRIES_PER_DIAL = 3


class _Plan:
    """What the pools of one plan share. `starved`: those held back by the plan's cap alone, in the order they came."""

    __slots__ = ("busy_count", "pool_count", "starved")

    def __init__(self) -> None:
        self.busy_count = self.pool_count = 0
        self.starved: dict[_Pool, None] = {}


class _Pool:
    """The connections of one plan to one origin. `certificate`: what they show the server, if it asks."""

    __slots__ = ("busy_count", "certificate", "fixed_head", "idle", "key", "plan", "target", "tls", "waiting")

    def __init__(self, plan_id: str, plan: _Plan, target: Callback) -> None:
        self.key = (plan_id, target.origin)
        self.plan = plan
        self.target = target  # one of its URLs
        shown = f"[{target.host}]" if ":" in target.host else target.host
        if target.port != (443 if target.scheme == "https" else 80):
            shown = f"{shown}:{target.port}"
        self.fixed_head = b"Host: %b\r\n%b" % (shown.encode("ascii"), _FIXED)
        self.certificate: bytes | None = None
        self.tls: ssl.SSLContext | None = None  # the certificate's, once it was needed
        self.busy_count = 0
        self.idle: list[Connection] = []  # the last used at the end: it is the likeliest to be alive
        self.waiting: deque[Post] = deque()


class HookClient:
    """Posts webhooks from one event loop.

    Bounds: `per_origin` posts at once for a (plan, origin), `per_plan` for a plan (whose messages may name any number
    of origins), `total` in all (and as many connections); `attempt_s` for one post from its dial or write to the end
    of the answer (looked at every `attempt_s`/20, at most 250 ms); connections idle for `idle_s`, or whose address was
    checked `recheck_s` ago, are closed. `close` closes the gate too.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        gate: Gate | None = None,
        tls: ssl.SSLContext | None = None,
        per_origin: int = 8,
        per_plan: int = 128,
        total: int = 1024,
        attempt_s: float = 15.0,
        connect_s: float = 5.0,
        idle_s: float = 30.0,
        recheck_s: float = 60.0,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._gate = gate if gate is not None else Gate(policy)
        self._tls = tls if tls is not None else tls_context()
        self._per_origin = per_origin
        self._per_plan = per_plan
        self._total = total
        self._attempt_s = attempt_s
        self._connect_s = connect_s
        self._idle_s = idle_s
        self._recheck_s = recheck_s
        self._plans: dict[str, _Plan] = {}
        self._pools: dict[tuple[str, str], _Pool] = {}
        self._starved: dict[_Pool, None] = {}  # pools held back by `total` alone, first come first served
        self._busy_count = 0
        self._members: dict[Connection, _Pool] = {}  # dialling, busy or idle
        self._dials: dict[Connection, asyncio.Task[None]] = {}
        self._sockets: set[Connection] = set()  # whose transports are not gone yet
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False
        self._last_gone = asyncio.Event()

    def post(
        self, plan_id: str, target: Callback, head: bytes, body: bytes, done: Done, certificate: bytes | None = None
    ) -> None:
        """Post `body` to `target`; `done` gets the answer, once, and must not raise.

        `head` holds header lines with their CRLFs (`headers.header_lines`, `Signer.header_lines`); Host, User-Agent,
        Content-Type and Content-Length are added. Beyond `free` posts wait, outside of their deadline. `certificate`
        is for all connections of this plan to this origin from now on (`tls_context`).
        """
        post = Post(target.path, head, body, done)
        if self._closed:
            done(HookAnswer(None, Failure.CLOSED, 0.0))
            return
        pool = self._pools.get((plan_id, target.origin)) or self._new_pool(plan_id, target)
        if certificate is not pool.certificate:
            self._show(pool, certificate)
        if (
            not pool.waiting
            and pool.busy_count < self._per_origin
            and pool.plan.busy_count < self._per_plan
            and self._busy_count < self._total
        ):
            self._start(pool, post)
            return
        pool.waiting.append(post)
        if len(pool.waiting) == 1:  # else the pool has its place in a queue already
            self._pump(pool)

    async def send(
        self, plan_id: str, target: Callback, head: bytes, body: bytes, certificate: bytes | None = None
    ) -> HookAnswer:
        """`post` for callers with one to send: the answer as the return value."""
        answer: asyncio.Future[HookAnswer] = self._loop.create_future()
        done: Done = lambda got: None if answer.done() else answer.set_result(got)  # noqa: E731
        self.post(plan_id, target, head, body, done, certificate)
        return await answer

    def free(self, plan_id: str, origin: str) -> int:
        """How many posts for this (plan, origin) would start at once."""
        plan = self._plans.get(plan_id)
        free = min(self._total - self._busy_count, self._per_plan - plan.busy_count if plan else self._per_plan)
        pool = self._pools.get((plan_id, origin))
        used = pool.busy_count + len(pool.waiting) if pool else 0
        return max(0, min(free, self._per_origin - used))

    def room(self, plan_id: str, origin: str) -> int:
        """How many posts to hand over: those that would start at once, and behind the ones under way as many again, so
        that a connection whose answer came has the next post at hand."""
        pool = self._pools.get((plan_id, origin))
        behind = self._per_origin - len(pool.waiting) if pool is not None and pool.busy_count else 0
        return self.free(plan_id, origin) + max(0, behind)

    async def close(self) -> None:
        """End everything: posts not yet answered get `Failure.CLOSED`. Returns when all sockets are closed."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for pool in list(self._pools.values()):
            while pool.waiting:
                pool.waiting.popleft().done(HookAnswer(None, Failure.CLOSED, 0.0))
            self._forget_if_empty(pool)
        dials = list(self._dials.values())
        for connection in list(self._members):
            self._discard(connection, Failure.CLOSED)
        await asyncio.gather(*dials, return_exceptions=True)
        await self._gate.close()
        while self._sockets:
            self._last_gone.clear()
            await self._last_gone.wait()

    # Starting

    def _new_pool(self, plan_id: str, target: Callback) -> _Pool:
        plan = self._plans.get(plan_id)
        if plan is None:
            plan = self._plans[plan_id] = _Plan()
        plan.pool_count += 1
        pool = self._pools[(plan_id, target.origin)] = _Pool(plan_id, plan, target)
        return pool

    def _show(self, pool: _Pool, certificate: bytes | None) -> None:
        """Another certificate than before: what was connected with that one is not used again."""
        if certificate != pool.certificate:
            pool.tls = None
            while pool.idle:
                self._drop(pool.idle.pop())
        pool.certificate = certificate

    def _start(self, pool: _Pool, post: Post) -> None:
        pool.busy_count += 1
        pool.plan.busy_count += 1
        self._busy_count += 1
        post.started_at = now = monotonic()
        while pool.idle:
            connection = pool.idle.pop()
            if connection.is_usable and now - connection.resolved_at < self._recheck_s:
                connection.send(post)
                return
            self._drop(connection)
        self._dial(pool, post)

    def _dial(self, pool: _Pool, post: Post) -> None:
        if len(self._members) >= self._total:
            # Only reached at the cap; posts in work are fewer, so one of them is idle.
            self._discard(next(member for member in self._members if member.post is None), Failure.CLOSED)
        connection = Connection(self, pool.fixed_head, post, pool.certificate)
        self._members[connection] = pool
        dial = self._dials[connection] = self._loop.create_task(self._connect(connection, pool))
        dial.add_done_callback(lambda _: self._dials.pop(connection, None))
        if self._sweeper is None:
            self._sweep()

    async def _connect(self, connection: Connection, pool: _Pool) -> None:
        failure, detail = await self._try_addresses(connection, pool)
        post = connection.post
        if failure is not None and post is not None:
            connection.cut()
            self.answered(
                connection,
                post,
                HookAnswer(None, failure, monotonic() - post.started_at, detail=detail),
                reusable=False,
            )

    async def _try_addresses(self, connection: Connection, pool: _Pool) -> tuple[Failure | None, str]:
        resolved = await self._gate.addresses(pool.key[0], pool.target.host)
        if not resolved.addresses:
            return Failure.EGRESS, ""
        connection.resolved_at = resolved.at
        try:
            tls = await self._tls_for(pool, connection.certificate)
        except ssl.SSLError:
            return Failure.TLS, "our certificate"
        detail = ""
        for address in resolved.addresses[:_TRIES_PER_DIAL]:
            try:
                sock = await self._connected(address, pool.target.port)
            except OSError as error:  # TimeoutError is one
                detail = os.strerror(error.errno) if error.errno else "connection timed out"
            else:
                return await self._open(connection, pool, sock, tls)
        return Failure.CONNECT, detail

    async def _connected(self, address: str, port: int) -> socket.socket:
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.timeout(self._connect_s):
                await self._loop.sock_connect(sock, (address, port))
        except BaseException:
            sock.close()
            raise
        return sock

    async def _open(
        self, connection: Connection, pool: _Pool, sock: socket.socket, tls: ssl.SSLContext | None
    ) -> tuple[Failure | None, str]:
        """TLS, where it is used, and the protocol on a connected socket."""
        try:
            if tls is not None:
                await self._loop.create_connection(
                    lambda: connection,
                    sock=sock,
                    ssl=tls,
                    server_hostname=pool.target.host,
                    ssl_handshake_timeout=self._attempt_s + 1.0,  # the sweeper comes first
                    ssl_shutdown_timeout=1.0,
                )
            else:
                await self._loop.create_connection(lambda: connection, sock=sock)
        except ssl.SSLCertVerificationError as error:
            return Failure.TLS, error.verify_message
        except ssl.SSLError as error:
            return Failure.TLS, error.reason or ""
        except OSError as error:
            detail = os.strerror(error.errno) if error.errno else "closed in the handshake"
            return Failure.TLS if tls is not None else Failure.CONNECT, detail
        return None, ""

    async def _tls_for(self, pool: _Pool, certificate: bytes | None) -> ssl.SSLContext | None:
        if pool.target.scheme == "http":
            return None
        if certificate is None:
            return self._tls
        if pool.tls is not None and pool.certificate == certificate:
            return pool.tls
        made = await asyncio.to_thread(tls_context, certificate=certificate)  # reads the system's authorities
        if pool.certificate == certificate:
            pool.tls = made
        return made

    # What connections tell (`connection.Owner`)

    def opened(self, connection: Connection) -> None:
        """The transport exists."""
        self._sockets.add(connection)

    def gone(self, connection: Connection) -> None:
        """The transport is closed."""
        self._sockets.discard(connection)
        if not self._sockets:
            self._last_gone.set()
        pool = self._members.get(connection)
        if pool is not None:  # closed by the other side while idle
            if connection in pool.idle:
                pool.idle.remove(connection)
            self._drop(connection)
            self._forget_if_empty(pool)

    def lost_unread(self, connection: Connection, post: Post) -> None:
        """The race of a kept connection: the other side closed it as idle while the post was written. Once again."""
        pool = self._members.pop(connection)
        self._dial(pool, post)

    def answered(self, connection: Connection, post: Post, answer: HookAnswer, *, reusable: bool) -> None:
        """A post is over. Whoever waits is started before `done` runs, which may itself post."""
        pool = self._members[connection]
        reusable = reusable and connection.certificate == pool.certificate
        if reusable:
            pool.idle.append(connection)
        else:
            self._drop(connection)
        self._release(pool)
        if not reusable:
            self._forget_if_empty(pool)
        post.done(answer)

    # Making room

    def _release(self, pool: _Pool) -> None:
        plan = pool.plan
        pool.busy_count -= 1
        plan.busy_count -= 1
        self._busy_count -= 1
        # Each turn takes a pool out of its queue; it is back only if the cap of that queue is reached. Other plans
        # first, or a busy one would keep the place that it has just left.
        while self._starved and self._busy_count < self._total:
            self._pump(next(iter(self._starved)))
        while plan.starved and plan.busy_count < self._per_plan:
            self._pump(next(iter(plan.starved)))
        if pool.waiting:
            self._pump(pool)

    def _pump(self, pool: _Pool) -> None:
        """Start what waits in `pool` as far as there is room; else to the end of the queue for the room it lacks."""
        plan = pool.plan
        self._starved.pop(pool, None)
        plan.starved.pop(pool, None)
        while pool.waiting and pool.busy_count < self._per_origin:
            if plan.busy_count >= self._per_plan:
                plan.starved[pool] = None
                return
            if self._busy_count >= self._total:
                self._starved[pool] = None
                return
            self._start(pool, pool.waiting.popleft())

    def _discard(self, connection: Connection, failure: Failure) -> None:
        """End a member whatever it does; the post in work gets its status, or `failure`."""
        dial = self._dials.get(connection)
        if dial is not None:
            dial.cancel()
        if connection.post is not None:
            connection.expire(failure)
            return
        pool = self._members[connection]
        pool.idle.remove(connection)
        self._drop(connection)
        self._forget_if_empty(pool)

    def _drop(self, connection: Connection) -> None:
        del self._members[connection]
        connection.close()

    def _forget_if_empty(self, pool: _Pool) -> None:
        if pool.busy_count or pool.idle or pool.waiting or self._pools.pop(pool.key, None) is None:
            return
        pool.plan.pool_count -= 1
        if not pool.plan.pool_count:
            del self._plans[pool.key[0]]

    def _sweep(self) -> None:
        # One look at all of them now and then costs less than a timer for each post.
        now = monotonic()
        for connection in list(self._members):
            if connection not in self._members:
                continue  # went with one before
            post = connection.post
            if post is not None:
                if now - post.started_at >= self._attempt_s:
                    self._discard(connection, Failure.TIMEOUT)
            elif now - connection.idle_at >= self._idle_s or now - connection.resolved_at >= self._recheck_s:
                self._discard(connection, Failure.CLOSED)
        rest_s = min(0.25, self._attempt_s / 20)
        self._sweeper = self._loop.call_later(rest_s, self._sweep) if self._members and not self._closed else None
