"""Files that never change while the process runs, served from memory: ETag, gzip, how long to keep them, policy.

A `File` is one body; a `Folder` is the files of a package's folder by their path. Methods, 405 and HEAD are the route
table's business: both are given GET only.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable
from importlib.resources.abc import Traversable
from urllib.parse import unquote

from trunkline.api.exchange import Request, Response

REVALIDATE = "no-cache"  # kept, and asked for anew each time: a 304 most times
FOR_EVER = "public, max-age=31536000, immutable"  # for what has its version or hash in its path

_MEDIA_TYPES = {
    "css": "text/css; charset=utf-8",
    "gif": "image/gif",
    "html": "text/html; charset=utf-8",
    "ico": "image/x-icon",
    "jpg": "image/jpeg",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "map": "application/json",
    "md": "text/markdown; charset=utf-8",
    "mjs": "text/javascript; charset=utf-8",
    "png": "image/png",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
    "wasm": "application/wasm",
    "webmanifest": "application/manifest+json",
    "webp": "image/webp",
    "woff2": "font/woff2",
    "xml": "application/xml",
    "yaml": "application/yaml",
}
_PACKED_ALREADY = frozenset({"gif", "jpg", "png", "webp", "woff2"})
_WORTH_PACKING = 1024


def media_type_of(name: str) -> str:
    """The media type that a file's ending stands for."""
    return _MEDIA_TYPES.get(name.rpartition(".")[2].lower(), "application/octet-stream")


class File:
    """One body. Its gzip form is made when it is asked for first, or given as `packed`, then `body` may be None."""

    def __init__(
        self,
        body: bytes | None,
        media_type: str,
        *,
        cache: str = REVALIDATE,
        policy: str | None = None,
        packed: bytes | None = None,
        packs: bool = True,
    ) -> None:
        """`policy` is the Content-Security-Policy; `packs`: whether gzip makes it smaller."""
        self._body = body
        self._packed = packed
        self._packs = packed is not None or (packs and body is not None and len(body) >= _WORTH_PACKING)
        kept = body if body is not None else packed
        assert kept is not None
        self.digest = hashlib.sha256(kept).hexdigest()[:32]
        self._type = f"content-type: {media_type}\r\n"
        common = f"cache-control: {cache}\r\nx-content-type-options: nosniff\r\nreferrer-policy: same-origin\r\n"
        if self._packs:
            common += "vary: accept-encoding\r\n"
        if policy is not None:
            common += f"content-security-policy: {policy}\r\n"
        self._common = common

    @property
    def body(self) -> bytes:
        if self._body is None:
            assert self._packed is not None
            self._body = gzip.decompress(self._packed)
        return self._body

    @property
    def packed(self) -> bytes:
        if self._packed is None:
            self._packed = gzip.compress(self.body, 9, mtime=0)
        return self._packed

    def answer(self, request: Request) -> Response:
        """The body as the client takes it, or 304 where it has it."""
        packed = self._packs and _takes_gzip(request.headers.get(b"accept-encoding", b""))
        tag = f'"{self.digest}{"-gz" if packed else ""}"'
        common = f"{self._common}etag: {tag}\r\n"
        if _has(request.headers.get(b"if-none-match", b""), tag):
            return Response(304, b"", common.encode())
        if packed:
            return Response(200, self.packed, f"{self._type}content-encoding: gzip\r\n{common}".encode())
        return Response(200, self.body, (self._type + common).encode())


class Folder:
    """The files below a folder, each read when it is asked for first.

    A file stored as `name.gz` only is served as `name`. What a path may lead to is found once, at the start: no path
    leads out of the folder.
    """

    def __init__(
        self,
        root: Traversable,
        *,
        policy: str | Callable[[str], str | None] | None = None,
        cache: Callable[[str], str] = lambda path: REVALIDATE,
    ) -> None:
        """`policy` (Content-Security-Policy) and `cache` (Cache-Control) may depend on a file's path, `a/b.html`."""
        self._policy = policy
        self._cache = cache
        self._stored: dict[str, Traversable] = {}
        self._read: dict[str, File] = {}
        self._walk(root, "")

    def _walk(self, folder: Traversable, prefix: str) -> None:
        for entry in folder.iterdir():
            if entry.is_dir():
                self._walk(entry, f"{prefix}{entry.name}/")
            else:
                self._stored[prefix + entry.name] = entry

    @property
    def paths(self) -> frozenset[str]:
        """The paths of the files, relative to the folder."""
        return frozenset(path.removesuffix(".gz") for path in self._stored)

    def file(self, path: str) -> File | None:
        """The file at `path`, relative to the folder and not percent-encoded."""
        found = self._read.get(path)
        if found is None:
            plain, packed = self._stored.get(path), self._stored.get(f"{path}.gz")
            if plain is None and packed is None:
                return None
            found = self._read[path] = File(
                None if plain is None else plain.read_bytes(),
                media_type_of(path),
                cache=self._cache(path),
                policy=self._policy(path) if callable(self._policy) else self._policy,
                packed=None if packed is None else packed.read_bytes(),
                packs=path.rpartition(".")[2].lower() not in _PACKED_ALREADY,
            )
        return found

    def answer(self, request: Request, prefix: str) -> Response | None:
        """What is at the request's path, which begins with `prefix`; None where nothing is.

        A path that ends in `/` is its index.html. One that lacks the slash is sent there: the links of a page are
        relative to it.
        """
        whole = request.path.decode("latin-1")
        path = unquote(whole.removeprefix(prefix))
        if not path or path.endswith("/"):
            path += "index.html"
        elif f"{path}/index.html" in self._stored:
            # The path leads to a file that is here, so it holds nothing that could end a header line.
            location = f"{whole}/" + (f"?{request.query.decode('latin-1')}" if request.query else "")
            headers = f"location: {location}\r\ncache-control: {REVALIDATE}\r\n"
            return Response(301, b"", headers.encode("latin-1"))
        found = self.file(path)
        return None if found is None else found.answer(request)


def _takes_gzip(accepted: bytes) -> bool:
    """Whether an Accept-Encoding lets gzip be sent (RFC 9110 §12.5.3)."""
    for piece in accepted.lower().split(b","):
        coding, *parameters = (word.strip() for word in piece.split(b";"))
        if coding in (b"gzip", b"x-gzip", b"*"):
            return not any(word.replace(b" ", b"") in (b"q=0", b"q=0.0", b"q=0.00", b"q=0.000") for word in parameters)
    return False


def _has(if_none_match: bytes, tag: str) -> bool:
    """Whether the client has this form already (RFC 9110 §13.1.2: compared weakly)."""
    if not if_none_match:
        return False
    return any(
        given == "*" or given.removeprefix("W/") == tag
        for given in map(str.strip, if_none_match.decode("latin-1").split(","))
    )
