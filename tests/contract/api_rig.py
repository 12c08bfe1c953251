"""The API as it runs in production (uvicorn, real accepter, real PostgreSQL) in a thread, and a client for it."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import itertools
import json
import socket
import threading
import uuid
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
import pytest
import uvicorn
import uvloop
from described import undocumented

from trunkline.api.app import Api
from trunkline.api.exchange import Limits
from trunkline.api.limits import RateLimits
from trunkline.api.listener import Listener
from trunkline.domain.callback import Policy
from trunkline.domain.message import Submission
from trunkline.domain.provisioning import Provisioning
from trunkline.domain.token import issue
from trunkline.mt.accept import Accepter
from trunkline.mt.route import Router
from trunkline.runtime.clock import wall_ms
from trunkline.store.limits import Leases
from trunkline.store.numbers import NumberWatch
from trunkline.store.prices import PriceWatch
from trunkline.store.provisioning import load
from trunkline.store.readers import Readers

T = TypeVar("T")
SECRET_KEY = bytes(range(32))

ACCOUNT = "1" * 24
PLAN = "2" * 24  # everything set up
OTHER = "3" * 24  # of the same account, all senders, nothing sent
INACTIVE = "4" * 24
DUTCH = "5" * 24  # may send to NL only
ROUTELESS = "6" * 24
FOREIGN = "a" * 24  # another account's
MISSING = "f" * 24

SENDER = "+15550001111"
RECIPIENT = "+15550002222"

_SEED = f"""
INSERT INTO account (public_id, name, rate_per_s) VALUES ('{ACCOUNT}', 'ours', 0), ('{"9" * 24}', 'theirs', 0);
INSERT INTO plan (public_id, account_id, name, active, countries) VALUES
    ('{PLAN}', 1, 'main', true, NULL), ('{OTHER}', 1, 'other', true, NULL), ('{INACTIVE}', 1, 'off', false, NULL),
    ('{DUTCH}', 1, 'dutch', true, '{{NL}}'), ('{ROUTELESS}', 1, 'routeless', true, NULL),
    ('{FOREIGN}', 2, 'theirs', true, NULL);
UPDATE plan SET rate_per_s = 0; -- no limit: tests of limits set some
INSERT INTO sender (plan_id, address, state)
    SELECT plan_id, a, s FROM plan, (VALUES ('{SENDER}', 'approved'), ('12345', 'approved'), ('Trunkline', 'approved'),
        ('PENDING', 'pending'), ('DENIED', 'denied'), ('ODD', 'limbo')) AS v(a, s);
INSERT INTO carrier (name) VALUES ('carrier');
INSERT INTO route (name, carrier_id, plan_id)
    SELECT 'route ' || plan_id, 1, plan_id FROM plan WHERE public_id <> '{ROUTELESS}';
"""

BOTH = ("messages:send", "messages:read")
# name: account, scopes, plans, networks, lifetime
TOKENS: dict[str, tuple[int, tuple[str, ...], list[int] | None, list[str] | None, str]] = {
    "full": (1, BOTH, None, None, "NULL, NULL"),
    "send": (1, ("messages:send",), None, None, "NULL, NULL"),
    "read": (1, ("messages:read",), None, None, "NULL, NULL"),
    "main_only": (1, BOTH, [1], None, "NULL, NULL"),
    "other_only": (1, BOTH, [2], None, "NULL, NULL"),
    "office": (1, BOTH, None, ["192.0.2.0/24", "2001:db8::/32"], "NULL, NULL"),
    "expired": (1, BOTH, None, None, "now() - interval '1 minute', NULL"),
    "revoked": (1, BOTH, None, None, "NULL, now() - interval '1 minute'"),
    "theirs": (2, BOTH, None, None, "NULL, NULL"),
}

_addresses = itertools.count(1)


@contextmanager
def copied(server: str, template: str) -> Iterator[str]:
    """The address of a copy of a database, gone afterwards: for APIs that outlive one test, or break theirs."""
    name = f"test_{uuid.uuid4().hex}"

    async def execute(statement: str) -> None:
        conn = await asyncpg.connect(server)
        await conn.execute(statement)
        await conn.close()

    asyncio.run(execute(f"CREATE DATABASE {name} TEMPLATE {template}"))
    try:
        yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    finally:
        asyncio.run(execute(f"DROP DATABASE {name} WITH (FORCE)"))


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """A problem's code; the document is checked on the way."""
        assert self.headers["content-type"] == "application/problem+json", self
        document = self.json
        assert document["status"] == self.status
        assert document["instance"] == self.headers["x-request-id"]
        assert document["type"] == f"/docs/api/error-codes#{document['code']}"
        assert document["title"]
        assert document["detail"]
        return str(document["code"])

    @property
    def fields(self) -> set[tuple[str, str]]:
        """The faults of a problem: field and code of each."""
        return {(fault["field"], fault["code"]) for fault in self.json["errors"]}


