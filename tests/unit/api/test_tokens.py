"""Tokens: their form, and the checks that need another clock than the wall's."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import zlib
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from trunkline.api.exchange import Request
from trunkline.api.token import Tokens
from trunkline.contract.problem import Refusal
from trunkline.domain.provisioning import AccountId, Provisioning, Token
from trunkline.domain.token import Issued, hash_of, is_well_formed, issue

SCOPE = "messages:read"


def test_the_form_of_a_token() -> None:
    issued = issue()
    assert re.fullmatch(r"tl_[0-9A-Za-z]{49}", issued.token)
    assert issued.hash == hashlib.sha256(issued.token.encode()).digest() == hash_of(issued.token)
    assert is_well_formed(issued.token)
    assert len({issue().token[:46] for _ in range(200)}) == 200


def test_the_checksum_is_a_crc32_in_base_62() -> None:
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    token = issue().token
    number = 0
    for digit in token[-6:]:
        number = number * 62 + digits.index(digit)
    assert number == zlib.crc32(token[:-6].encode())


CHANGES: list[Callable[[str], str]] = [
    lambda token: token[:-1],
    lambda token: token + "0",
    lambda token: token + "\n",
    lambda token: "TL_" + token[3:],
    lambda token: token[:20] + ("0" if token[20] != "0" else "1") + token[21:],
    lambda token: "",
]


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_no_token(change: Callable[[str], str]) -> None:
    assert not is_well_formed(change(issue().token))


class Clock:
    def __init__(self) -> None:
        self.ms = 1_782_105_003_000

    def __call__(self) -> int:
        return self.ms

    def at(self, seconds: float) -> dt.datetime:
        return dt.datetime.fromtimestamp(self.ms / 1000 + seconds, dt.UTC)


def picture(version: int, *tokens: Token) -> Provisioning:
    return Provisioning(version, {}, {}, {}, {token.hash: token for token in tokens}, {}, {}, {}, ())


def token(issued: Issued, **changes: Any) -> Token:
    plain = Token(1, AccountId(1), "t", issued.hash, frozenset({SCOPE}), None, None, None, None)
    return replace(plain, **changes)


def request(text: str | None = None, peer: str = "192.0.2.1", **headers: str) -> Request:
    fields = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    if text is not None:
        fields[b"authorization"] = f"Bearer {text}".encode()
    return Request(b"GET", b"/", b"", fields, b"", False, peer, "id")


def code(found: Token | Refusal) -> str:
    return found.code if isinstance(found, Refusal) else "ok"


def test_a_token_that_is_known_expires_and_is_revoked_at_its_time() -> None:
    clock, issued = Clock(), issue()
    tokens = Tokens(now_ms=clock)
    now = picture(1, token(issued, expires_at=clock.at(10)))
    assert code(tokens.check(request(issued.token), now, SCOPE)) == "ok"
    clock.ms += 9_999
    assert code(tokens.check(request(issued.token), now, SCOPE)) == "ok"
    clock.ms += 1
    assert code(tokens.check(request(issued.token), now, SCOPE)) == "token_expired"
    later = picture(2, token(issued, revoked_at=clock.at(1)))
    assert code(tokens.check(request(issued.token), later, SCOPE)) == "ok"
    clock.ms += 1000
    assert code(tokens.check(request(issued.token), later, SCOPE)) == "token_revoked"


def test_what_was_known_is_forgotten_when_provisioning_moves() -> None:
    clock, issued = Clock(), issue()
    tokens = Tokens(now_ms=clock)
    assert code(tokens.check(request(issued.token), picture(1, token(issued)), SCOPE)) == "ok"
    revoked = picture(2, token(issued, revoked_at=clock.at(-1)))
    assert code(tokens.check(request(issued.token), revoked, SCOPE)) == "token_revoked"
    assert code(tokens.check(request(issued.token), picture(3), SCOPE)) == "unauthenticated"


def test_ten_failures_a_minute_from_one_address() -> None:
    clock, issued = Clock(), issue()
    tokens = Tokens(now_ms=clock)
    now = picture(1, token(issued))

    def fail(peer: str = "192.0.2.1") -> Token | Refusal:
        return tokens.check(request("x", peer), now, SCOPE)

    for _ in range(10):
        assert code(fail()) == "unauthenticated"
        clock.ms += 1000
    refusal = fail()
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.status, refusal.retry_after_s) == ("rate_limited", 429, 50)
    assert code(tokens.check(request(issued.token), now, SCOPE)) == "ok"
    assert code(fail("192.0.2.2")) == "unauthenticated"
    clock.ms += 49_999
    assert code(fail()) == "rate_limited"
    clock.ms += 1  # a minute after the first: one more
    assert code(fail()) == "unauthenticated"
    assert code(fail()) == "rate_limited"


def test_addresses_of_one_ipv6_network_count_together() -> None:
    tokens = Tokens(now_ms=Clock())
    for n in range(10):
        assert code(tokens.check(request("x", f"2001:db8::{n}"), picture(1), SCOPE)) == "unauthenticated"
    assert code(tokens.check(request("x", "2001:db8::ffff:1"), picture(1), SCOPE)) == "rate_limited"
    assert code(tokens.check(request("x", "2001:db8:0:1::1"), picture(1), SCOPE)) == "unauthenticated"


def test_memory_for_failures_is_bounded() -> None:
    tokens = Tokens(now_ms=Clock())
    for n in range(10_100):
        tokens.check(request("x", f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}"), picture(1), SCOPE)
    assert len(tokens._failures._times) == 10_000


def test_forwarded_for_counts_only_from_trusted_proxies() -> None:
    tokens = Tokens(now_ms=Clock(), trusted_proxies=(ip_network("10.0.0.0/8"),))

    def client(peer: str, forwarded: str | None) -> str:
        headers = {} if forwarded is None else {"x_forwarded_for": forwarded}
        return str(tokens.client(request(None, peer, **headers)))

    assert client("192.0.2.1", "198.51.100.1") == "192.0.2.1"
    assert client("10.0.0.1", "198.51.100.1") == "198.51.100.1"
    assert client("10.0.0.1", "198.51.100.1, 10.0.0.2") == "198.51.100.1"
    assert client("10.0.0.1", "198.51.100.9, 198.51.100.1") == "198.51.100.1"
    assert client("10.0.0.1", "10.0.0.3,10.0.0.2") == "10.0.0.3"
    assert client("10.0.0.1", None) == "10.0.0.1"
    assert client("::ffff:10.0.0.1", "198.51.100.1") == "198.51.100.1"
    assert client("10.0.0.1", "198.51.100.1, nonsense") == "None"
