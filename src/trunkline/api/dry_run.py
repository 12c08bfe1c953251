"""POST /v1/sendsms?dryRun=true: everything that a send request is checked for, and nothing stored or sent."""

from __future__ import annotations

from trunkline.api.accepted import Ready
from trunkline.api.context import Context
from trunkline.api.exchange import Request, Response, refused
from trunkline.api.idempotency import earlier
from trunkline.contract.dry_run import ENCODINGS, DryRun, dry_run_json, is_refused
from trunkline.contract.problem import Refusal, problem_of
from trunkline.contract.send import read_measurable
from trunkline.domain.message import RequestKey
from trunkline.domain.provisioning import AccountId, Plan
from trunkline.numbering.e164 import country_of
from trunkline.text.gsm0338 import outside
from trunkline.text.segment import measure


async def tried_with_key(
    context: Context, account_id: AccountId, plan: Plan, key: RequestKey, ready: Ready | Refusal, request: Request
) -> Response:
    """As `tried`, for a request with a key: told as in use or reused where it is, and never used up."""
    found = await earlier(context, account_id, plan, key)
    if isinstance(found, Response):  # the request would get its first answer, whatever speaks against it now
        return _answer(context, request.body, None, request.request_id)
    return tried(context, ready if found is None else found, request.body, request.request_id)


def tried(context: Context, ready: Ready | Refusal, body: bytes, request_id: str) -> Response:
    """What the request would come to. `body` is the request's, measured where it is refused as well."""
    if isinstance(ready, Refusal) and is_refused(ready):
        return refused(ready, request_id)
    return _answer(context, body, ready if isinstance(ready, Refusal) else None, request_id)


def _answer(context: Context, body: bytes, refusal: Refusal | None, request_id: str) -> Response:
    text, recipient = read_measurable(body)
    measured = None if text is None else measure(text)
    return Response(
        200,
        dry_run_json(
            DryRun(
                segments=None if measured is None else measured.parts,
                encoding=None if measured is None else ENCODINGS[measured.encoding],
                outside_gsm7=None if text is None else outside(text),
                country=None if recipient is None else country_of(recipient),
                mccmnc=None if recipient is None else context.mccmnc_of(recipient),
                price=None,
                ptf=None,
                currency=None,
                problem=None if refusal is None else problem_of(refusal, request_id),
            )
        ),
    )
