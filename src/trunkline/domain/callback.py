"""Callback URLs: which ones a customer may name, judged by form alone, and which addresses may be connected to.

Nothing here asks DNS: a name that passes is looked up, and every address behind it judged by `is_forbidden`, when a
webhook is sent. A refusal has no reason, so that nobody can learn from it what our network looks like.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from msgspec import Struct

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# The one text for every refusal.
REFUSAL = (
    "must be an https URL with a public host name or address, without user name, password or underscores, of an origin"
    " that the service plan allows"
)

# IANA IPv4 special-purpose registry (RFC 6890 and later), multicast, class E, and one public address that answers
# from inside a cloud. Explicit, because the standard library's idea of "global" changes and passes too much.
FORBIDDEN_V4 = (
    "0.0.0.0/8",  # this host
    "10.0.0.0/8",
    "100.64.0.0/10",  # carrier NAT; a metadata service of one cloud
    "127.0.0.0/8",
    "168.63.129.16/32",  # Azure's host agent
    "169.254.0.0/16",  # link local, metadata services
    "172.16.0.0/12",
    "192.0.0.0/24",  # protocol assignments
    "192.0.2.0/24",  # documentation
    "192.88.99.0/24",  # 6to4 relays, withdrawn
    "192.168.0.0/16",
    "198.18.0.0/15",  # benchmarking
    "198.51.100.0/24",  # documentation
    "203.0.113.0/24",  # documentation
    "224.0.0.0/4",  # multicast
    "240.0.0.0/4",  # reserved, broadcast
)
# All but global unicast (2000::/3), and what is special inside it. IPv4 inside IPv6 is taken out before (`_inner`).
FORBIDDEN_V6 = (
    "::/3",  # unspecified, loopback, IPv4-compatible, local NAT64, discard
    "2001::/23",  # Teredo, ORCHID, benchmarking
    "2001:db8::/32",  # documentation
    "2002::/16",  # 6to4, withdrawn
    "3fff::/20",  # documentation
    "4000::/2",
    "8000::/1",  # unique local, link local, site local, multicast
)


def _ranges(networks: list[Network]) -> tuple[list[int], list[int]]:
    ordered = sorted((int(net.network_address), int(net.broadcast_address)) for net in networks)
    return [first for first, _ in ordered], [last for _, last in ordered]


_FIRST_V4, _LAST_V4 = _ranges([IPv4Network(text) for text in FORBIDDEN_V4])
_FIRST_V6, _LAST_V6 = _ranges([IPv6Network(text) for text in FORBIDDEN_V6])
_MAPPED = 0xFFFF  # ::ffff:0:0/96, RFC 4291 §2.5.5.2
_NAT64 = 0x64FF9B << 64  # 64:ff9b::/96, RFC 6052: what DNS64 answers on networks without IPv4


def _inner(ip: Address) -> Address:
    """The IPv4 address that a connection to the IPv6 address `ip` would end at, where there is one."""
    if isinstance(ip, IPv6Address) and int(ip) >> 32 in (_MAPPED, _NAT64):
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip


def is_forbidden(ip: Address, allowed: tuple[Network, ...]) -> bool:
    """Whether no webhook may be sent to `ip`: it is special or internal, and in none of the `allowed` networks."""
    inner = _inner(ip)
    number = int(inner)
    first, last = (_FIRST_V4, _LAST_V4) if inner.version == 4 else (_FIRST_V6, _LAST_V6)
    place = bisect_right(first, number) - 1
    if place < 0 or number > last[place]:
        return False
    return not any(inner in network or ip in network for network in allowed)


@dataclass(frozen=True, slots=True)
class Policy:
    """What an installation allows: plain http, internal networks (the sandbox: loopback), URLs up to a length."""

    allow_http: bool = False
    allowed_networks: tuple[Network, ...] = ()
    length_limit: int = 2048


class Callback(Struct, frozen=True, gc=False):
    """A URL that passed.

    `origin` is `scheme://host:port`, in lower case, the port always written, IPv6 compressed and in brackets: two
    URLs lead to one server exactly if their origins are equal. `host` is bare (no brackets, no final dot), `path`
    is the request target (path and query, never empty, no fragment), ASCII.
    """

    url: str
    origin: str
    scheme: str
    host: str
    port: int
    path: str


class _Place(Struct, frozen=True, gc=False):
    """The part before the path: where the URL leads, before the policy's judgement."""

    origin: str
    scheme: str
    host: str
    port: int
    address: Address | None
    is_local: bool


