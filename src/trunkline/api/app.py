"""The public API: which operation a method and path lead to, and what happens when one of them has a fault of ours."""

from __future__ import annotations

import asyncio
import itertools
import os
import secrets
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from ipaddress import IPv4Network, IPv6Network
from typing import Any

import msgspec

from trunkline.api import pages, reference
from trunkline.api.cancel import cancel
from trunkline.api.context import Context, FirstChoice, Operation
from trunkline.api.cursor import CursorSigner
from trunkline.api.exchange import JSON, Answer, Later, Request, Response, refused, unavailable
from trunkline.api.limits import RateLimits, Waits
from trunkline.api.messages import get, list_
from trunkline.api.mock import mocked
from trunkline.api.sendsms import send
from trunkline.api.token import Tokens
from trunkline.contract.problem import Refusal
from trunkline.domain import callback
from trunkline.domain.ids import MsgIds
from trunkline.domain.message import Accepted, RequestKey, Submission
from trunkline.domain.price import NO_PRICES, Price
from trunkline.domain.provisioning import PlanId, Provisioning, Token
from trunkline.runtime import log, metrics
from trunkline.store.db import Pool, uuid_of
from trunkline.store.readers import Readers
from trunkline.store.records import SCAN_BOUND

_log = log.get_logger()
_faults = metrics.counter(
    "trunkline_api_faults", "Requests answered 503 because of a fault of ours, logged as api.fault"
)

Check = Callable[[], str | None]

_SEND: Mapping[bytes, Operation] = {b"POST": send}
_MESSAGES: Mapping[bytes, Operation] = {b"GET": list_, b"POST": send}
_LIST: Mapping[bytes, Operation] = {b"GET": list_}
_ONE: Mapping[bytes, Operation] = {b"GET": get}
_CANCEL: Mapping[bytes, Operation] = {b"POST": cancel}

# Of the API proper. Paths without /v1 and under /sms are other descriptions of the same API; they share the operations.
_PATHS: Mapping[bytes, Mapping[bytes, Operation]] = {
    b"/v1/sendsms": _SEND,
    b"/v1/messages/sms": _MESSAGES,
    b"/sendsms": _SEND,
    b"/messages/sms": _MESSAGES,
    b"/v1/sms/messages": _LIST,
}
# Paths whose last segment is a message id.
_PATHS_OF_ONE: Mapping[bytes, Mapping[bytes, Operation]] = {
    b"/v1/messages/sms": _ONE,
    b"/messages/sms": _ONE,
    b"/v1/sms/status": _ONE,
}
# Paths that are followed by a message id and `cancel`.
_PATHS_OF_CANCEL: Mapping[bytes, Mapping[bytes, Operation]] = {
    b"/v1/messages/sms": _CANCEL,
    b"/messages/sms": _CANCEL,
}
PATHS, PATHS_OF_ONE, PATHS_OF_CANCEL = (
    {**table, **mocked(table)} for table in (_PATHS, _PATHS_OF_ONE, _PATHS_OF_CANCEL)
)
# What a path without operations of its own leads to, by its first segment with both slashes (`/docs/`).
BELOW: Mapping[bytes, Mapping[bytes, Operation]] = {b"/docs/": {b"GET": pages.page}}


