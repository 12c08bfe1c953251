"""The documentation at /docs: the files that the build put into the package `trunkline_docs`."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from functools import cache, partial
from hashlib import sha256
from importlib import resources
from importlib.resources.abc import Traversable

from msgspec import structs

from trunkline.api.context import Context, Operation
from trunkline.api.exchange import Answer, Request, Response, refused
from trunkline.api.static import FOR_EVER, REVALIDATE, Folder
from trunkline.contract.problem import Refusal

_PREFIX = "/docs/"
_PACKAGE = "trunkline_docs"
_NAMED_BY_HASH = re.compile(r"\.[0-9a-f]{8}\.min\.(?:css|js)\Z").search
_INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL).findall
# What the theme (Zensical 0.0.73) needs: icons are data: URLs in its style sheet, the search runs in a worker and puts
# one style element into its own shadow tree.
_SEARCH_STYLE = "'sha256-NwSx/R2V/U4jnW0Tq5pQ53Y/rzPVJ4dqE7D6UTA/J1k='"
_POLICY = (
    "default-src 'none'; img-src 'self' data:; connect-src 'self'; worker-src 'self'; base-uri 'none'; "
    f"style-src 'self' {_SEARCH_STYLE}; form-action 'none'; frame-ancestors 'none'; script-src 'self'"
)


def page(context: Context, request: Request) -> Answer:
    """A page or a file of its. Where nothing is, a browser gets a page with the navigation, a program the problem."""
    folder = _folder()
    found = folder and folder.answer(request, _PREFIX)
    if found:
        return found
    missing = folder and b"text/html" in request.headers.get(b"accept", b"") and folder.file("404.html")
    if missing:
        plain = Request(b"GET", request.path, b"", {}, b"", False, request.peer, request.request_id)
        return structs.replace(missing.answer(plain), status=404)
    return refused(Refusal("not_found", "There is no such page."), request.request_id)


def start(context: Context, request: Request) -> Answer:
    """Sends /docs to /docs/, since the links of a page are relative."""
    return Response(301, b"", f"location: {_PREFIX}\r\ncache-control: {REVALIDATE}\r\n".encode())


def index_for_models(context: Context, request: Request) -> Answer:
    """/llms.txt, where language models look for it: the one of the documentation."""
    folder = _folder()
    found = folder and folder.file("llms.txt")
    return found.answer(request) if found else page(context, request)


PATHS: Mapping[bytes, Mapping[bytes, Operation]] = {
    b"/docs": {b"GET": start},
    b"/llms.txt": {b"GET": index_for_models},
}


@cache
def _folder() -> Folder | None:
    """The files, each read when it is asked for first; None where only the sources are, on a path."""
    try:
        root = resources.files(_PACKAGE)
    except ModuleNotFoundError:
        return None
    return Folder(root, policy=partial(_policy, root), cache=_keep)


def _policy(root: Traversable, path: str) -> str:
    """The Content-Security-Policy of a file: of scripts inside a page exactly those that the build put there."""
    scripts = sorted(set(_INLINE((root / path).read_text("utf-8")))) if path.endswith(".html") else []
    return _POLICY + "".join(f" 'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in scripts)


def _keep(path: str) -> str:
    return FOR_EVER if _NAMED_BY_HASH(path) else REVALIDATE
