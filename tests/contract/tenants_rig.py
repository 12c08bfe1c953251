"""Two tenants of two plans each, everything of theirs marked, tokens of every kind; asked without a wire between."""

from __future__ import annotations

import asyncio
import itertools
import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
from api_rig import Rig

from trunkline.api.app import PATHS, PATHS_OF_CANCEL, PATHS_OF_ONE
from trunkline.api.exchange import Later, Request, Response
from trunkline.domain.token import issue


@dataclass(frozen=True)
class OwnPlan:
    """A plan with marks of its own, by which anything of it is known wherever it turns up."""

    number: int
    tenant: str

    @property
    def public_id(self) -> str:
        return f"{self.tenant}{self.number}" * 12

    @property
    def sender(self) -> str:
        return f"+15557770{self.number}01"

    @property
    def recipient(self) -> str:
        return f"+15558880{self.number}02"

    @property
    def stranger(self) -> str:
        """Who writes to the plan."""
        return f"+15559990{self.number}03"

    @property
    def text(self) -> str:
        return f"canary of plan {self.number}"

    @property
    def reference(self) -> str:
        return f"reference-canary-{self.number}"

    @property
    def callback_url(self) -> str:
        return f"https://canary{self.number}.example.com/sms/status"


PLANS = (OwnPlan(1, "a"), OwnPlan(2, "a"), OwnPlan(3, "b"), OwnPlan(4, "b"))
PLAN_OF = {plan.public_id: plan for plan in PLANS}
ACCOUNT = {"a": "a" * 24, "b": "b" * 24}
MISSING = "f" * 24
MISSING_ID = "019ee2da-e515-7322-805f-1ac6ce82f20f"

SEND, READ = "messages:send", "messages:read"
# What a token may do: scopes, and what is between its being issued and now.
RIGHTS: dict[str, tuple[tuple[str, ...], str]] = {
    "both": ((SEND, READ), "NULL, NULL"),
    "send": ((SEND,), "NULL, NULL"),
    "read": ((READ,), "NULL, NULL"),
    "expired": ((SEND, READ), "now() - interval '1 minute', NULL"),
    "revoked": ((SEND, READ), "NULL, now() - interval '1 minute'"),
}


@dataclass(frozen=True)
class Token:
    """A token: whose, with which rights (`none`: no token at all), for all plans of the account or the first alone."""

    tenant: str
    rights: str
    every_plan: bool = True

    @property
    def name(self) -> str:
        return f"{self.tenant} {self.rights} {'all' if self.every_plan else 'first'}"


TOKENS = [Token(*one) for one in itertools.product("ab", RIGHTS, (True, False))] + [Token(t, "none") for t in "ab"]
FULL = {tenant: Token(tenant, "both") for tenant in "ab"}


@dataclass(frozen=True)
class Operation:
    """A method and path of the API; `name` is that of the function behind it."""

    method: str
    path: str
    name: str


def operations() -> list[Operation]:
    """Every operation under each of its paths: the one place that knows where their list comes from.

    Left out are those of the mock, which takes any token and answers with the description's examples.
    """
    tables = {path.decode(): methods for path, methods in PATHS.items()}
    tables |= {f"{path.decode()}/{{msgId}}": methods for path, methods in PATHS_OF_ONE.items()}
    tables |= {f"{path.decode()}/{{msgId}}/cancel": methods for path, methods in PATHS_OF_CANCEL.items()}
    return [
        Operation(method.decode(), path, function.__name__.strip("_"))
        for path, methods in tables.items()
        for method, function in methods.items()
        if not path.startswith("/mock/")
    ]


