"""What the operations are given to work with; the role that runs the API fills it in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from trunkline.api.cursor import CursorSigner
from trunkline.api.exchange import Answer, Request, unavailable
from trunkline.api.limits import RateLimits
from trunkline.api.token import Tokens
from trunkline.contract.problem import Refusal
from trunkline.domain import callback
from trunkline.domain.ids import MsgIds
from trunkline.domain.message import Accepted, RequestKey, Submission
from trunkline.domain.price import Price
from trunkline.domain.provisioning import CarrierId, Plan, PlanId, Provisioning, Token
from trunkline.store.db import Pool
from trunkline.store.readers import Readers


class FirstChoice(Protocol):
    """The carrier that a message is queued for: the first of its routes that takes messages. None: no route."""

    def __call__(
        self,
        provisioning: Provisioning,
        plan_id: PlanId,
        sender: str,
        recipient: str,
        country: str | None,
        mccmnc: str | None,
        msg_id: UUID,
        /,
    ) -> CarrierId | None: ...


@dataclass(frozen=True, slots=True)
class Context:
    """The pieces, as callables where they live elsewhere.

    `provisioning` gives None when what is in memory is older than 5 s: a token revoked meanwhile must not pass.
    `accept` ends after the commit; `in_work` tells of a key whether this process is at it. `mccmnc_of` tells the
    network of a recipient, None where it is not known. `price_of` tells what a part costs by a price list, for the
    recipient's country and network and the sender; None where the list has no price for that. `now_ms` is the
    database's clock. What a customer asks for is
    read over `readers`, for the account of the token; `writers` are the login's own.
    """

    provisioning: Callable[[], Provisioning | None]
    accept: Callable[[Submission], Awaitable[Accepted]]
    in_work: Callable[[PlanId, RequestKey], Accepted | None]
    first_choice: FirstChoice
    mccmnc_of: Callable[[str], str | None]
    price_of: Callable[[int, str | None, str | None, str], Price | None]
    readers: Readers
    writers: Pool
    now_ms: Callable[[], int]
    msg_ids: MsgIds
    tokens: Tokens
    limits: RateLimits
    cursors: CursorSigner
    callback_policy: callback.Policy
    scan_bound: int

    def admit(self, request: Request, scope: str) -> tuple[Provisioning, Token] | Refusal:
        """The steps that all operations begin with: is what we know fresh, who is asking, may they do such things, is
        the account within its limit."""
        provisioning = self.provisioning()
        if provisioning is None:
            return unavailable("Tokens cannot be checked at the moment.")
        token = self.tokens.check(request, provisioning, scope)
        if isinstance(token, Refusal):
            return token
        over = self.limits.charge_account(request, provisioning, token.account_id)
        return (provisioning, token) if over is None else over


Operation = Callable[[Context, Request], Answer]


def may_use(token: Token, plan: Plan) -> bool:
    """Whether a token that belongs to the plan's account may use the plan."""
    return token.plan_ids is None or plan.plan_id in token.plan_ids
