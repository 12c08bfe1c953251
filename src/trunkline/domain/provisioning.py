"""Who may send what over which carrier: the values that operators set up, and one frozen picture of them all.

Processes hold a `Provisioning` in memory and replace it whole when its version in the database moves.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NewType

if TYPE_CHECKING:  # which is made of the ids below
    from trunkline.domain.routes import Routes

from trunkline.domain.consent import Consent, Does
from trunkline.domain.guard import Guard
from trunkline.domain.terms import PlanTerms

AccountId = NewType("AccountId", int)
PlanId = NewType("PlanId", int)
CarrierId = NewType("CarrierId", int)
LinkId = NewType("LinkId", int)

# Requests to the API a second, where an account or plan has no limit of its own.
ACCOUNT_RATE_PER_S = 200
PLAN_RATE_PER_S = 100


@dataclass(frozen=True, slots=True)
class Account:
    account_id: AccountId
    public_id: str
    name: str
    active: bool
    dlr_url: str | None
    mo_url: str | None
    rate_per_s: int | None = None  # requests to the API; None: the default, 0: no limit


@dataclass(frozen=True, slots=True)
class Plan:
    plan_id: PlanId
    public_id: str
    account_id: AccountId
    account_public_id: str
    name: str
    active: bool
    dlr_url: str | None
    mo_url: str | None
    at_least_once: bool
    resolve_after_s: int
    validity_s: int
    priority: int
    unknown_events: bool
    countries: frozenset[str] | None
    hook_secrets: tuple[bytes, ...]  # decrypted, newest first
    rate_per_s: int | None = None  # as the account's
    sent_events: bool = False
    transliterate: bool = False  # texts that typography alone keeps out of GSM-7 are sent without it
    max_segments: int | None = None  # parts of a message; None: as many as its text takes
    weight: int = 1  # its share of a carrier that several plans want, beside those of the same priority
    messages_per_s: int | None = None  # claimed for carriers; None: as fast as they take them
    terms: PlanTerms | None = None  # what its messages cost
    guard: Guard | None = None  # what is watched of whom it writes to
    consent: Consent = field(default_factory=Consent)
    callback_origins: frozenset[str] | None = None  # as Callback.origin; None: a callbackUrl may be of any


@dataclass(frozen=True, slots=True)
class Token:
    token_id: int
    account_id: AccountId
    label: str
    hash: bytes  # SHA-256 of the whole token
    scopes: frozenset[str]
    plan_ids: frozenset[PlanId] | None  # None: every plan of the account
    networks: tuple[str, ...] | None  # CIDRs; None: from everywhere
    expires_at: dt.datetime | None
    revoked_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Link:
    """One row of credentials at a carrier; `bind_count` sessions are bound with it."""

    link_id: LinkId
    carrier_id: CarrierId
    name: str
    host: str
    port: int
    system_id: str
    password: str = field(repr=False)
    system_type: str
    bind_mode: str  # transceiver, transmitter, receiver, pair (a transmitter and a receiver)
    bind_count: int
    send_window: int
    tls: bool
    timers: Mapping[str, float]
    other_hosts: tuple[str, ...] = ()  # NAME or NAME:PORT, tried in turn where the one before does not answer
    tls_ca: str | None = None  # PEM of who signs the server's certificate; None: the system's
    tls_identity: str | None = field(default=None, repr=False)  # PEM of our certificate and its key
    tls_server_name: str | None = None  # whom the server's certificate is for; None: the host


@dataclass(frozen=True, slots=True)
class Carrier:
    carrier_id: CarrierId
    name: str
    active: bool
    dialect: Mapping[str, Any]
    links: tuple[Link, ...]
    rate_per_s: int | None = None  # parts; None: until it says that it is too much


@dataclass(frozen=True, slots=True)
class Keyword:
    """A word of a plan's own. `reply`: None for the plan's, "" for none."""

    plan_id: PlanId
    does: Does
    reply: str | None


@dataclass(frozen=True, slots=True)
class Receiver:
    """What webhooks carry for a customer's server at one origin, and at no other."""

    receiver_id: int
    account_id: AccountId
    plan_id: PlanId | None  # None: every plan of the account
    origin: str  # as Callback.origin
    head: bytes = field(repr=False)  # header lines, each with its CRLF
    certificate: bytes | None = field(repr=False)  # ours, with its key, in PEM


@dataclass(frozen=True, slots=True)
class Provisioning:
    """All of it at one version. Lookups are plain dicts; nothing here is ever changed in place."""

    version: int
    accounts: Mapping[AccountId, Account]
    plans: Mapping[PlanId, Plan]
    plans_by_public_id: Mapping[str, Plan]
    tokens: Mapping[bytes, Token]  # by hash
    senders: Mapping[tuple[PlanId, str], str]  # (plan, address) → state
    plan_of_destination: Mapping[str, PlanId]  # inbound: approved sender address → the plan that gets its messages
    carriers: Mapping[CarrierId, Carrier]
    routes: Routes  # active ones, highest priority first
    # Own words by what they are sent to, an address or any sender of a plan; written as `words_of` reads them.
    keywords: Mapping[tuple[str | PlanId, str], Keyword] = field(default_factory=dict)
    plans_of_address: Mapping[str, tuple[PlanId, ...]] = field(default_factory=dict)  # whoever sends from it
    receivers: Mapping[tuple[AccountId, PlanId | None, str], Receiver] = field(default_factory=dict)
    blocked: frozenset[str] = frozenset()  # prefixes of numbers that nobody writes to

    def receiver(self, plan: Plan, origin: str) -> Receiver | None:
        """What webhooks of a plan carry to an origin: the plan's own word for it, else its account's."""
        if not self.receivers:
            return None
        own = self.receivers.get((plan.account_id, plan.plan_id, origin))
        return own or self.receivers.get((plan.account_id, None, origin))
