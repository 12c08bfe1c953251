"""POST /v1/sendsms?dryRun=true: everything that a send request is checked for, and nothing stored or sent."""

from __future__ import annotations

from collections.abc import Callable

from trunkline.api.accepted import Ready
from trunkline.api.context import Context
from trunkline.api.exchange import Request, Response, refused
from trunkline.api.idempotency import earlier
from trunkline.contract.dry_run import ENCODINGS, DryRun, Replaced, dry_run_json, is_refused
from trunkline.contract.problem import Refusal, problem_of
from trunkline.contract.record import money
from trunkline.contract.send import read_measurable
from trunkline.domain.message import RequestKey
from trunkline.domain.provisioning import AccountId, Plan
from trunkline.numbering.e164 import country_of
from trunkline.text.gsm0338 import outside
from trunkline.text.segment import Encoding, Measure, measure
from trunkline.text.transliterate import changes

# Measures a text that goes to a country (ISO 3166-1, None where it is not known).
Size = Callable[[str, str | None], Measure]


def _by_itself(text: str, _: str | None) -> Measure:
    return measure(text)


async def tried_with_key(
    context: Context,
    account_id: AccountId,
    plan: Plan,
    key: RequestKey,
    ready: Ready | Refusal,
    request: Request,
    size: Size,
) -> Response:
    """As `tried`, for a request with a key: told as in use or reused where it is, and never used up."""
    found = await earlier(context, account_id, plan, key)
    if isinstance(found, Response):  # the request would get its first answer, whatever speaks against it now
        return _answer(context, request, ready if isinstance(ready, Ready) else None, size)
    return tried(context, ready if found is None else found, request, size)


def tried(context: Context, ready: Ready | Refusal, request: Request, size: Size = _by_itself) -> Response:
    """What the request would come to; its text is measured where it is refused as well. `size` is given where its plan
    is known."""
    if isinstance(ready, Refusal) and is_refused(ready):
        return refused(ready, request.request_id)
    return _answer(context, request, ready, size)


def _answer(context: Context, request: Request, ready: Ready | Refusal | None, size: Size) -> Response:
    price, ptf, currency = _cost(ready)
    text, recipient = read_measurable(request.body)
    country = None if recipient is None else country_of(recipient)
    measured = None if text is None else size(text, country)
    is_changed = measured is not None and measured.encoding is Encoding.TRANSLITERATED
    return Response(
        200,
        dry_run_json(
            DryRun(
                segments=None if measured is None else measured.parts,
                encoding=None if measured is None else ENCODINGS[measured.encoding],
                outside_gsm7=None if text is None else outside(text),
                transliterated=[Replaced(*change) for change in changes(text)] if text and is_changed else None,
                country=country,
                mccmnc=None if recipient is None else context.mccmnc_of(recipient),
                price=price,
                ptf=ptf,
                currency=currency,
                problem=problem_of(ready, request.request_id) if isinstance(ready, Refusal) else None,
            )
        ),
    )


def _cost(ready: Ready | Refusal | None) -> tuple[float | None, float | None, str | None]:
    """Price and pass-through fee of all parts, and their currency, of a message that would be accepted."""
    terms = ready.submission.terms if isinstance(ready, Ready) else None
    if not isinstance(ready, Ready) or terms is None or terms.price_micro is None or terms.ptf_micro is None:
        return None, None, None
    parts = ready.submission.parts
    return money(terms.price_micro * parts), money(terms.ptf_micro * parts), terms.currency
