"""How the processes of an installation become those of a sandbox: where webhooks go, who is let in, what port 3000 has.

The supervisor tells them by one environment variable, which is no setting: nobody turns a real installation into a
sandbox by a line in a file.
"""

from __future__ import annotations

import asyncio
import os
from typing import NamedTuple

from msgspec import structs

from trunkline.domain.callback import Callback
from trunkline.domain.provisioning import Provisioning, Token
from trunkline.webhooks.target import TargetOf

ACCOUNT = "111111111111111111111111"
PLAN = "222222222222222222222222"
PLACEHOLDER = "<token>"  # as documentation prints it
SCOPES = frozenset({"messages:send", "messages:read"})
CAUGHT = "/caught"  # before scheme, authority and path of the URL that a caught webhook was for

_VARIABLE = "SUPERVISED_SANDBOX"
_HOST = "127.0.0.1"
_DEADLINE_S = 75.0
# RFC 2606, RFC 6761 §6.4: names that never belong to anybody. (`localhost` is somebody: whoever tries this out.)
_RESERVED = frozenset({"example", "test", "invalid"})
_RESERVED_NAMES = frozenset({"example.com", "example.net", "example.org"})


def environment(port: int) -> dict[str, str]:
    """What tells a process that it is part of a sandbox whose receiver listens on `port`."""
    return {_VARIABLE: str(port)}


def inherited() -> int | None:
    """The receiver's port, if this process is part of a sandbox; asked once, at its start."""
    given = os.environ.pop(_VARIABLE, None)
    return None if given is None else int(given)


def is_reserved(host: str) -> bool:
    """Whether a host name is one of those kept for documentation and tests."""
    labels = host.split(".")
    return labels[-1] in _RESERVED or ".".join(labels[-2:]) in _RESERVED_NAMES


def catching(target_of: TargetOf, port: int) -> TargetOf:
    """Webhooks for reserved host names go to the receiver on `port`; all others to where they are for."""

    def find(url: str) -> Callback | None:
        target = target_of(url)
        if target is None or not is_reserved(target.host):
            return target
        # The origin stays: each has a lane of its own, also when one process answers for all.
        _, _, authority = target.origin.partition("://")
        path = f"{CAUGHT}/{target.scheme}/{authority}{target.path}"
        return structs.replace(target, scheme="http", host=_HOST, port=port, path=path)

    return find


def caught_url(path: str, query: str) -> str:
    """The URL that a request at the receiver was for: the way back from the path that `catching` makes."""
    scheme, authority, rest = path.removeprefix(CAUGHT + "/").split("/", 2)
    authority = authority.removesuffix(":443" if scheme == "https" else ":80")
    return f"{scheme}://{authority}/{rest}" + (f"?{query}" if query else "")


def placeholder(provisioning: Provisioning | None) -> dict[str, Token]:
    """The token that documentation prints, as one of the demo account's."""
    if provisioning is None or PLAN not in provisioning.plans_by_public_id:
        return {}
    plan = provisioning.plans_by_public_id[PLAN]
    return {PLACEHOLDER: Token(0, plan.account_id, "placeholder", b"", SCOPES, None, None, None, None)}


class Reply(NamedTuple):
    """What the receiver's process answered."""

    status: int
    content_type: bytes
    body: bytes


async def forward(port: int, method: bytes, target: bytes, headers: list[tuple[bytes, bytes]], body: bytes) -> Reply:
    """Asks the receiver's process. Raises OSError, TimeoutError, EOFError while it is not there."""
    async with asyncio.timeout(_DEADLINE_S):
        reader, writer = await asyncio.open_connection(_HOST, port)
        try:
            lines = b"".join(b"%b: %b\r\n" % header for header in headers)
            framing = b"host: sandbox\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
            writer.write(b"%b %b HTTP/1.1\r\n" % (method, target) + lines + framing + body)
            head = await reader.readuntil(b"\r\n\r\n")
            answer = await reader.read()
        finally:
            writer.close()
    status_line, *rest = head[:-4].split(b"\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in rest)
    return Reply(int(status_line.split(b" ")[1]), fields.get(b"content-type", b"text/plain"), answer)
