"""A name server of a test's own (RFC 1035): answers as it is told, over UDP and TCP, and keeps what it was asked."""

from __future__ import annotations

import asyncio
import struct
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address

A, CNAME, AAAA = 1, 5, 28
_UDP_LIMIT = 512
_NO_SUCH_NAME, _FAILED = 3, 2


@dataclass
class Zone:
    """Names to what is answered. A record is an address, or a name (CNAME); of `turns` the last stays for ever."""

    records: dict[str, Iterable[str]] = field(default_factory=dict)
    turns: dict[str, list[list[str]]] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)  # never answered
    failing: set[str] = field(default_factory=set)  # SERVFAIL
    ttl_s: int = 0
    asked: Counter[str] = field(default_factory=Counter)

    def found(self, name: str, kind: int) -> list[str] | None:
        """The records of a name; None: there is no such name."""
        if name in self.turns:
            # Both families of one look-up see the same turn: A is asked beside AAAA.
            turns = self.turns[name]
            return turns[min(max(self.asked[f"{name} {A}"], 1), len(turns)) - 1]
        return list(self.records[name]) if name in self.records else None


def answer(zone: Zone, query: bytes, limit: int) -> bytes | None:
    """The response to a query, cut off (TC) where it is larger than `limit`; None: silence."""
    number, _, questions = struct.unpack("!HHH", query[:6])
    assert questions == 1
    name, end = _name(query, 12)
    kind = struct.unpack("!H", query[end : end + 2])[0]
    question = query[12 : end + 4]
    zone.asked[f"{name} {kind}"] += 1
    if name in zone.silent:
        return None
    if name in zone.failing:
        return struct.pack("!6H", number, 0x8180 | _FAILED, 1, 0, 0, 0) + question
    records = list(_records(zone, name, kind))
    is_known = zone.found(name, kind) is not None
    flags = 0x8180 | (0 if is_known else _NO_SUCH_NAME)
    whole = struct.pack("!6H", number, flags, 1, len(records), 0, 0) + question + b"".join(records)
    if len(whole) > limit:
        return struct.pack("!6H", number, flags | 0x0200, 1, 0, 0, 0) + question
    return whole


def _records(zone: Zone, name: str, kind: int) -> Iterable[bytes]:
    for _ in range(8):  # a chain of aliases
        found = zone.found(name, kind) or []
        aliases = [text for text in found if not _is_address(text)]
        if not aliases:
            break
        yield _record(name, CNAME, zone.ttl_s, _spelled(aliases[0]))
        name = aliases[0]
    for text in found:
        if _is_address(text):
            address = ip_address(text)
            if (kind, type(address)) in ((A, IPv4Address), (AAAA, IPv6Address)):
                yield _record(name, kind, zone.ttl_s, address.packed)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _record(name: str, kind: int, ttl_s: int, content: bytes) -> bytes:
    return _spelled(name) + struct.pack("!HHIH", kind, 1, ttl_s, len(content)) + content


def _spelled(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def _name(packet: bytes, place: int) -> tuple[str, int]:
    labels = []
    while size := packet[place]:
        labels.append(packet[place + 1 : place + 1 + size].decode().lower())
        place += 1 + size
    return ".".join(labels), place + 1


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, zone: Zone) -> None:
        self.zone = zone

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, peer: tuple[str, int]) -> None:
        if (response := answer(self.zone, data, _UDP_LIMIT)) is not None:
            self.transport.sendto(response, peer)


def _over_tcp(zone: Zone) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                size = struct.unpack("!H", await reader.readexactly(2))[0]
                response = answer(zone, await reader.readexactly(size), 65535)
                if response is None:
                    return
                writer.write(struct.pack("!H", len(response)) + response)
        except (EOFError, OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    return serve


async def listen(zone: Zone, host: str = "127.0.0.1", port: int = 53) -> None:
    """Serves until the loop ends."""
    await asyncio.get_running_loop().create_datagram_endpoint(lambda: _Udp(zone), local_addr=(host, port))
    await asyncio.start_server(_over_tcp(zone), host, port)
