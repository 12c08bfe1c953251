"""A network of one process: every address of the corpus is its own and listens, and names are what a test says.

Run by `unshare` in namespaces of its own (network, mounts). The webhook client is the real one, with the system's
resolver; what comes out is one line of JSON: the answers, and which addresses were connected to.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Any

from msgspec.structs import replace as changed
from rig.nameserver import Zone, listen

from trunkline.domain.callback import Callback, Policy, check
from trunkline.webhooks.client import HookClient
from trunkline.webhooks.egress import Gate

CORPUS = Path(__file__).parents[2] / "corpus"
PUBLIC = Policy(allow_http=True)
ROWS = json.loads((CORPUS / "ssrf.json").read_text())["rows"]
FORBIDDEN = [row["address"] for row in ROWS if row["forbidden"]]
GOOD = [row["address"] for row in ROWS if not row["forbidden"]]
HERE, HERE_6 = "8.8.8.8", "2606:4700:4700::1111"  # good ones that names lead to
_PORT = 8099


def lay() -> None:
    """Takes the addresses, and the files that the system's resolver reads."""
    lines = ["link set lo up"]
    for address in (HERE, HERE_6, *GOOD, *FORBIDDEN):
        with suppress(ValueError):  # with a zone
            ip = ip_address(address)
            inner = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
            lines.append(f"addr add {inner or ip}/{32 if (inner or ip).version == 4 else 128} dev lo")
    # Not every one can be somebody's (multicast, 0.0.0.0): those are left out.
    subprocess.run(["ip", "-force", "-batch", "-"], input="\n".join(lines), text=True, capture_output=True, check=False)
    files = {
        "/etc/resolv.conf": "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
        "/etc/nsswitch.conf": "hosts: files dns\n",
        "/etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
    }
    for place, text in files.items():
        if Path(place).exists():
            with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
                file.write(text)
                file.flush()
                os.chmod(file.name, 0o644)
                subprocess.run(["mount", "--bind", file.name, place], check=True, capture_output=True)


