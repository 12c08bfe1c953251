"""Signatures of webhooks as Standard Webhooks 1.0 has them: HMAC-SHA256 over id, time and body, per plan."""

from __future__ import annotations

import secrets
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from binascii import b2a_base64
from collections.abc import Iterable
from hashlib import sha256

_PREFIX = "whsec_"
_BLOCK = 64  # SHA-256 block size in bytes
_INNER = bytes(value ^ 0x36 for value in range(256))
_OUTER = bytes(value ^ 0x5C for value in range(256))


def new_secret() -> str:
    """A fresh secret of 256 bits in the form that is shown to the customer: `whsec_` and base64."""
    return secret_text(secrets.token_bytes(32))


def secret_text(key: bytes) -> str:
    """The form in which a key is shown to the customer: `whsec_` and base64."""
    return _PREFIX + b64encode(key).decode()


def secret_key(secret: str) -> bytes:
    """The key inside `secret`; ValueError unless it is `whsec_` + base64 of 24 to 64 bytes (Standard Webhooks)."""
    if not secret.startswith(_PREFIX):
        raise ValueError("a webhook secret starts with whsec_")
    try:
        key = b64decode(secret.removeprefix(_PREFIX), validate=True)
    except Base64Error:
        raise ValueError("a webhook secret is base64 after whsec_") from None
    if not 24 <= len(key) <= 64:
        raise ValueError("a webhook secret holds 24 to 64 bytes")
    return key


class Signer:
    """Signs for one plan, with one secret or, while it is being rotated, several (the newest first)."""

    __slots__ = ("_states",)

    def __init__(self, secret_list: Iterable[str]) -> None:
        # RFC 2104 with both padded keys hashed once: copying these states costs half of what copying an hmac object
        # does, and this runs for every attempt.
        keys = [secret_key(secret).ljust(_BLOCK, b"\0") for secret in secret_list]
        if not keys:
            raise ValueError("nothing to sign with")
        self._states = tuple((sha256(key.translate(_INNER)), sha256(key.translate(_OUTER))) for key in keys)

    def signature(self, hook_id: str, at: int, body: bytes) -> str:
        """The value of `webhook-signature`: `v1,` and base64, one for each secret, with spaces between."""
        return self._signature(b"%b.%d.%b" % (hook_id.encode(), at, body)).decode()

    def header_lines(self, hook_id: str, at: int, body: bytes) -> bytes:
        """The three headers as they go on the wire, each line with its CRLF.

        `hook_id` is our own and has no `.` and no control characters; `at` is the time of this attempt in whole
        seconds since 1970.
        """
        name = hook_id.encode()
        return b"webhook-id: %b\r\nwebhook-timestamp: %d\r\nwebhook-signature: %b\r\n" % (
            name,
            at,
            self._signature(b"%b.%d.%b" % (name, at, body)),
        )

    def _signature(self, content: bytes) -> bytes:
        marks = []
        for inner, outer in self._states:
            first = inner.copy()
            first.update(content)
            second = outer.copy()
            second.update(first.digest())
            marks.append(b"v1," + b2a_base64(second.digest(), newline=False))
        return b" ".join(marks)
