"""Routes: which carriers a message may go to and in which order, found in memory however many routes there are.

docs/routing.md says the same to operators. Whether a carrier is up, what it has refused before and how well it delivers
is not known here: mt/route.py asks that of each message.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from math import inf, log
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
    def rank(self) -> tuple[int, int, int]:
        """What goes before everything else, the lowest first: priority, whose it is, kinds of senders."""
        customer = 0 if self.plan_id is not None else 1 if self.account_id is not None else 2
        return -self.priority, customer, int(self.senders == EVERY_KIND)


class Fit(NamedTuple):
    """A route that fits a message, and how narrowly."""

    route: Route
    narrowness: int


class Choice(NamedTuple):
    """Where a message goes: the carrier, by which route and why (`routed`), and who may be tried after it."""

    carrier_id: CarrierId
    routed: int | None = None
    others: tuple[CarrierId, ...] = ()
    elsewhere: int = 0  # so many other carriers have refused it before


Tie: TypeAlias = tuple[Fit, ...]


class Ranked(NamedTuple):
    """The routes that fit a message in their order; those of a tie are equals, and share by weight."""

    ties: tuple[Tie, ...]
    # Where nothing depends on the message or on how carriers deliver, the whole answer: the n-th choice is for when all
    # before it are down, `waiting` for when all are. Empty otherwise.
    choices: tuple[Choice, ...] = ()
    waiting: Choice | None = None


NOWHERE = Ranked(())


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


def rank(fits: Iterable[Fit]) -> Ranked:
    """Routes that fit a message, in their order.

    By priority, then whose they are, then kinds of senders. Of those that are equal in this, each carrier's narrowest
    counts; the cheaper first (no cost: last), then the narrower.
    """
    ties: list[Tie] = []
    by_rank = sorted(fits, key=lambda fit: (fit.route.rank, -fit.narrowness, _cost(fit.route), fit.route.route_id))
    for _, group in groupby(by_rank, key=lambda fit: fit.route.rank):
        narrowest: dict[CarrierId, Fit] = {}
        for fit in group:
            narrowest.setdefault(fit.route.carrier_id, fit)
        in_order = sorted(narrowest.values(), key=_standing)
        for _, equals in groupby(in_order, key=_standing):
            ties.append(tuple(equals))
            if not all(fit.route.fallback for fit in ties[-1]):
                return _answered(tuple(ties))
    return _answered(tuple(ties))


def _cost(route: Route) -> float:
    return inf if route.cost_micro is None else route.cost_micro


def _standing(fit: Fit) -> tuple[float, int]:
    return _cost(fit.route), -fit.narrowness


def _answered(ties: tuple[Tie, ...]) -> Ranked:
    if not ties or any(len(tie) > 1 or tie[0].route.is_measured for tie in ties):
        return Ranked(ties)
    first: dict[CarrierId, Route] = {}
    for tie in ties:
        first.setdefault(tie[0].route.carrier_id, tie[0].route)
    choices = tuple(
        Choice(
            carrier_id,
            routed(route.route_id, DOWN if place else 0),
            tuple(other for other in first if other != carrier_id),
        )
        for place, (carrier_id, route) in enumerate(first.items())
    )
    return Ranked(ties, choices, choices[0]._replace(routed=routed(ties[0][0].route.route_id, NONE_UP)))


class _Table:
    """One customer's routes, each under the narrowest that it says of where it leads."""

    __slots__ = ("anywhere", "countries", "lengths", "networks", "prefixes")

    def __init__(self) -> None:
        self.anywhere: list[Route] = []
        self.countries: dict[str, list[Route]] = {}
        self.networks: dict[str, list[Route]] = {}
        self.prefixes: dict[str, list[Route] | Route] = {}  # nearly all of a hundred thousand stand alone
        self.lengths: list[int] = []

    def add(self, route: Route) -> None:
        if route.prefixes is not None:
            for prefix in dict.fromkeys(route.prefixes):
                beside = self.prefixes.setdefault(prefix, route)
                if isinstance(beside, list):
                    beside.append(route)
                elif beside is not route:
                    self.prefixes[prefix] = [beside, route]
                if len(prefix) not in self.lengths:
                    self.lengths.append(len(prefix))
        elif route.networks is not None:
            for network in dict.fromkeys(route.networks):
                self.networks.setdefault(network, []).append(route)
        elif route.countries is not None:
            for country in dict.fromkeys(route.countries):
                self.countries.setdefault(country, []).append(route)
        else:
            self.anywhere.append(route)

    def leading(self, digits: str, country: str | None, mccmnc: str | None) -> Iterator[Fit]:
        """Routes to a number. One may come twice, by two of its prefixes."""
        for length in self.lengths:
            found = self.prefixes.get(digits[:length]) if length <= len(digits) else None
            for route in () if found is None else found if isinstance(found, list) else (found,):
                if (route.networks is None or mccmnc in route.networks) and _leads_to(route, country):
                    yield Fit(route, PREFIX + length)
        if mccmnc is not None:
            for route in self.networks.get(mccmnc, ()):
                if _leads_to(route, country):
                    yield Fit(route, NETWORK)
        if country is not None:
            for route in self.countries.get(country, ()):
                yield Fit(route, COUNTRY)
        for route in self.anywhere:
            yield Fit(route, ANYWHERE)


def _leads_to(route: Route, country: str | None) -> bool:
    return route.countries is None or country in route.countries


class Routes:
    """All routes that are used, filled once by `add` and then only asked. Iterated over, they come as they were added.

    Answers are remembered: what fits depends on plan, kind of sender, country, network, and the longest prefix of any
    route that the number begins with.
    """

    def __init__(self, routes: Iterable[Route] = (), version: int = 0) -> None:
        self.version = version
        self._all: list[Route] = []
        self._of_plans: dict[PlanId, _Table] = {}
        self._of_accounts: dict[AccountId, _Table] = {}
        self._of_everybody = _Table()
        self._prefixes: set[str] = set()
        self._lengths: list[int] = []  # of those, the longest first
        self._kept: dict[tuple[PlanId, int, str | None, str | None, str], Ranked] = {}
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
        for prefix in route.prefixes or ():
            self._prefixes.add(prefix)
            if len(prefix) not in self._lengths:
                self._lengths = sorted([*self._lengths, len(prefix)], reverse=True)

    def ranked(
        self,
        plan_id: PlanId,
        account_id: AccountId | None,
        senders: int,
        digits: str,
        country: str | None,
        mccmnc: str | None,
    ) -> Ranked:
        """The routes for a message of a plan, which belongs to the account; `digits`: the recipient without "+"."""
        longest = ""
        for length in self._lengths:
            if digits[:length] in self._prefixes:
                longest = digits[:length]
                break
        key = (plan_id, senders, country, mccmnc, longest)
        found = self._kept.get(key)
        if found is None:
            found = rank(self.fits(plan_id, account_id, senders, digits, country, mccmnc))
            if len(self._kept) >= _KEPT_COUNT:
                self._kept.clear()
            self._kept[key] = found
        return found

    def fits(
        self,
        plan_id: PlanId,
        account_id: AccountId | None,
        senders: int,
        digits: str,
        country: str | None,
        mccmnc: str | None,
    ) -> Iterator[Fit]:
        """Every route that fits, in no order."""
        tables = [self._of_plans.get(plan_id), self._of_everybody]
        if account_id is not None:
            tables.append(self._of_accounts.get(account_id))
        for table in tables:
            if table is not None:
                for fit in table.leading(digits, country, mccmnc):
                    if fit.route.senders & senders:
                        yield fit