class Listener:
    """Answers on every address, and keeps which were connected to."""

    def __init__(self) -> None:
        self.connected: list[str] = []
        self.raw = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

    async def start(self) -> None:
        for host in ("0.0.0.0", "::"):
            await asyncio.start_server(self._serve, host, _PORT)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connected.append(writer.get_extra_info("sockname")[0].removeprefix("::ffff:"))
        with suppress(EOFError, OSError, asyncio.CancelledError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = int(head.partition(b"Content-Length: ")[2].split(b"\r\n")[0])
                await reader.readexactly(size)
                writer.write(self.raw)
        writer.close()


def target(host: str) -> Callback:
    """A URL with this host, past the check of its form: here the address is what is to be judged."""
    template = check(f"http://example.com:{_PORT}/hook", policy=PUBLIC)
    assert template is not None
    return changed(template, host=host, origin=f"http://{host}:{_PORT}")


class Enclave:
    """What scenarios work with."""

    def __init__(self) -> None:
        self.zone = Zone()
        self.listener = Listener()

    async def post(self, *hosts: str, lookup_s: float = 5.0, keep_s: float = 60.0, **settings: Any) -> list[Any]:
        """What one client gets, host by host: status, or failure."""
        gate = Gate(PUBLIC, lookup_s=lookup_s, keep_s=keep_s, keep_refused_s=keep_s)
        client = HookClient(PUBLIC, gate=gate, **{"attempt_s": 10.0, **settings})
        found = []
        for host in hosts:
            answer = await client.send("p", target(host), b"", b"{}")
            shown = answer.failure if answer.status is None else answer.status
            found.append(str(shown) + answer.detail if answer.status is None else shown)
        await client.close()
        return found


async def forbidden(it: Enclave) -> Any:
    """Every forbidden address: as the URL's host, as the answer for a name, and as one of two answers."""
    literal = await it.post(*FORBIDDEN)
    names = []
    for number, address in enumerate(FORBIDDEN):
        with suppress(ValueError):
            plain = str(ip_address(address.partition("%")[0]))
            it.zone.records[f"a{number}.example"] = [plain]
            it.zone.records[f"m{number}.example"] = [HERE, HERE_6, plain]
            it.zone.records[f"c{number}.example"] = [f"a{number}.example"]
            names += [f"a{number}.example", f"m{number}.example", f"c{number}.example"]
    return {"literal": literal, "names": await it.post(*names)}


async def good(it: Enclave) -> Any:
    """Good addresses of the corpus pass, named and bare; those that IPv6 maps to IPv4 too."""
    hosts = [address for address in GOOD if not address.startswith("64:")]
    for number, address in enumerate(hosts):
        it.zone.records[f"g{number}.example"] = [address]
    return await it.post(*hosts, *(f"g{number}.example" for number in range(len(hosts))))


async def rebinding(it: Enclave) -> Any:
    """Public at the first look, inside at the second: the kept connection is not trusted past its time."""
    it.zone.turns["rebind.example"] = [[HERE], ["127.0.0.1"], [HERE, "127.0.0.1"], [HERE]]
    return await it.post(*["rebind.example"] * 4, keep_s=0, recheck_s=0)


async def names(it: Enclave) -> Any:
    """One name for each kind of answer that DNS can give."""
    many = [f"8.9.{n // 250}.{n % 250 + 1}" for n in range(499)]
    it.zone.records |= {
        "public.example": [HERE],
        "public6.example": [HERE_6],
        "alias.example": ["public.example"],
        "many.example": [*many, HERE],
        "mixed.example": [HERE, "10.0.0.0"],
        "mixed6.example": [HERE, "::1"],
        "inside.example": ["alias-inside.example"],
        "alias-inside.example": ["10.0.0.0"],
        "mapped.example": ["::ffff:127.0.0.1"],
        "nat64.example": ["64:ff9b::10.0.0.1"],
        "many-and-one.example": [*many, "169.254.169.254"],
        "empty.example": [],
    }
    it.zone.silent.add("slow.example")
    it.zone.failing.add("failing.example")
    hosts = [*it.zone.records, "nowhere.example", "failing.example", "localhost"]
    answers = dict(zip(hosts, await it.post(*hosts), strict=True))
    answers["slow.example"] = (await it.post("slow.example", lookup_s=0.2))[0]
    return answers


async def notations(it: Enclave) -> Any:
    """Hosts that the system's resolver takes for addresses although they are not written as such."""
    return await it.post("2130706433", "0x7f.1", "0177.0.0.1", "127.1", "0", "0x0a000000", "::ffff:7f00:1", "[::1]")


async def redirects(it: Enclave) -> Any:
    """A good receiver that sends us inside: its answer is a failed attempt and nothing more."""
    found = []
    for status in (301, 302, 303, 307, 308):
        for address in ("127.0.0.1", "10.0.0.0", "169.254.169.254", "[::1]"):
            place = f"http://{address}:{_PORT}/"
            it.listener.raw = (
                f"HTTP/1.1 {status} Go\r\nLocation: {place}\r\nRefresh: 0; url={place}\r\nContent-Length: 0\r\n\r\n"
            ).encode()
            found += await it.post(HERE)
    return found


async def kept(it: Enclave) -> Any:
    """A kept connection goes on within its time, and not after."""
    it.zone.records["kept.example"] = [HERE]
    before = len(it.listener.connected)
    within = await it.post(*["kept.example"] * 3)
    between = len(it.listener.connected)
    after = await it.post(*["kept.example"] * 3, recheck_s=0)
    return [within, between - before, after, len(it.listener.connected) - between, it.zone.asked["kept.example 1"]]


SCENARIOS: dict[str, Callable[[Enclave], Awaitable[Any]]] = {
    scenario.__name__: scenario  # type: ignore[attr-defined]
    for scenario in (forbidden, good, rebinding, names, notations, redirects, kept)
}


async def run(name: str) -> dict[str, Any]:
    """One scenario by its name."""
    it = Enclave()
    await listen(it.zone)
    await it.listener.start()
    answers = await SCENARIOS[name](it)
    return {"answers": answers, "connected": it.listener.connected}


if __name__ == "__main__":
    lay()
    for variable in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        os.environ[variable] = f"http://127.0.0.1:{_PORT}"
    print(json.dumps(asyncio.run(run(sys.argv[1]))))
    sys.stdout.flush()
    os._exit(0)  # threads of the resolver that wait for a silent name server
