"""Headers that a receiver of webhooks asks for, as they go on the wire."""

from __future__ import annotations

import re
from collections.abc import Iterable

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?|")
# Ours to say, or changing how the message is framed.
_RESERVED = frozenset(
    {"accept-encoding", "connection", "content-length", "content-type", "expect", "host", "keep-alive"}
    | {"proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "user-agent"}
    | {"webhook-id", "webhook-signature", "webhook-timestamp"}
)


def header_lines(headers: Iterable[tuple[str, str]]) -> bytes:
    """Header lines, each with its CRLF; ValueError names one that is malformed or ours to set."""
    lines = []
    for name, value in headers:
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value) or name.lower() in _RESERVED:
            raise ValueError(f"header {name[:64]!r} cannot be sent")
        lines.append(f"{name}: {value}\r\n")
    return "".join(lines).encode("ascii")
