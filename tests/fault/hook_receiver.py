"""A customer's server for the tests of the webhook client: scripted per connection, on loopback."""

import asyncio
import datetime
import errno
import ipaddress
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_network

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from trunkline.domain.callback import Callback, Policy, check
from trunkline.webhooks.client import HookClient, tls_context

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
TLS = tls_context()  # once: reading the system's authorities takes longer than most tests
LOOPBACK = Policy(allow_http=True, allowed_networks=(ip_network("127.0.0.0/8"),))


def _on(loop_factory):
    def run(main):
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            return runner.run(asyncio.wait_for(main, 30))

    return run


# `pytestmark = both_loops`: every test of the module gets `run`, once for each event loop we promise to work on.
both_loops = pytest.mark.parametrize(
    "run", [_on(asyncio.new_event_loop), _on(uvloop.new_event_loop)], ids=["asyncio", "uvloop"]
)


@dataclass
class Request:
    line: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: bytes) -> bytes | None:
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(found) <= 1
        return found[0] if found else None


class Peer:
    """The receiver's end of one connection. `closed` is set when the client has closed it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.closed = asyncio.Event()
        self.sent_count = 0

    async def request(self) -> Request:
        head = await self.reader.readuntil(b"\r\n\r\n")
        line, *rest = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
        headers = [tuple(header.split(b": ", 1)) for header in rest]
        size = next(int(value) for name, value in headers if name == b"Content-Length")
        return Request(line, headers, await self.reader.readexactly(size))

    async def send(self, raw: bytes) -> None:
        self.writer.write(raw)
        self.sent_count += len(raw)
        await self.writer.drain()

    async def wait_closed(self) -> None:
        while await self.reader.read(65536):
            pass
        self.closed.set()

    def reset(self) -> None:
        """RST instead of FIN."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Script = Callable[[Peer], Awaitable[None]]


class Receiver:
    def __init__(self, script: Script) -> None:
        self._script = script
        self.peers: list[Peer] = []
        self.requests: list[Request] = []
        self.port = 0
        self.errors: list[BaseException] = []
        self._tasks: set[asyncio.Task] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._tasks.add(task)
        peer = Peer(reader, writer)
        self.peers.append(peer)
        try:
            await self._script(peer)
        except (OSError, EOFError):  # the client went: every script may end so
            peer.closed.set()
        except asyncio.CancelledError:
            pass
        except BaseException as error:
            self.errors.append(error)
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    def target(self, path: str = "/hook", *, host: str = "127.0.0.1", scheme: str = "http") -> Callback:
        got = check(f"{scheme}://{host}:{self.port}{path}", policy=LOOPBACK)
        assert got is not None
        return got


def at_one_port(*hosts: str) -> list[socket.socket]:
    """A socket on each of the addresses, at the same port: one that is free on the first may be taken on another. Where
    there is no IPv6, without those."""
    for _ in range(100):
        bound: list[socket.socket] = []
        try:
            for host in hosts:
                try:
                    one = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
                    bound.append(one)
                    one.bind((host, bound[0].getsockname()[1] if len(bound) > 1 else 0))
                except OSError as error:
                    if ":" not in host or error.errno == errno.EADDRINUSE:
                        raise
                    bound.pop().close()
        except OSError:
            for one in bound:
                one.close()
        else:
            return bound
    raise AssertionError(f"no port is free on all of {hosts}")


@asynccontextmanager
async def receiving(
    script: Script,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    at: socket.socket | None = None,
    tls: ssl.SSLContext | None = None,
):
    receiver = Receiver(script)
    place = {"host": host, "port": port} if at is None else {"sock": at}
    server = await asyncio.start_server(receiver.serve, **place, ssl=tls, limit=1 << 20)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        tasks = list(receiver._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert receiver.errors == []


@asynccontextmanager
async def client_for(**settings):
    """A client that may go to loopback, closed at the end."""
    client = HookClient(LOOPBACK, **{"tls": TLS, **settings})
    try:
        yield client
    finally:
        await client.close()


def answering(*answers: bytes) -> Script:
    """Answers the requests of each connection in turn, the last answer again and again."""

    async def script(peer: Peer) -> None:
        place = 0
        while True:
            await peer.request()
            await peer.send(answers[min(place, len(answers) - 1)])
            place += 1

    return script


class Authority:
    """A certificate authority for one test."""

    def __init__(self, folder) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        self.certificate = self._sign(self._name, self._key, ca=True)
        self.file = folder / "ca.pem"
        self.file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def _sign(self, subject, key, *, names=(), ca=False, expired=False):
        now = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
        end = now + datetime.timedelta(days=1 if expired else 36500)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now)
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if ca:
            # Python 3.13 verifies strictly: key usage and key identifiers must be there.
            usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
            builder = builder.add_extension(usage, critical=True)
            builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        else:
            own = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
            builder = builder.add_extension(own, False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), False)
        return builder.sign(self._key, hashes.SHA256())

    def server(self, *hosts: str, expired: bool = False, file=None) -> ssl.SSLContext:
        """The context of a server with a certificate for `hosts`; its PEM `file` stays."""
        names = []
        for host in hosts:
            try:
                names.append(x509.IPAddress(ipaddress.ip_address(host)))
            except ValueError:
                names.append(x509.DNSName(host))
        key, certificate = self._pair(hosts[0], names=names, expired=expired)
        file = file or self._folder / f"server-{hash(certificate)}.pem"
        file.write_bytes(key + certificate)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def asking(self, *hosts: str, mode: ssl.VerifyMode = ssl.CERT_REQUIRED) -> ssl.SSLContext:
        """The context of a server that asks its clients for certificates of this authority."""
        context = self.server(*hosts)
        context.load_verify_locations(cafile=self.file)
        context.verify_mode = mode
        return context

    def client(self, name: str) -> tuple[bytes, bytes]:
        """Key and certificate of a client, PEM."""
        return self._pair(name)

    def _pair(self, name: str, **how) -> tuple[bytes, bytes]:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._sign(subject, key, **how)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return pem, certificate.public_bytes(serialization.Encoding.PEM)
