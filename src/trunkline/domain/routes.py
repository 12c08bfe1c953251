"""Routes: which carriers a message may go to and in which order, found in memory however many routes there are.

docs/routing.md says the same to operators. Whether a carrier is up, what it has refused before and how well it delivers
is not known here: mt/route.py asks that of each message.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from math import inf, log
from operator import itemgetter
from typing import NamedTuple, TypeAlias
from uuid import UUID

from msgspec import Struct

from trunkline.domain.provisioning import AccountId, CarrierId, PlanId

# Kinds of senders, as bits.
LONG_CODE, SHORT_CODE, ALPHANUMERIC = 1, 2, 4
SENDER_KINDS: Mapping[str, int] = {"long_code": LONG_CODE, "short_code": SHORT_CODE, "alphanumeric": ALPHANUMERIC}
EVERY_KIND = LONG_CODE | SHORT_CODE | ALPHANUMERIC

# How narrowly a route says where it leads. A prefix of n digits: PREFIX + n.
ANYWHERE, COUNTRY, NETWORK, PREFIX = 0, 1, 2, 3

# Why a message goes by a route, as bits: kept with each attempt, below the route's id.
DRAWN, DOWN, REFUSED, SET_BACK, NONE_UP, BEGUN = 1, 2, 4, 8, 16, 32
_WHY_BITS = 6

_KEPT_COUNT = 10_000  # answers that are remembered


class Route(Struct, frozen=True, gc=False):
    """One route; None: whatever it is. `senders` are bits; a cost is in millionths, for one part."""

    route_id: int
    name: str
    carrier_id: CarrierId
    priority: int = 0
    plan_id: PlanId | None = None
    account_id: AccountId | None = None
    prefixes: tuple[str, ...] | None = None  # digits, the country code among them
    networks: tuple[str, ...] | None = None  # MCC and MNC
    countries: tuple[str, ...] | None = None
    senders: int = EVERY_KIND
    cost_micro: int | None = None
    weight: int = 1
    min_delivery_percent: float | None = None
    max_receipt_s: float | None = None
    fallback: bool = True  # whether routes that come after it may be tried

    @property
    def is_measured(self) -> bool:
        """Whether it asks for something of its carrier's deliveries."""
        return self.min_delivery_percent is not None or self.max_receipt_s is not None

    @property
    def rank(self) -> int:
        """What goes before everything else, the lowest first: priority, whose it is, whether it names senders."""
        customer = 0 if self.plan_id is not None else 1 if self.account_id is not None else 2
        return (-self.priority * 3 + customer) * 2 + (self.senders == EVERY_KIND)


class Fit(NamedTuple):
    """A route that fits a message, and how narrowly."""

    route: Route
    narrowness: int


class Choice(NamedTuple):
    """Where a message goes: the carrier, by which route and why (`routed`), and who may be tried after it."""

    carrier_id: CarrierId
    routed: int | None = None
    others: Iterable[CarrierId] = ()
    elsewhere: int = 0  # so many other carriers have refused it before


Tie: TypeAlias = tuple[Fit, ...]


def routed(route_id: int, why: int) -> int:
    """Route and reason as one number."""
    return route_id << _WHY_BITS | why


def unrouted(number: int) -> tuple[int, int]:
    """The route's id (0: no route was asked for) and the reason behind such a number."""
    return number >> _WHY_BITS, number & ((1 << _WHY_BITS) - 1)


def sender_kind(sender: str | None) -> int:
    """What a sender is, by how it is written."""
    if not sender:
        return EVERY_KIND
    if sender[0] == "+":
        return LONG_CODE
    return SHORT_CODE if sender.isascii() and sender.isdecimal() else ALPHANUMERIC


def drawn(tie: Tie, msg_id: UUID) -> Sequence[Fit]:
    """Equals in the order that the message draws: each is first for its weight's share of all messages.

    The same in every process and at every time, and where one of them goes, the others keep their order.
    """
    return tie if len(tie) == 1 else sorted(tie, key=lambda fit: _lot(msg_id.int, fit.route))


