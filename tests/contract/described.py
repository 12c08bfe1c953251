"""What the API's description says of an answer: `undocumented` compares one with it."""

from __future__ import annotations

import http.client
import json
import re
from typing import Any

import jsonschema_rs

from trunkline.api.openapi.document import MOCK, document

DOCUMENT = json.loads(json.dumps(document()))
OPERATIONS: dict[tuple[str, str], Any] = {
    (method.upper(), path): operation
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
}
# The other names of the operations: the same answers, and absent from the document.
_CANONICAL = {
    ("POST", "/sendsms"): "/v1/sendsms",
    ("POST", "/v1/messages/sms"): "/v1/sendsms",
    ("POST", "/messages/sms"): "/v1/sendsms",
    ("GET", "/messages/sms"): "/v1/messages/sms",
    ("GET", "/v1/sms/messages"): "/v1/messages/sms",
    ("GET", "/messages/sms/{msgId}"): "/v1/messages/sms/{msgId}",
    ("GET", "/v1/sms/status/{msgId}"): "/v1/messages/sms/{msgId}",
    ("POST", "/messages/sms/{msgId}/cancel"): "/v1/messages/sms/{msgId}/cancel",
}
_OF_ONE = re.compile(r"(/v1/messages/sms|/messages/sms|/v1/sms/status)/[^/]*(/cancel)?").fullmatch
# Headers of HTTP itself, or of any answer of any server.
_HTTP = frozenset({"allow", "cache-control", "connection", "content-length", "content-type", "date"})
# Headers that not every answer of their status has.
_AT_TIMES = frozenset({"Idempotent-Replayed", "RateLimit", "RateLimit-Policy", "Retry-After"})
_OF_MOCK = frozenset({"preference-applied"})


def validator(schema: dict[str, Any]) -> jsonschema_rs.Validator:
    """A validator of one of the document's schemas, formats included."""
    return jsonschema_rs.Draft202012Validator({**schema, "components": DOCUMENT["components"]}, validate_formats=True)


_validators: dict[str, jsonschema_rs.Validator] = {}


def conforms(schema: dict[str, Any], body: Any) -> None:
    """Raises where a body is not what its schema says."""
    key = json.dumps(schema, sort_keys=True)
    if key not in _validators:
        _validators[key] = validator(schema)
    _validators[key].validate(body)


def operation_of(method: str, target: str) -> Any:
    """The described operation that a request is for, None where it is for none."""
    path = target.partition("?")[0].removeprefix(MOCK)
    if match := _OF_ONE(path):
        path = f"{match[1]}/{{msgId}}{match[2] or ''}"
    method = "GET" if method == "HEAD" else method
    return OPERATIONS.get((method, _CANONICAL.get((method, path), path)))


def undocumented(method: str, target: str, status: int, headers: http.client.HTTPMessage, body: bytes) -> str | None:
    """What of an answer the document does not have, None where it has all."""
    operation = operation_of(method, target)
    if operation is None:
        return None
    described = operation["responses"].get(str(status))
    if described is None:
        return f"status {status}"
    names = {name.lower() for name in headers} - _HTTP
    if target.startswith(MOCK):
        names -= _OF_MOCK
    if unknown := names - {name.lower() for name in described["headers"]}:
        return f"headers {unknown}"
    if missing := [name for name in set(described["headers"]) - _AT_TIMES if headers[name] is None]:
        return f"{status} without {missing}"
    media_type, content = next(iter(described["content"].items()))
    if headers["content-type"] != media_type:
        return f"content type {headers['content-type']}"
    if method == "HEAD":
        return None
    document = json.loads(body)
    if status >= 400 and document["code"] not in content["examples"]:
        return f"code {document['code']}"
    if document.get("code") in ("rate_limited", "unavailable") and headers["retry-after"] is None:
        return f"{status} without Retry-After"
    try:
        conforms(content["schema"], document)
    except jsonschema_rs.ValidationError as error:
        return f"body: {error.message} at {error.instance_path}"
    return None
