"""Who is asking: the bearer token of a request, checked against the accounts that are set up (step 1 of a send)."""

from __future__ import annotations

import hmac
from collections import deque
from collections.abc import Callable, Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from msgspec import Struct

from trunkline.api.exchange import Request
from trunkline.contract.listing import names_credential
from trunkline.contract.problem import Refusal
from trunkline.domain.provisioning import Provisioning, Token
from trunkline.domain.token import PREFIX, hash_of, is_well_formed

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_CACHE_LIMIT = 10_000
_FAILURES_A_MINUTE = 10
_ADDRESS_LIMIT = 10_000


class _Known(Struct, frozen=True):
    """A token that was looked up, with what each use needs in the form it needs it."""

    token: Token
    networks: tuple[Network, ...] | None
    expires_ms: int | None
    revoked_ms: int | None


class Tokens:
    """Checks tokens. What was found is kept per Authorization header until provisioning moves."""

    def __init__(
        self,
        *,
        now_ms: Callable[[], int],
        trusted_proxies: tuple[Network, ...] = (),
        extra_tokens: Mapping[str, Token] | None = None,
    ) -> None:
        """`extra_tokens` are taken by their literal text, whatever its form (the placeholder of a sandbox)."""
        self._now_ms = now_ms
        self._proxies = trusted_proxies
        self._extra = dict(extra_tokens or {})
        self._cache: dict[bytes, _Known] = {}
        self._version = -1
        self._failures = _Failures()

    def check(self, request: Request, provisioning: Provisioning, scope: str) -> Token | Refusal:
        """The token of the request if it may be used, from there and for `scope`; else 401, 403 or 429."""
        if provisioning.version != self._version:
            self._cache.clear()
            self._version = provisioning.version
        # A dict compares whole hashes of the key before it compares the key: no timing to learn a prefix from.
        known = self._cache.get(request.headers.get(b"authorization", b""))
        if known is None:
            found = self._look_up(request, provisioning)
            if isinstance(found, Refusal):
                return self._failed(request, found)
            known = found
        token = known.token
        if known.revoked_ms is not None and known.revoked_ms <= self._now_ms():
            return self._failed(request, Refusal("token_revoked", "The token was revoked: use another one."))
        if known.expires_ms is not None and known.expires_ms <= self._now_ms():
            return self._failed(request, Refusal("token_expired", "The token's time is over: use another one."))
        if known.networks is not None and not _within(self.client(request), known.networks):
            return Refusal("network_not_allowed", "The token may not be used from this network address.")
        if scope not in token.scopes:
            return Refusal("scope_missing", f"The token lacks the scope {scope}.")
        return token

    def client(self, request: Request) -> Address | None:
        """The client's address: the socket's, unless that is a trusted proxy's, then the right-most untrusted one of
        X-Forwarded-For; None where that cannot be read."""
        address = _address(request.peer)
        if not self._proxies or not _within(address, self._proxies):
            return address
        for hop in reversed(request.headers.get(b"x-forwarded-for", b"").decode("latin-1").split(",")):
            text = hop.strip()
            if not text:
                continue
            address = _address(text)
            if not _within(address, self._proxies):
                return address
        return address

    def _look_up(self, request: Request, provisioning: Provisioning) -> _Known | Refusal:
        text = bearer_of(request)
        if isinstance(text, Refusal):
            return text
        token = self._extra.get(text)
        if token is None:
            if not is_well_formed(text):
                return Refusal("unauthenticated", "The token is malformed: was it cut or mistyped?")
            digest = hash_of(text)
            token = provisioning.tokens.get(digest)
            if token is None or not hmac.compare_digest(token.hash, digest):
                return Refusal("unauthenticated", "The token is unknown.")
        known = _Known(
            token,
            None if token.networks is None else tuple(ip_network(network, strict=False) for network in token.networks),
            None if token.expires_at is None else int(token.expires_at.timestamp() * 1000),
            None if token.revoked_at is None else int(token.revoked_at.timestamp() * 1000),
        )
        if len(self._cache) >= _CACHE_LIMIT:
            self._cache.clear()
        self._cache[request.headers[b"authorization"]] = known
        return known

    def _failed(self, request: Request, refusal: Refusal) -> Refusal:
        wait_s = self._failures.add(self.client(request), self._now_ms())
        if wait_s is None:
            return refusal
        detail = "Too many failed token checks from this address."
        return Refusal("rate_limited", detail, retry_after_s=wait_s)


def bearer_of(request: Request) -> str | Refusal:
    """The token's text in the Authorization header, whoever's it is."""
    header = request.headers.get(b"authorization")
    if header is None:
        if request.query and names_credential(request.query, PREFIX):
            detail = "A token in the query string is not read: send it as `Authorization: Bearer <token>`."
        else:
            detail = "Send `Authorization: Bearer <token>`."
        return Refusal("unauthenticated", detail)
    scheme, _, text = header.decode("latin-1").partition(" ")
    text = text.strip(" ")
    if scheme.lower() != "bearer" or not text:
        return Refusal("unauthenticated", "The Authorization header must be `Bearer <token>`.")
    return text


class _Failures:
    """Failed checks of the last minute by address; of IPv6 by /64, since that is what one customer is given."""

    def __init__(self) -> None:
        self._times: dict[int, deque[int]] = {}

    def add(self, address: Address | None, now_ms: int) -> int | None:
        """Counts a failure; seconds to wait if the address has had its share (then it is not counted)."""
        if address is None:
            key = -1
        else:
            key = int(address) if address.version == 4 else int(address) >> 64 | 1 << 64
        times = self._times.get(key)
        if times is None:
            if len(self._times) >= _ADDRESS_LIMIT:
                del self._times[next(iter(self._times))]
            times = self._times[key] = deque(maxlen=_FAILURES_A_MINUTE)
        if len(times) == _FAILURES_A_MINUTE and now_ms - times[0] < 60_000:
            return max(1, -(-(60_000 - (now_ms - times[0])) // 1000))
        times.append(now_ms)
        return None


@lru_cache(maxsize=4096)
def _address(text: str) -> Address | None:
    """An address as sockets and proxies write it, with or without port and brackets; IPv4 inside IPv6 comes out."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _within(address: Address | None, networks: tuple[Network, ...]) -> bool:
    return address is not None and any(address in network for network in networks)