class Rig:
    """Starts on entry, stops on exit; `listening` is what uvicorn is told of the listener.

    A test that replaces `picture`, `accept` or `trouble` puts it back.
    """

    def __init__(self, dsn: str, limits: Limits | None = None, **listening: Any) -> None:
        self.dsn = dsn
        self.tokens: dict[str, str] = {}
        self.picture: Provisioning | None = None
        self.accept: Callable[[Submission], Any] | None = None
        self.trouble: str | None = None
        self._limits = limits or Limits()
        self._listening = listening
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: uvloop.run(self._main()), daemon=True)
        self._failure: BaseException | None = None

    def __enter__(self) -> Rig:
        self._thread.start()
        assert self._started.wait(30)
        if self._failure:
            raise self._failure
        return self

    def stop(self) -> None:
        """Begins to stop; `__exit__` waits for the end."""
        self._server.should_exit = True

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._thread.join(10)
        assert not self._thread.is_alive()

    async def _main(self) -> None:
        try:
            await self._start()
        except BaseException as failure:
            self._failure = failure
            raise
        finally:
            self._started.set()
        await self._serving
        self._accepting.cancel()
        self._leasing.cancel()
        await asyncio.gather(self._accepting, self._leasing, return_exceptions=True)
        await self._leases.close()
        await self._accepter._standing.close()
        await self.readers.close()
        await self.pool.close()
        await self.numbers.close()
        await self.prices.close()

    async def _start(self) -> None:
        self.loop = asyncio.get_running_loop()
        conn = await asyncpg.connect(self.dsn)
        try:
            await self._seed(conn)
            self.picture = await load(conn, SECRET_KEY)
        finally:
            await conn.close()
        self.pool = await asyncpg.create_pool(self.dsn, min_size=1, max_size=4)
        self.readers = await Readers.open(self.dsn, size=4)
        self.numbers = NumberWatch(self.dsn)  # a test that changes ranges has it look
        self.prices = PriceWatch(self.dsn)  # and so with prices
        self._accepter = accepter = Accepter(self.dsn)
        accepter._wake_late = lambda: None  # nobody here to be woken
        self.real_accept = accepter.accept
        self._accepting = asyncio.create_task(accepter.run())
        self._leases = Leases(self.dsn)
        limits = RateLimits(self._leases)
        self._leasing = asyncio.create_task(limits.run())
        self.api = Api(
            provisioning=lambda: self.picture,
            accept=lambda submission: (self.accept or accepter.accept)(submission),
            in_work=accepter.in_work,
            first_choice=Router().first_choice,
            mccmnc_of=self.numbers.mccmnc_of,
            price_of=self.prices.price_of,
            readers=self.readers,
            writers=self.pool,
            limits=limits,
            now_ms=wall_ms,
            cursor_key=b"k" * 32,
            callback_policy=Policy(length_limit=20_000),
            trusted_proxies=(ip_network("127.0.0.0/8"),),
            extra_tokens={"<token>": self.picture.tokens[hashlib.sha256(self.tokens["full"].encode()).digest()]},
            ready=lambda: self.trouble,
            scan_bound=50,
        )
        listening = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = listening.getsockname()[1]
        self._server = uvicorn.Server(Listener(self.api, self._limits).config(**self._listening))
        self._serving = asyncio.create_task(self._server.serve([listening]))

    async def _seed(self, conn: asyncpg.Connection) -> None:
        await conn.execute(_SEED)
        for name, (account_id, scopes, plan_ids, networks, life) in TOKENS.items():
            issued = issue()
            self.tokens[name] = issued.token
            await conn.execute(
                "INSERT INTO token (account_id, label, hash, scopes, plan_ids, networks, expires_at, revoked_at)"
                f" VALUES ($1, $2, $3, $4, $5, $6, {life})",
                account_id,
                name,
                issued.hash,
                list(scopes),
                plan_ids,
                networks,
            )

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs `work` in the loop of the API."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def look(self) -> None:
        """Has the API see prices and provisioning as they are now; a test puts `picture` back."""
        self.run(self.prices.refresh())
        self.picture = self.run(self._loaded())

    async def _loaded(self) -> Provisioning:
        async with self.pool.acquire() as conn:
            return await load(conn, SECRET_KEY)

    def sql(self, statement: str, *values: Any) -> Any:
        return self.run(self.pool.fetch(statement, *values))

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | str | None = None,
        *,
        token: str | None = "full",
        headers: dict[str, str] | None = None,
        address: str | None = None,
    ) -> Reply:
        """One request on a connection of its own, each from another client address unless one is given.

        Whatever a test asks for: an answer of a described operation has to be in the description.
        """
        sent = {"X-Forwarded-For": address or f"198.18.{next(_addresses) // 250 % 250}.{next(_addresses) % 250}"}
        if token is not None:
            sent["Authorization"] = f"Bearer {self.tokens.get(token, token)}"
        if body is not None:
            sent["Content-Type"] = "application/json"
        sent |= headers or {}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body.encode() if isinstance(body, str) else body, sent)
            response = connection.getresponse()
            reply = Reply(response.status, response.headers, response.read())
        finally:
            connection.close()
        fault = undocumented(method, path, reply.status, reply.headers, reply.body)
        assert fault is None, f"{method} {path} is answered with what its description lacks: {fault}"
        return reply

    def send(self, *, token: str | None = "full", path: str = "/v1/sendsms", **fields: Any) -> Reply:
        """A send request that is right but for `fields`; a field that is `...` is left out, `from_` is `from`."""
        whole = {"servicePlanId": PLAN, "channel": "SMS", "from": SENDER, "to": RECIPIENT, "body": "Hello"}
        whole |= {name.rstrip("_"): value for name, value in fields.items()}
        return self.ask("POST", path, json.dumps({k: v for k, v in whole.items() if v is not ...}), token=token)

    def get(self, msg_id: str, plan: str = PLAN, *, token: str | None = "full") -> Reply:
        return self.ask("GET", f"/v1/messages/sms/{msg_id}?servicePlanId={plan}", token=token)

    def list(self, *, token: str | None = "full", plan: str | None = PLAN, **filters: Any) -> Reply:
        query = {"servicePlanId": plan} if plan else {}
        query |= {name.rstrip("_"): value for name, value in filters.items()}
        text = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in query.items())
        return self.ask("GET", f"/v1/messages/sms?{text}", token=token)


async def _execute(dsn: str, statement: str) -> None:
    conn = await asyncpg.connect(dsn)
    try:
        await conn.execute(statement)
    finally:
        await conn.close()


@pytest.fixture(scope="module")
def rig(server: str, template: str, request: pytest.FixtureRequest) -> Iterator[Rig]:
    """The API over a database of this file's own, with the accounts, plans and tokens of `api_rig`; a file's `LIMITS`
    are its HTTP limits."""
    name = f"test_{uuid.uuid4().hex}"
    asyncio.run(_execute(server, f"CREATE DATABASE {name} TEMPLATE {template}"))
    limits = getattr(request.module, "LIMITS", None)
    with Rig(urlunsplit(urlsplit(server)._replace(path=f"/{name}")), limits) as running:
        yield running
    asyncio.run(_execute(server, f"DROP DATABASE {name} WITH (FORCE)"))