class TenantRig(Rig):
    """The API over the two tenants. Each plan has sent two messages and received one."""

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn)
        self.messages: dict[str, list[str]] = {}
        self._peers = itertools.count(1)

    async def _seed(self, conn: asyncpg.Connection) -> None:
        for tenant in "ab":
            await conn.execute(
                "INSERT INTO account (public_id, name, dlr_url, rate_per_s) VALUES ($1, $2, $3, 0)",
                ACCOUNT[tenant],
                f"canary account {tenant}",
                f"https://canary-{tenant}.example.com/",
            )
        await conn.execute("INSERT INTO carrier (name) VALUES ('canary carrier')")
        for plan in PLANS:
            await conn.execute(
                "INSERT INTO plan (public_id, account_id, name, rate_per_s) VALUES ($1, $2, $3, 0)",
                plan.public_id,
                "ab".index(plan.tenant) + 1,
                f"canary plan {plan.number}",
            )
            await conn.execute("INSERT INTO sender (plan_id, address) VALUES ($1, $2)", plan.number, plan.sender)
            await conn.execute(
                "INSERT INTO mo (plan_id, msg_id, account_id, carrier_id, link_id, sender, recipient, body, keyword,"
                " digest, received_at) VALUES ($1, msg_id_floor(now()), $2, 1, 1, $3, $4, $5, 'canary', '', now())",
                plan.number,
                "ab".index(plan.tenant) + 1,
                plan.stranger,
                plan.sender,
                f"inbound {plan.text}",
            )
        await conn.execute("INSERT INTO route (name, carrier_id) VALUES ('canary route', 1)")
        for token in TOKENS:
            if token.rights == "none":
                continue
            issued = issue()
            self.tokens[token.name] = issued.token
            scopes, life = RIGHTS[token.rights]
            first = next(plan.number for plan in PLANS if plan.tenant == token.tenant)
            await conn.execute(
                "INSERT INTO token (account_id, label, hash, scopes, plan_ids, expires_at, revoked_at)"
                f" VALUES ($1, $2, $3, $4, $5, {life})",
                "ab".index(token.tenant) + 1,
                f"canary label {token.tenant}",
                issued.hash,
                list(scopes),
                None if token.every_plan else [first],
            )
        self.tokens["full"] = self.tokens[FULL["a"].name]

    def __enter__(self) -> TenantRig:
        super().__enter__()
        self.run(self._send_all())
        return self

    async def _send_all(self) -> None:
        for plan in PLANS:
            self.messages[plan.public_id] = [await self.send_one(plan) for _ in range(2)]

    async def send_one(self, plan: OwnPlan) -> str:
        """A new message of the plan; its id."""
        answer = await self.answer("POST", "/v1/sendsms", FULL[plan.tenant], body=send_body(plan))
        assert answer.status == 202, answer
        return str(json.loads(answer.body)["msgId"])

    async def answer(
        self, method: str, target: str, token: Token, *, body: dict[str, Any] | None = None, key: str | None = None
    ) -> Response:
        """What the API answers, each time to another client address; in the loop of the API."""
        path, _, query = target.partition("?")
        headers = {} if token.rights == "none" else {b"authorization": f"Bearer {self.tokens[token.name]}".encode()}
        content = b""
        if body is not None:
            headers[b"content-type"] = b"application/json"
            content = json.dumps(body).encode()
        if key is not None:
            headers[b"idempotency-key"] = key.encode()
        number = next(self._peers)
        peer = f"198.{18 + number // 62500}.{number // 250 % 250}.{number % 250}"
        request = Request(
            method.encode(), path.encode(), query.encode(), headers, content, False, peer, f"request-{number}"
        )
        found = self.api.handle(request)
        while isinstance(found, Later):
            outcome = asyncio.ensure_future(found.awaited)
            await asyncio.wait([outcome])
            found = self.api.finish(request, found, outcome)
        assert isinstance(found, Response)
        return found

    def ask_as(
        self, tenant: str, method: str, target: str, *, body: dict[str, Any] | None = None, key: str | None = None
    ) -> Response:
        """As `answer`, with the tenant's token for everything, from outside the loop."""
        return self.run(self.answer(method, target, FULL[tenant], body=body, key=key))

    def canaries(self, tenant: str) -> list[bytes]:
        """What nobody but the tenant may ever see."""
        own = [plan for plan in PLANS if plan.tenant == tenant]
        texts = [ACCOUNT[tenant], f"canary account {tenant}", f"canary label {tenant}", f"canary-{tenant}.example.com"]
        for plan in own:
            texts += [plan.public_id, plan.sender[1:], plan.recipient[1:], plan.stranger[1:], plan.text]
            texts += [plan.reference, f"canary{plan.number}.example.com", f"canary plan {plan.number}"]
            texts += self.messages[plan.public_id]
        return [text.encode() for text in texts]


def send_body(plan: OwnPlan, **changes: Any) -> dict[str, Any]:
    """A send that is right for the plan, but for `changes`."""
    return {
        "servicePlanId": plan.public_id,
        "channel": "SMS",
        "from": plan.sender,
        "to": plan.recipient,
        "body": plan.text,
        "callbackUrl": plan.callback_url,
        "clientReference": plan.reference,
        **changes,
    }


def normalised(answer: Response) -> tuple[int, bytes, bytes]:
    """An answer without what is another for each request."""
    body = answer.body
    if b"problem+json" in answer.headers:
        document = json.loads(body)
        assert document.pop("instance").startswith("request-")
        body = json.dumps(document).encode()
    return answer.status, answer.headers, body


def ids_of(answer: Response) -> list[UUID]:
    """The messages of a page."""
    return [UUID(one["msgId"]) for one in json.loads(answer.body)["data"]]
