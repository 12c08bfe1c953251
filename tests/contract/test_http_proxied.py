"""Framing directly and behind proxies (T43): whatever is written, no hidden request reaches the API, and nobody gets
the answer to another's request.

The API tells what reached it; a proxy keeps its connections to the API and shares them among clients, so that a request
that it did not see would answer the next client's. After all vectors, probes over the same connections show whose
answers they get.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from api_rig import Rig
from proxies import KINDS, installed, proxy
from test_http_framing import CORPUS, spell

from trunkline.api.exchange import Answer, Request

SMUGGLING = json.loads((Path(__file__).parents[1] / "corpus" / "http_smuggling.json").read_text())["rows"]
INNER = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
SILENCE_S = 0.25
PATIENCE_S = 1.5  # for vectors that are answered by nothing, since they are not whole to a proxy
PROBE_COUNT = 40

# (proxy, vector): why it may see two requests where we see one. What it then sends us, it has read as such.
TWO_TO_IT = {
    ("nginx", "upgrade-with-tail"): "the upgrade is not asked of us, so that what follows is a request",
    ("haproxy", "te-cl, then another"): "chunked overrides a length (RFC 9112 §6.3), so the second is one of its own",
    ("haproxy", "cl-overflow"): "HAProxy 2.6 takes a length of 2^64 for 0; we refuse the first",
}


@dataclass(frozen=True)
class Vector:
    name: str
    written: str
    most: int  # answers, and requests that reach the API


def vectors() -> list[Vector]:
    found = []
    for row in SMUGGLING:
        written = row["send"]
        for name, value in {"innerlen": str(len(INNER)), "all": str(len(INNER) + 5), "hexinner": f"{len(INNER):x}",
                            "inner": INNER}.items():  # fmt: skip
            written = written.replace(f"{{{name}}}", value)
        found.append(Vector(row["id"], written, 1))
    for row in CORPUS["rows"]:
        wanted = row.get("answers") or row["answers_any_of"][0]
        most = sum(status >= 200 for status in wanted)
        found.append(Vector({"te-cl": "te-cl, then another"}.get(row["id"], row["id"]), row["send"], max(1, most)))
    return found


@contextmanager
def recorded(rig: Rig) -> Iterator[list[Request]]:
    """What reaches the API."""
    seen: list[Request] = []
    handle = rig.api.handle

    def kept(request: Request) -> Answer:
        seen.append(request)
        return handle(request)

    rig.api.handle = kept  # type: ignore[method-assign]
    try:
        yield seen
    finally:
        del rig.api.handle


async def talk(port: int, written: bytes, wanted: int, silence_s: float = SILENCE_S) -> bytes:
    """What comes back until the other side ends, or is silent with `wanted` answers here."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    got = b""
    try:
        writer.write(written)
        while True:
            enough = count(got) >= wanted
            piece = await asyncio.wait_for(reader.read(65536), silence_s if enough else PATIENCE_S)
            if not piece:
                return got
            got += piece
    except (TimeoutError, ConnectionError):
        return got
    finally:
        writer.transport.abort()


def count(octets: bytes) -> int:
    """Final answers in what came back. None of ours, and none of a proxy's, holds such a line in its body."""
    return len(re.findall(rb"HTTP/1\.[01] [2-5]\d\d ", octets))


def request_id(octets: bytes) -> str:
    match = re.search(rb"(?i)\r\nx-request-id: (.+)\r\n", octets)
    return match[1].decode() if match else ""


@contextmanager
def front(rig: Rig, kind: str, folder: Path) -> Iterator[int]:
    if kind == "direct":
        yield rig.port
        return
    if installed(kind) is None:
        pytest.skip(f"{kind.partition(' ')[0]} is not installed here")
    with proxy(kind, rig.port, folder) as port:
        yield port


@pytest.mark.parametrize("kind", ["direct", *KINDS])
def test_no_request_is_smuggled_and_no_answer_goes_astray(rig: Rig, kind: str, tmp_path: Path) -> None:
    tried = vectors()
    hosts = [b"row%d" % n for n in range(len(tried))]
    probes = [b"GET /probe%d HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n" % n for n in range(PROBE_COUNT)]

    async def main(port: int) -> tuple[list[bytes], list[bytes]]:
        got = await asyncio.gather(
            *(
                talk(port, spell(rig, vector.written).replace(b"Host: a\r\n", b"Host: %b\r\n" % host), vector.most)
                for vector, host in zip(tried, hosts, strict=True)
            )
        )
        return got, await asyncio.gather(*(talk(port, probe, 1) for probe in probes))

    with front(rig, kind, tmp_path) as port, recorded(rig) as seen:
        answers, probed = asyncio.run(main(port))
    # Whatever reached the API was a request to the proxy too: it says so itself.
    assert [request.path for request in seen if kind != "direct" and b"x-forwarded-for" not in request.headers] == []
    for vector, host, got in zip(tried, hosts, answers, strict=True):
        reached = [request for request in seen if request.headers.get(b"host") == host]
        paths = [request.path for request in reached]
        if (kind.partition(" ")[0], vector.name) in TWO_TO_IT:
            assert len(paths) <= 2
            continue
        assert len(paths) <= vector.most, (vector.name, paths)
        assert count(got) <= vector.most, (vector.name, got)
        assert b"/smuggled" not in paths, vector.name
        if len(reached) == vector.most == 1 and got.startswith(b"HTTP/1.1 404"):
            assert request_id(got) == reached[0].request_id, vector.name
    # Nobody got another's answer, and everybody got one.
    ids = {request.path: request.request_id for request in seen}
    assert [request_id(got) for got in probed] == [ids[b"/probe%d" % n] for n in range(PROBE_COUNT)]


@pytest.mark.parametrize("kind", KINDS)
def test_right_requests_pass(rig: Rig, kind: str, tmp_path: Path) -> None:
    """So that the test above is of proxies that work."""
    rows = {row["id"]: row for row in CORPUS["rows"]}
    with front(rig, kind, tmp_path) as port:
        for name in ("get", "post", "post-chunked", "pipelined", "pipelined-sends", "expect-with-body"):
            wanted = [status for status in rows[name]["answers"] if status >= 200]
            got = asyncio.run(talk(port, spell(rig, rows[name]["send"]), len(wanted), 0.02))
            assert [int(status) for status in re.findall(rb"(?m)HTTP/1\.1 ([2-5]\d\d) ", got)] == wanted, name
