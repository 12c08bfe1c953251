"""The gate that every outgoing connection passes: looks names up, judges each address, hands out only checked ones.

A name with one forbidden address among its answers is refused as a whole, and a refusal looks the same to the
customer whether the name is unknown, slow or leads inside. The reason goes to the operator's log alone.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import zip_longest
from threading import Thread
from time import monotonic
from weakref import WeakValueDictionary

import structlog

from trunkline.domain.callback import Policy, is_forbidden

_log = structlog.get_logger(__name__)

# Blocking: a host name to its addresses as text; OSError where there are none.
Resolve = Callable[[str], Iterable[str]]


def system_resolve(host: str) -> list[str]:
    """The system's answer for `host` (hosts file, DNS), in the order it recommends (RFC 6724)."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


@dataclass(frozen=True, slots=True)
class Resolved:
    """Checked addresses of a host, at most `Gate.ADDRESS_LIMIT`; none if it is refused. `at`: monotonic seconds."""

    addresses: tuple[str, ...]
    at: float


class Gate:
    """Names to checked addresses, for one event loop.

    Lookups block for as long as the system's resolver likes, so each has a thread: at most `threads_count` at once and
    `threads_per_plan` of them for names of one plan, so that a plan whose name servers never answer cannot hold up
    the others. Whoever asks waits `lookup_s` at most.
    """

    ADDRESS_LIMIT = 8  # more are checked, but never tried

    def __init__(
        self,
        policy: Policy,
        *,
        resolve: Resolve = system_resolve,
        lookup_s: float = 5.0,
        keep_s: float = 60.0,
        keep_refused_s: float = 5.0,
        keep_count: int = 4096,
        threads_count: int = 32,
        threads_per_plan: int = 4,
    ) -> None:
        self._policy = policy
        self._resolve = resolve
        self._lookup_s = lookup_s
        self._keep_s = keep_s
        self._keep_refused_s = keep_refused_s
        self._keep_count = keep_count
        self._threads = asyncio.Semaphore(threads_count)
        self._threads_per_plan = threads_per_plan
        # Held by the lookups that use them, gone with the last.
        self._plan_threads: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._kept: dict[str, Resolved] = {}
        # By plan too: a name that waits behind one plan's slow ones must not wait for the others.
        self._lookups: dict[tuple[str, str], asyncio.Task[Resolved]] = {}

    async def addresses(self, plan_id: str, host: str) -> Resolved:
        """Where `host` (a name or a bare IP literal) may be connected to; no addresses: refused."""
        kept = self._kept.get(host)
        if kept is not None:
            if monotonic() - kept.at < (self._keep_s if kept.addresses else self._keep_refused_s):
                return kept
            del self._kept[host]
        if _is_literal(host):
            return self._judge(host, [host], monotonic())
        key = (plan_id, host)
        lookup = self._lookups.get(key)
        if lookup is None:
            lookup = self._lookups[key] = asyncio.create_task(self._look_up(plan_id, host))
            lookup.add_done_callback(lambda _: self._lookups.pop(key, None))
        try:
            async with asyncio.timeout(self._lookup_s):
                return await asyncio.shield(lookup)  # others may wait for the same answer
        except TimeoutError:
            return self._refused(host, "lookup_timeout", monotonic())

    async def close(self) -> None:
        """Forget lookups under way. Their threads end when the system's resolver lets them."""
        lookups = list(self._lookups.values())
        for lookup in lookups:
            lookup.cancel()
        await asyncio.gather(*lookups, return_exceptions=True)

    async def _look_up(self, plan_id: str, host: str) -> Resolved:
        plan_threads = self._plan_threads.get(plan_id)
        if plan_threads is None:
            plan_threads = self._plan_threads[plan_id] = asyncio.Semaphore(self._threads_per_plan)
        try:
            async with asyncio.timeout(self._lookup_s) as waiting, plan_threads, self._threads:
                waiting.reschedule(None)  # a thread is free; from here it is the thread that ends this, not the clock
                at = monotonic()
                found = await self._in_thread(host)
        except TimeoutError:
            return self._refused(host, "no_thread", monotonic())
        return self._judge(host, found, at)

    def _in_thread(self, host: str) -> asyncio.Future[list[str]]:
        # Daemon threads, not an executor: one that hangs in the resolver must not hold up the end of the process.
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[str]] = loop.create_future()

        def run() -> None:
            found: list[str] = []
            try:
                with suppress(OSError, UnicodeError):  # unknown name; a name that IDNA cannot take
                    found = list(self._resolve(host))
            finally:
                with suppress(RuntimeError):  # the loop is gone
                    loop.call_soon_threadsafe(lambda: None if answer.done() else answer.set_result(found))

        Thread(target=run, name="resolve", daemon=True).start()
        return answer

    def _judge(self, host: str, found: list[str], at: float) -> Resolved:
        """The answer for `host` from all its addresses, kept for whoever asks next. (A timeout is not kept.)"""
        answer = Resolved(_interleaved(found)[: self.ADDRESS_LIMIT], at)
        if not found:
            answer = self._refused(host, "no_address", at)
        for address in found:
            try:
                forbidden = is_forbidden(ip_address(address), self._policy.allowed_networks)
            except ValueError:
                forbidden = True
            if forbidden:
                answer = self._refused(host, "forbidden_address", at, address)
                break
        if len(self._kept) >= self._keep_count:
            del self._kept[next(iter(self._kept))]  # the oldest
        self._kept[host] = answer
        return answer

    @staticmethod
    def _refused(host: str, reason: str, at: float, address: str | None = None) -> Resolved:
        _log.warning("egress.refused", host=host, reason=reason, address=address)
        return Resolved((), at)


def _interleaved(addresses: list[str]) -> tuple[str, ...]:
    """In the order given, but IPv6 and IPv4 in turns: one family that leads nowhere must not use up all tries."""
    families: tuple[list[str], list[str]] = ([], [])
    for address in dict.fromkeys(addresses):
        families[":" in address].append(address)
    if addresses and ":" in addresses[0]:
        families = families[::-1]
    return tuple(address for pair in zip_longest(*families) for address in pair if address is not None)


def _is_literal(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
