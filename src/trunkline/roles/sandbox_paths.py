"""What makes a process's context one of a sandbox: caught webhooks, the placeholder token, further paths of the API."""

from __future__ import annotations

from functools import partial

from trunkline.api.context import Context as ApiContext
from trunkline.api.context import Operation
from trunkline.api.exchange import Answer, Later, Request, Response
from trunkline.roles.context import Context
from trunkline.sandbox import wiring
from trunkline.sandbox.wiring import Reply

_PATHS = {
    b"/": b"GET",
    b"/sandbox/webhooks": b"GET",
    b"/sandbox/recipients": b"GET",
    b"/sandbox/mo": b"POST",
    # The receivers of the documentation's examples.
    b"/sms/inbound": b"POST",
    b"/sms/status": b"POST",
}
_HOP = frozenset({b"host", b"content-length", b"connection", b"transfer-encoding", b"expect", b"authorization"})


def join(context: Context, port: int) -> None:
    """Makes `context` that of a process of the sandbox whose receiver listens on `port`."""
    context.target_of = wiring.catching(context.target_of, port)
    context.extra_tokens = wiring.placeholder(context.provisioning())
    operation: Operation = partial(_forward, port)
    context.extra_paths = {path: {method: operation} for path, method in _PATHS.items()}


def _forward(port: int, context: ApiContext, request: Request) -> Answer:
    target = request.path + (b"?" + request.query if request.query else b"")
    headers = [(name, value) for name, value in request.headers.items() if name not in _HOP]
    method = b"GET" if request.method == b"HEAD" else request.method
    return Later(wiring.forward(port, method, target, headers, request.body), _response)


def _response(reply: Reply) -> Response:
    headers = b"content-type: %b\r\ncache-control: no-store\r\n" % reply.content_type
    return Response(reply.status, reply.body, headers)
