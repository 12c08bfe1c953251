"""Catches webhooks: keeps what came, checks its signature, and answers as the URL asks.

A URL may say in its query how it wants to be answered: `answer=503` (the status), `times=2` (only the first two
attempts of an event; 200 from then on), `delay=3` (seconds to wait first).
"""

from __future__ import annotations

import asyncio
import hmac
from collections import Counter, deque
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import Raw, Struct

from trunkline.contract.times import spell_ms
from trunkline.domain.provisioning import Provisioning
from trunkline.runtime import clock
from trunkline.webhooks.sign import Signer, secret_text

KEPT_MOST = 10_000
_AGE_S = 300  # how old a timestamp a careful receiver takes (Standard Webhooks)
_DELAY_MOST_S = 60.0


class Wish(Struct, frozen=True):
    """How a URL wants to be answered."""

    answer: int = 200
    times: int = 0  # 0: always
    delay: float = 0.0


class Caught(Struct, frozen=True, rename="camel"):
    """One request. `signature` is valid, invalid (with why), or absent; `attempt` counts those of one event at one URL;
    `answered` is the status that it got."""

    number: int
    caught_at: str
    url: str
    msg_id: str | None
    webhook_id: str | None
    attempt: int
    signature: str
    answered: int
    headers: Mapping[str, str]
    body: Raw | str  # as it came where it is JSON


class _Content(Struct, rename="camel"):
    """What is looked at of a body."""

    msg_id: str | None = None
    service_plan_id: str | None = None


class Catcher:
    """Keeps the last 10,000 requests."""

    def __init__(self, provisioning: Callable[[], Provisioning | None]) -> None:
        """`provisioning` has the secrets to check signatures with."""
        self._provisioning = provisioning
        self._caught: deque[Caught] = deque(maxlen=KEPT_MOST)
        self._attempts: Counter[tuple[str, str]] = Counter()
        self._number = 0
        self._news = asyncio.Event()

    def take(self, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, float]:
        """Keeps a request to `url` (header names in lower case); the status to answer and the seconds to wait first."""
        content, shown = _content(body)
        webhook_id = headers.get("webhook-id")
        attempt = self._attempt(webhook_id, url)
        wish = wish_of(url)
        status = 200 if wish.times and attempt > wish.times else wish.answer
        self._number += 1
        self._caught.append(
            Caught(
                self._number,
                spell_ms(clock.wall_ms()),
                url,
                content.msg_id,
                webhook_id,
                attempt,
                self._signature(content.service_plan_id, headers, body),
                status,
                headers,
                shown,
            )
        )
        self._news.set()
        return status, wish.delay

    def find(self, *, msg_id: str | None = None, after: int = 0, limit: int = 100) -> list[Caught]:
        """The newest first, at most `limit`; only those about one message, if it is given, and with higher numbers than
        `after`."""
        fitting = (one for one in reversed(self._caught) if msg_id in (None, one.msg_id) and one.number > after)
        return list(islice(fitting, limit))

    async def news(self) -> None:
        """Returns once another request was taken."""
        if self._news.is_set():
            self._news = asyncio.Event()
        await self._news.wait()

    def _attempt(self, webhook_id: str | None, url: str) -> int:
        if webhook_id is None:
            return 1
        if len(self._attempts) > 2 * KEPT_MOST:
            self._attempts.clear()
        self._attempts[webhook_id, url] += 1
        return self._attempts[webhook_id, url]

    def _signature(self, plan_id: str | None, headers: Mapping[str, str], body: bytes) -> str:
        """What a receiver that checks signatures would find (Standard Webhooks 1.0)."""
        given = headers.get("webhook-signature")
        hook_id, at = headers.get("webhook-id"), headers.get("webhook-timestamp", "")
        if given is None or hook_id is None:
            return "absent"
        provisioning = self._provisioning()
        plan = provisioning.plans_by_public_id.get(plan_id or "") if provisioning is not None else None
        if plan is None or not plan.hook_secrets:
            return "invalid: no such plan, or it has no secret"
        if not at.isdecimal() or abs(clock.wall_s() - int(at)) > _AGE_S:
            return "invalid: webhook-timestamp is not now"
        signer = Signer(map(secret_text, plan.hook_secrets))
        expected = signer.signature(hook_id, int(at), body).split(" ")
        if any(hmac.compare_digest(mark.encode(), one.encode()) for mark in given.split(" ") for one in expected):
            return "valid"
        return "invalid: made with another secret, or over another body"


def wish_of(url: str) -> Wish:
    """What the query of `url` asks for; what makes no sense is not asked for."""
    query = {name: values[-1] for name, values in parse_qs(urlsplit(url).query).items()}
    found: dict[str, Any] = {}
    for name, kind in (("answer", int), ("times", int), ("delay", float)):
        try:
            found[name] = kind(query[name])
        except (KeyError, ValueError):
            continue
    if not 200 <= found.get("answer", 200) <= 599:
        del found["answer"]
    if "delay" in found:
        found["delay"] = min(max(found["delay"], 0.0), _DELAY_MOST_S) if found["delay"] == found["delay"] else 0.0
    return Wish(**found)


def _content(body: bytes) -> tuple[_Content, Raw | str]:
    try:
        msgspec.json.decode(body)
        shown: Raw | str = Raw(body)
        return msgspec.json.decode(body, type=_Content), shown
    except msgspec.ValidationError:  # JSON, but no record
        return _Content(), shown
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Content(), body.decode("utf-8", "replace")