class Api:
    """Answers requests. Everything that lives elsewhere is handed in; see `Context` for what the callables promise."""

    def __init__(
        self,
        *,
        provisioning: Callable[[], Provisioning | None],
        accept: Callable[[Submission], Awaitable[Accepted]],
        in_work: Callable[[PlanId, RequestKey], Accepted | None],
        first_choice: FirstChoice,
        readers: Readers,
        writers: Pool,
        limits: RateLimits,
        now_ms: Callable[[], int],
        cursor_key: bytes,
        callback_policy: callback.Policy | None = None,
        trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = (),
        extra_tokens: Mapping[str, Token] | None = None,
        extra_paths: Mapping[bytes, Mapping[bytes, Operation]] | None = None,
        healthy: Check = lambda: None,
        ready: Check = lambda: None,
        mccmnc_of: Callable[[str], str | None] = lambda number: None,
        price_of: Callable[[int, str | None, str | None, str], Price | None] = NO_PRICES.price_of,
        scan_bound: int = SCAN_BOUND,
    ) -> None:
        """`healthy` and `ready` say what is wrong, or None."""
        self._context = Context(
            provisioning=provisioning,
            accept=accept,
            in_work=in_work,
            first_choice=first_choice,
            mccmnc_of=mccmnc_of,
            price_of=price_of,
            readers=readers,
            writers=writers,
            now_ms=now_ms,
            msg_ids=MsgIds(uuid_of),
            limits=limits,
            tokens=Tokens(now_ms=now_ms, trusted_proxies=trusted_proxies, extra_tokens=extra_tokens),
            cursors=CursorSigner(cursor_key),
            callback_policy=callback_policy or callback.Policy(),
            scan_bound=scan_bound,
        )
        health, readiness = ({b"GET": _checked(check)} for check in (healthy, ready))
        self._paths = {
            **PATHS,
            **pages.PATHS,
            **reference.paths(),
            **(extra_paths or {}),
            b"/healthz": health,
            b"/readyz": readiness,
        }
        self._prefix = f"{os.getpid():x}-{secrets.token_hex(6)}-"
        self._numbers = itertools.count(1)
        self._fault_count = _faults.of()

    def request_id(self) -> str:
        """An id for a request: unique over processes, and cheap."""
        return f"{self._prefix}{next(self._numbers):x}"

    def handle(self, request: Request) -> Answer:
        """The answer to a request, or what it waits for. Never raises."""
        operations = self._paths.get(request.path)
        if operations is None:
            place, _, last = request.path.rpartition(b"/")
            operations = PATHS_OF_ONE.get(place)
            if operations is None and last == b"cancel":
                operations = PATHS_OF_CANCEL.get(place.rpartition(b"/")[0])
            if operations is None:
                operations = BELOW.get(request.path[: request.path.find(b"/", 1) + 1])
            if operations is None:
                return refused(Refusal("not_found", "There is nothing at this path."), request.request_id)
        operation = operations.get(request.method)
        if operation is None:
            operation = self._implied(operations, request.method)
        try:
            return operation(self._context, request)
        except Waits as waits:
            return Later(waits.awaited, partial(self._again, request, waits.kind + 1))
        except Exception as fault:  # noqa: BLE001  (nothing may end a connection, or show a trace to a customer)
            return self._fault(request, fault)

    def _again(self, request: Request, charged: int, is_paid: bool) -> Answer:
        if is_paid:
            request.charged = charged
        return self.handle(request)

    def finish(self, request: Request, later: Later, outcome: Awaitable[Any]) -> Answer:
        """The answer to a request whose wait is over: `outcome` is the future that is done. Never raises."""
        try:
            return later.finish(outcome.result())  # type: ignore[attr-defined]
        except asyncio.CancelledError:
            return refused(unavailable("The server is stopping."), request.request_id)
        except Exception as fault:  # noqa: BLE001
            return self._fault(request, fault)

    def _implied(self, operations: Mapping[bytes, Operation], method: bytes) -> Operation:
        """HEAD is GET (the protocol leaves the body out), OPTIONS tells the methods; others are refused."""
        if method == b"HEAD" and b"GET" in operations:
            return operations[b"GET"]
        allow = ", ".join(
            [*(name.decode() for name in operations), *(["HEAD"] if b"GET" in operations else ()), "OPTIONS"]
        )
        if method == b"OPTIONS":
            return lambda context, request: Response(200, b"", f"allow: {allow}\r\n".encode())
        refusal = Refusal("method_not_allowed", f"This path has {allow}.", allow=allow)
        return lambda context, request: refused(refusal, request.request_id)

    def _fault(self, request: Request, fault: Exception) -> Response:
        self._fault_count.value += 1
        path = log.without_numbers(request.path.decode("latin-1"))
        _log.error("api.fault", request_id=request.request_id, path=path, exc_info=fault)
        return refused(unavailable("The request could not be done."), request.request_id)


def _checked(check: Check) -> Operation:
    def answer(context: Context, request: Request) -> Answer:
        trouble = check()
        if trouble is None:
            return Response(200, b'{"status":"ok"}', JSON)
        return Response(503, msgspec.json.encode({"status": "unavailable", "detail": trouble}), JSON)

    return answer
