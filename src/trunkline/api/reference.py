"""The API's description as it is served: the document, the page that shows it, the error catalogue as data."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from trunkline.api.context import Context, Operation
from trunkline.api.exchange import Answer, Request
from trunkline.api.openapi import yaml
from trunkline.api.openapi.document import catalogue, document
from trunkline.api.static import FOR_EVER, File

_FOLDER = files("trunkline.api.openapi")


@cache
def paths() -> Mapping[bytes, Mapping[bytes, Operation]]:
    """The paths of the description, made once a process."""
    whole = document()
    packed = _FOLDER.joinpath("scalar", "standalone.js.gz").read_bytes()
    bundle = File(None, "text/javascript; charset=utf-8", cache=FOR_EVER, packed=packed)
    bundle_path = f"/openapi/scalar-{bundle.digest[:16]}.js"
    return {
        b"/openapi/sms": _get(_page(bundle_path)),
        b"/openapi/sms.json": _get(_json(whole)),
        b"/openapi/sms.yaml": _get(File(yaml.dump(whole).encode(), "application/yaml")),
        bundle_path.encode(): _get(bundle),
        b"/docs/api/error-codes.json": _get(_json(catalogue())),
    }


def _page(bundle_path: str) -> File:
    start = _FOLDER.joinpath("reference.js").read_text("utf-8")
    html = _FOLDER.joinpath("reference.html").read_text("utf-8").format(bundle=bundle_path, start=start)
    digest = b64encode(hashlib.sha256(start.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'self' 'sha256-{digest}'; style-src 'unsafe-inline'; img-src 'self' data:;"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return File(html.encode(), "text/html; charset=utf-8", policy=policy)


def _json(value: object) -> File:
    return File(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(), "application/json")


def _get(file: File) -> Mapping[bytes, Operation]:
    def answer(context: Context, request: Request) -> Answer:
        return file.answer(request)

    return {b"GET": answer}
