"""List cursors: where a list goes on, with the filters it was begun with, signed so that nobody makes one up."""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as BinasciiError
from uuid import UUID

import msgspec
from msgspec import Struct

from trunkline.domain.filters import Filters

_SIGNATURE_LENGTH = 16


class Cursor(Struct, frozen=True, array_like=True):
    """`after`: the last message looked at, the page has older ones; None: the first page. `limit`: that of the page."""

    plan: str
    filters: Filters
    after: UUID | None
    limit: int


_encoder = msgspec.msgpack.Encoder(uuid_format="bytes")
_decoder = msgspec.msgpack.Decoder(Cursor)


class CursorSigner:
    """Writes and reads cursors with one key, the installation's."""

    def __init__(self, key: bytes) -> None:
        """`key`: at least 16 secret bytes. Raises ValueError for less."""
        if len(key) < 16:
            raise ValueError("a cursor key has at least 16 bytes")
        self._key = key

    def write(self, cursor: Cursor) -> str:
        """The cursor as customers see it: URL-safe characters only."""
        payload = _encoder.encode(cursor)
        return urlsafe_b64encode(self._sign(payload) + payload).rstrip(b"=").decode()

    def read(self, text: str) -> Cursor | None:
        """What `write` was given; None for anything that it did not write with this key."""
        try:
            raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except (BinasciiError, ValueError):
            return None
        signature, payload = raw[:_SIGNATURE_LENGTH], raw[_SIGNATURE_LENGTH:]
        if not hmac.compare_digest(signature, self._sign(payload)):
            return None
        try:
            return _decoder.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None  # written by another version

    def _sign(self, payload: bytes) -> bytes:
        return hmac.digest(self._key, b"cursor 1\0" + payload, hashlib.sha256)[:_SIGNATURE_LENGTH]