def _lot(msg_id: int, route: Route) -> float:
    """An exponential variate of rate `weight`, made of the message's id and the route's (splitmix64)."""
    mixed = (msg_id ^ route.route_id * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF
    return -log(((mixed ^ mixed >> 31) + 1) / 0x10000000000000001) / route.weight


# A route with what it is ordered by: its rank, less its narrowness, its cost, its id; and its carrier. No two are equal
# in this, so routes themselves are never compared.
_Entry: TypeAlias = tuple[int, int, float, int, CarrierId, Route]


def _entry(route: Route, narrowness: int) -> _Entry:
    cost = inf if route.cost_micro is None else route.cost_micro
    return route.rank, -narrowness, cost, route.route_id, route.carrier_id, route


class Ranked:
    """The routes that fit a message in their order.

    By priority, then whose they are, then kinds of senders. Of those that are equal in this, each carrier's narrowest
    counts; the cheaper first (no cost: last), then the narrower. Iterated over: the carriers after the first.
    """

    __slots__ = ("_entries", "_ties", "first")

    def __init__(self, entries: list[_Entry]) -> None:
        self._entries = entries
        self._ties: tuple[Tie, ...] | None = None
        # The choice, unless its carrier is down or has refused the message. None: it depends on the message's draw, or
        # on how carriers deliver; or there is no route.
        self.first = self._first() if entries else None

    def _first(self) -> Choice | None:
        """By one look at each, since this is all that is asked of nearly every message."""
        rank = min(self._entries)[0]
        narrowest: dict[CarrierId, _Entry] = {}
        for entry in self._entries:
            if entry[0] == rank:
                known = narrowest.get(entry[4])
                if known is None or entry < known:
                    narrowest[entry[4]] = entry
        best: _Entry | None = None
        is_tied = False
        for entry in narrowest.values():
            if best is None or entry[2] < best[2] or (entry[2] == best[2] and entry[1] < best[1]):
                best, is_tied = entry, False
            elif entry[1] == best[1] and entry[2] == best[2]:
                is_tied = True
        if best is None or is_tied or best[5].is_measured:
            return None
        return Choice(best[4], routed(best[3], 0), self)

    @property
    def ties(self) -> tuple[Tie, ...]:
        """All of them; those of a tie are equals, and share by weight."""
        if self._ties is None:
            self._ties = tuple(_ties(sorted(self._entries)))
        return self._ties

    def __iter__(self) -> Iterator[CarrierId]:
        carriers = dict.fromkeys(fit.route.carrier_id for tie in self.ties for fit in tie)
        return islice(carriers, 1, None)


def _ties(entries: list[_Entry]) -> Iterator[Tie]:
    for _, group in groupby(entries, key=itemgetter(0)):
        narrowest: dict[CarrierId, tuple[float, int, int, Route]] = {}
        for _, less_narrow, cost, route_id, carrier_id, route in group:
            narrowest.setdefault(carrier_id, (cost, less_narrow, route_id, route))
        for _, equals in groupby(sorted(narrowest.values()), key=itemgetter(0, 1)):
            tie = tuple(Fit(route, -less_narrow) for _, less_narrow, _, route in equals)
            yield tie
            if not all(fit.route.fallback for fit in tie):
                return


def rank(fits: Iterable[Fit]) -> Ranked:
    """Routes that fit a message, put in order."""
    return Ranked([_entry(*fit) for fit in fits])


NOWHERE = Ranked([])


class _Bucket:
    """Routes of one customer to one destination."""

    __slots__ = ("_counting", "entries", "is_plain")

    def __init__(self) -> None:
        self.entries: list[_Entry] = []
        self.is_plain = True  # nothing but where they lead decides whether they fit
        self._counting: list[_Entry] | None = None

    def add(self, entry: _Entry) -> None:
        self.entries.append(entry)
        self.is_plain &= _is_plain(entry)

    def counting(self) -> list[_Entry]:
        """Those that may count: of a carrier's routes that fit the same messages, the cheapest."""
        if self._counting is None:
            best: dict[object, _Entry] = {}
            for entry in sorted(self.entries):
                route = entry[5]
                best.setdefault((entry[0], entry[4], route.senders, route.networks, route.countries), entry)
            self._counting = list(best.values())
        return self._counting


def _is_plain(entry: _Entry) -> bool:
    route, narrowness = entry[5], -entry[1]
    return (
        route.senders == EVERY_KIND
        and (narrowness <= COUNTRY or route.countries is None)
        and (narrowness <= NETWORK or route.networks is None)
    )


class _Table:
    """One customer's routes, each under the narrowest that it says of where it leads."""

    __slots__ = ("anywhere", "countries", "lengths", "networks", "prefixes")

    def __init__(self) -> None:
        self.anywhere = _Bucket()
        self.countries: dict[str, _Bucket] = {}
        self.networks: dict[str, _Bucket] = {}
        self.prefixes: dict[str, _Bucket] = {}
        self.lengths: list[int] = []

    def add(self, route: Route) -> None:
        if route.prefixes is not None:
            for prefix in dict.fromkeys(route.prefixes):
                self.prefixes.setdefault(prefix, _Bucket()).add(_entry(route, PREFIX + len(prefix)))
                if len(prefix) not in self.lengths:
                    self.lengths.append(len(prefix))
        elif route.networks is not None:
            for network in dict.fromkeys(route.networks):
                self.networks.setdefault(network, _Bucket()).add(_entry(route, NETWORK))
        elif route.countries is not None:
            for country in dict.fromkeys(route.countries):
                self.countries.setdefault(country, _Bucket()).add(_entry(route, COUNTRY))
        else:
            self.anywhere.add(_entry(route, ANYWHERE))

    def leading(self, longest: str, country: str | None, mccmnc: str | None) -> list[_Bucket]:
        """Where the routes are that may lead to a number; `longest`: the longest known prefix of it."""
        found = [self.anywhere]
        if mccmnc is not None and mccmnc in self.networks:
            found.append(self.networks[mccmnc])
        if country is not None and country in self.countries:
            found.append(self.countries[country])
        if longest:
            for length in self.lengths:
                if length <= len(longest) and (bucket := self.prefixes.get(longest[:length])) is not None:
                    found.append(bucket)
        return found


def _fits(entry: _Entry, senders: int, country: str | None, mccmnc: str | None) -> bool:
    """Whether a route that is found by its narrowest says nothing else against a message."""
    route, narrowness = entry[5], -entry[1]
    return (
        bool(route.senders & senders)
        and (narrowness <= COUNTRY or route.countries is None or country in route.countries)
        and (narrowness <= NETWORK or route.networks is None or mccmnc in route.networks)
    )


class Routes:
    """All routes that are used, filled once by `add` and then only asked. Iterated over, they come as they were added.

    Answers are remembered: what fits depends on the plan (where it or its account has routes), kind of sender, country,
    network, and the longest prefix of any route that the number begins with.
    """

    def __init__(self, routes: Iterable[Route] = (), version: int = 0) -> None:
        self.version = version
        self._all: list[Route] = []
        self._of_plans: dict[PlanId, _Table] = {}
        self._of_accounts: dict[AccountId, _Table] = {}
        self._of_everybody = _Table()
        self._prefixes: set[str] = set()
        self._lengths: list[int] = []  # of those, the longest first
        self._name_senders = self._name_countries = self._name_networks = False
        self._kept: dict[tuple[PlanId | None, int, str | None, str | None, str], Ranked] = {}
        for route in routes:
            self.add(route)

    def __iter__(self) -> Iterator[Route]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def add(self, route: Route) -> None:
        """One more route, before the first question."""
        self._all.append(route)
        if route.plan_id is not None:
            table = self._of_plans.setdefault(route.plan_id, _Table())
        elif route.account_id is not None:
            table = self._of_accounts.setdefault(route.account_id, _Table())
        else:
            table = self._of_everybody
        table.add(route)
        self._name_senders |= route.senders != EVERY_KIND
        self._name_countries |= route.countries is not None
        self._name_networks |= route.networks is not None
        for prefix in route.prefixes or ():
            self._prefixes.add(prefix)
            if len(prefix) not in self._lengths:
                self._lengths = sorted([*self._lengths, len(prefix)], reverse=True)

    def ranked(
        self,
        plan_id: PlanId,
        account_id: AccountId | None,
        sender: str | None,
        recipient: str | None,
        country: str | None,
        mccmnc: str | None,
    ) -> Ranked:
        """The routes for a message of a plan, which belongs to the account. A sender that was erased (None) is of every
        kind, such a recipient has no prefix."""
        longest = self._longest(recipient) if self._lengths else ""
        senders = sender_kind(sender) if self._name_senders else EVERY_KIND
        key = (
            plan_id if plan_id in self._of_plans or account_id in self._of_accounts else None,
            senders,
            country if self._name_countries else None,
            mccmnc if self._name_networks else None,
            longest,
        )
        found = self._kept.get(key)
        if found is None:
            entries: list[_Entry] = []
            for bucket in self._leading(plan_id, account_id, longest, country, mccmnc):
                counting = bucket.counting()
                entries += counting if bucket.is_plain else [e for e in counting if _fits(e, senders, country, mccmnc)]
            found = Ranked(entries)
            if len(self._kept) >= _KEPT_COUNT:
                self._kept.clear()
            self._kept[key] = found
        return found

    def fits(
        self,
        plan_id: PlanId,
        account_id: AccountId | None,
        sender: str | None,
        recipient: str | None,
        country: str | None,
        mccmnc: str | None,
    ) -> Iterator[Fit]:
        """Every route that fits, in no order; one may come twice, by two of its prefixes."""
        senders = sender_kind(sender)
        for bucket in self._leading(plan_id, account_id, self._longest(recipient), country, mccmnc):
            for entry in bucket.entries:
                if _fits(entry, senders, country, mccmnc):
                    yield Fit(entry[5], -entry[1])

    def _longest(self, recipient: str | None) -> str:
        """The longest prefix of any route that the number begins with."""
        digits = recipient[1:] if recipient else ""
        for length in self._lengths:
            if digits[:length] in self._prefixes:
                return digits[:length]
        return ""

    def _leading(
        self, plan_id: PlanId, account_id: AccountId | None, longest: str, country: str | None, mccmnc: str | None
    ) -> list[_Bucket]:
        found = self._of_everybody.leading(longest, country, mccmnc)
        if plan_id in self._of_plans:
            found += self._of_plans[plan_id].leading(longest, country, mccmnc)
        if account_id in self._of_accounts:
            found += self._of_accounts[account_id].leading(longest, country, mccmnc)
        return found
