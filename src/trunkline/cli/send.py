"""`trunkline send`: one message through the REST API, as a customer's program would."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import click
import msgspec
from msgspec import UNSET

from trunkline.cli.failures import CONFIGURATION, REFUSED, UNAVAILABLE, Failed, explained
from trunkline.contract.problem import Problem
from trunkline.contract.send import SendRequest

SANDBOX_FILE = "sandbox.env"
_TIMEOUT_S = 30.0
_ANSWER_LIMIT = 1024 * 1024


class _Accepted(msgspec.Struct, rename="camel"):
    """What is shown of the record; the rest is skipped."""

    msg_id: UUID
    status: str


@click.command()
@click.argument("text")
@click.option("--from", "sender", required=True, metavar="SENDER", help="Short code, number, or up to 11 letters.")
@click.option("--to", "recipient", required=True, metavar="NUMBER", help="Recipient, such as +31612345678.")
@click.option("--plan", metavar="ID", help="Service plan.  [TRUNKLINE_SERVICE_PLAN]")
@click.option("--url", help="Where the API is.  [TRUNKLINE_URL, else http://127.0.0.1:3000]")
@click.option("--token", help="API token; better given by the variable.  [TRUNKLINE_TOKEN]")
@click.option("--callback-url", help="Where the receipt is to go.")
@click.option("--send-at", metavar="TIME", help="Not before, such as 2030-01-31T09:00:00Z.")
@click.option("--validity", type=int, metavar="SECONDS", help="How long it is worth delivering.")
@click.option("--reference", help="Your own reference, returned in records.")
@click.option("--idempotency-key", help="The same key and message again is not sent again.")
@click.option("--dry-run", is_flag=True, help="Check and price it, send nothing.")
@click.option("--json", "as_json", is_flag=True, help="Show the whole answer.")
@explained
def send(
    text: str,
    sender: str,
    recipient: str,
    plan: str | None,
    url: str | None,
    token: str | None,
    callback_url: str | None,
    send_at: str | None,
    validity: int | None,
    reference: str | None,
    idempotency_key: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Send one message through the REST API: TEXT, or for `-` what standard input holds.

    Address, token and plan come from flags, from TRUNKLINE_URL, TRUNKLINE_TOKEN and TRUNKLINE_SERVICE_PLAN, or from a
    sandbox that was started in this folder.

    \b
    trunkline send --from 12345 --to +31612345678 "Hello"
    trunkline send --from Acme --to +31612345678 --dry-run "Grüße"
    """
    given = {**_sandbox(), **{key: value for key, value in os.environ.items() if value}}
    request = SendRequest(
        service_plan_id=_needed(plan or given.get("TRUNKLINE_SERVICE_PLAN"), "--plan or TRUNKLINE_SERVICE_PLAN"),
        channel="SMS",
        sender=sender,
        recipient=recipient,
        body=sys.stdin.read().removesuffix("\n") if text == "-" else text,
        callback_url=callback_url or UNSET,
        send_at=send_at or UNSET,
        validity_period=UNSET if validity is None else validity,
        client_reference=reference or UNSET,
    )
    headers = {
        "Authorization": f"Bearer {_needed(token or given.get('TRUNKLINE_TOKEN'), '--token or TRUNKLINE_TOKEN')}"
    }
    if idempotency_key:
        headers["Idempotency-Key"] = idempotency_key
    base = url or given.get("TRUNKLINE_URL") or "http://127.0.0.1:3000"
    status, answer = _post(base, "/v1/sendsms?dryRun=true" if dry_run else "/v1/sendsms", headers, request)
    if not 200 <= status < 300:
        _refused(status, answer)
    if as_json or dry_run:
        click.echo(msgspec.json.format(answer, indent=2).decode())
        return
    record = msgspec.json.decode(answer, type=_Accepted)
    click.echo(f"{record.msg_id} {record.status}")


def _needed(value: str | None, how: str) -> str:
    if not value:
        raise Failed(CONFIGURATION, f"give {how}, or start `trunkline sandbox` in this folder")
    return value


def _sandbox() -> Mapping[str, str]:
    """What a sandbox of this folder left for its clients."""
    file = Path(os.environ.get("TRUNKLINE_DATA_DIR", ".trunkline")) / SANDBOX_FILE
    try:
        lines = file.read_text("utf-8").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    pairs = (line.removeprefix("export ").partition("=") for line in lines if "=" in line and line[:1] != "#")
    return {name.strip(): value.strip().strip("'\"") for name, _, value in pairs}


def _post(base: str, path: str, headers: dict[str, str], request: SendRequest) -> tuple[int, bytes]:
    parts = urlsplit(base)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Failed(CONFIGURATION, f"{base} is no URL such as https://sms.example.com")
    connect = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    try:
        body = msgspec.json.encode(request)
        connection = connect(parts.hostname, parts.port, timeout=_TIMEOUT_S)
        connection.request("POST", parts.path.rstrip("/") + path, body, {**headers, "Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read(_ANSWER_LIMIT)
    except (OSError, HTTPException) as error:
        what = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise Failed(UNAVAILABLE, f"{base} does not answer: {what}") from None
    except ValueError as error:  # a header or URL that cannot be written, a surrogate in the text
        raise Failed(CONFIGURATION, f"this cannot be sent as HTTP: {error}") from None


def _refused(status: int, answer: bytes) -> None:
    try:
        problem = msgspec.json.decode(answer, type=Problem)
    except msgspec.MsgspecError:
        raise Failed(REFUSED, f"refused with HTTP {status}, by something that is not Trunkline") from None
    lines = [f"refused ({status} {problem.code}): {problem.detail}"]
    if problem.errors is not UNSET and len(problem.errors) > 1:
        lines += [f"  {fault.field}: {fault.message}" for fault in problem.errors]
    if problem.msg_id is not UNSET:
        lines.append(f"  it may have been accepted as {problem.msg_id}")
    raise Failed(REFUSED, "\n".join(lines))