# RFC 3986 in ASCII; authority with `@`, `%` or anything beyond ASCII does not match. Printable characters that URIs
# should escape (`{`, `|`) are let through in the path: they do no harm on the wire and receivers use them.
_URL = re.compile(
    r"(https?)://([A-Za-z0-9.:\[\]-]{1,261})((?:[/?][!$-;=?-\[\]-~]*)?)(?:#[!#-;=?-\[\]-~]*)?", re.ASCII | re.IGNORECASE
)
_AUTHORITY = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9.-]+?)\.?)(?::([0-9]{1,5}))?")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
# A last label that is a number makes the whole host an IPv4 address for most resolvers, in octal, hexadecimal and
# short forms too, and they disagree about which.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_LOCAL_ENDS = frozenset({"localhost", "localdomain", "local", "internal", "intranet", "lan", "home", "corp", "private"})


def _literal(brackets: str | None, name: str) -> Address | None:
    """The address a host stands for; ValueError for one that is written badly, None for a name."""
    if brackets is not None:
        written = IPv6Address(brackets)
        return written.ipv4_mapped or written  # mapped is the same server as the IPv4 address: one origin
    if not _NUMBER.fullmatch(name.rpartition(".")[2]):
        return None
    return IPv4Address(name)  # dotted decimal without leading zeros; every other notation is a ValueError


# Customers name few origins and many paths. Keyed by what the answer depends on, so correct for every input; at most
# 2048 x some 500 bytes.
@lru_cache(maxsize=2048)
def _place(scheme: str, authority: str) -> _Place | None:
    match = _AUTHORITY.fullmatch(authority.lower())
    if match is None:
        return None
    brackets, name, digits = match.groups()
    port = int(digits) if digits is not None else 443 if scheme == "https" else 80
    try:
        address = _literal(brackets, name)
    except ValueError:
        return None
    if not 0 < port < 65536:
        return None
    if address is not None:
        host = address.compressed
        shown = f"[{host}]" if address.version == 6 else host
        return _Place(f"{scheme}://{shown}:{port}", scheme, host, port, address, False)
    labels = name.split(".")
    if len(name) > 253 or not all(map(_LABEL.fullmatch, labels)):
        return None
    is_local = len(labels) == 1 or labels[-1] in _LOCAL_ENDS or labels[-2:] == ["home", "arpa"]
    return _Place(f"{scheme}://{name}:{port}", scheme, name, port, None, is_local)


def check(url: str, *, policy: Policy) -> Callback | None:
    """The parts of `url` if webhooks may be sent there as far as its form tells, else None (say `REFUSAL`).

    No DNS. IPv4 addresses are taken in dotted decimal only, IPv6 in brackets without a zone. Names that lead inside
    wherever they lead at all (`localhost`, single labels, `.internal`) need a policy that allows some network; their
    addresses are judged when they are connected to, as everyone's.
    """
    match = _URL.fullmatch(url) if len(url) <= policy.length_limit else None
    if match is None:
        return None
    scheme, authority, path = match.groups()
    place = _place(scheme.lower(), authority)
    if place is None or (place.scheme == "http" and not policy.allow_http):
        return None
    if place.address is not None:
        if is_forbidden(place.address, policy.allowed_networks):
            return None
    elif place.is_local and not policy.allowed_networks:
        return None
    if not path.startswith("/"):
        path = "/" + path
    return Callback(url, place.origin, place.scheme, place.host, place.port, path)
