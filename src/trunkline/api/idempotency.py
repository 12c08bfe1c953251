"""Idempotency-Key: one message for one key, and the first 202 again for whoever repeats the request.

A key is stored with its message, in one commit, so only a 202 is kept. Storing finds out whether the key is new; it is
looked up only after that failed, or where the request would be refused now: a repeated one gets its first answer all
the same. (Not seen then: the same key in work in another process.)
"""

from __future__ import annotations

from functools import partial

from trunkline.api.accepted import IN_USE, REPLAYED, REUSED, Ready, refusal_of, stored
from trunkline.api.context import Context
from trunkline.api.exchange import JSON, Later, Response, refused, unavailable
from trunkline.contract.problem import Refusal
from trunkline.contract.record import first_json
from trunkline.domain.message import Accepted, RequestKey
from trunkline.domain.provisioning import AccountId, Plan
from trunkline.store import idempotency, records
from trunkline.store.db import ConnectionLost

_AGAIN = unavailable("The key was in work, and its message cannot be seen yet: send the request again.")


def once(
    context: Context, request_id: str, account_id: AccountId, plan: Plan, key: RequestKey, ready: Ready | Refusal
) -> Later:
    """The answer to a request with a key; `account_id` is the token's, `ready` what it would come to without a key."""
    look = partial(_first, request_id, context, account_id, plan, key)
    if isinstance(ready, Refusal):
        return look(ready)
    submission = ready.submission

    def told(outcome: Accepted) -> Response | Later:
        if outcome is Accepted.STORED:
            return stored(submission.msg_id, plan, ready.record)
        if outcome is Accepted.KEY_TAKEN:
            return look(_AGAIN)
        return refused(refusal_of(outcome, submission.msg_id), request_id)

    return Later(context.accept(submission), told)


def _first(
    request_id: str, context: Context, account_id: AccountId, plan: Plan, key: RequestKey, otherwise: Refusal
) -> Later:
    """What an earlier request with the key makes of this one; `otherwise` where there was none."""

    def told(found: Response | Refusal | None) -> Response:
        return found if isinstance(found, Response) else refused(found or otherwise, request_id)

    return Later(earlier(context, account_id, plan, key), told)


async def earlier(context: Context, account_id: AccountId, plan: Plan, key: RequestKey) -> Response | Refusal | None:
    """What an earlier request with the key makes of this one: its own 202, or a refusal. None: the key is free."""
    in_work = context.in_work(plan.plan_id, key)
    if in_work is not None:
        return IN_USE if in_work is Accepted.KEY_IN_USE else REUSED
    try:
        async with context.readers.of(account_id) as conn:
            kept = await idempotency.kept(conn, plan.plan_id, key.text)
            if kept is None:
                return None
            if kept.request_hash != key.request_hash:
                return REUSED
            record = await records.get(conn, plan.plan_id, kept.msg_id)
    except ConnectionLost:
        return unavailable("Keys cannot be looked up at the moment.")
    if record is None:
        return None
    body = first_json(record, kept.parts, kept.mccmnc, plan.account_public_id, plan.public_id)
    return stored(kept.msg_id, plan, body, JSON + REPLAYED)
