"""API tokens: 256 random bits in a form that people, programs and secret scanners tell from anything else.

`tl_`, 43 base-62 digits of the secret, 6 of the CRC-32 of all before them. Only the SHA-256 is kept; a random secret
of this size needs no slow hash.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import zlib
from typing import NamedTuple

PREFIX = "tl_"
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_LENGTH = 43  # 62^43 > 2^256
_CHECK_LENGTH = 6  # 62^6 > 2^32
_FORM = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{_SECRET_LENGTH + _CHECK_LENGTH}}}").fullmatch


class Issued(NamedTuple):
    """A new token, shown once, and its SHA-256, which is stored."""

    token: str
    hash: bytes


def issue() -> Issued:
    """A new token from the operating system's random source."""
    head = PREFIX + _base62(secrets.randbits(256), _SECRET_LENGTH)
    token = head + _checksum(head)
    return Issued(token, hash_of(token))


def is_well_formed(text: str) -> bool:
    """Whether `text` has the form of a token and its checksum is right; says nothing about whether it was issued."""
    return _FORM(text) is not None and _checksum(text[:-_CHECK_LENGTH]) == text[-_CHECK_LENGTH:]


def hash_of(token: str) -> bytes:
    """What is stored of a token: its SHA-256, 32 bytes."""
    return hashlib.sha256(token.encode()).digest()


def _checksum(head: str) -> str:
    return _base62(zlib.crc32(head.encode()), _CHECK_LENGTH)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
