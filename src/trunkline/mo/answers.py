"""What a message from a handset does beside being delivered: it opts out or in, and is answered.

All in the transaction that stores the message: a STOP that was answered OK counts, and of a repeat nothing counts. The
answer goes through the queue as any other message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import NamedTuple, TypeAlias
from uuid import UUID

from trunkline.domain.consent import ALL_SENDERS, Does, Scope
from trunkline.domain.ids import MsgIds
from trunkline.domain.message import Submission
from trunkline.domain.provisioning import Keyword, Plan, Provisioning
from trunkline.mo.keywords import default_text, family, within
from trunkline.mo.route import Owner
from trunkline.numbering.e164 import well_formed
from trunkline.runtime import log, metrics
from trunkline.store import optouts, queue
from trunkline.store.db import Connection
from trunkline.store.inbound import NO_PLAN
from trunkline.store.optouts import Change, OptOut, Reply

_log = log.get_logger()
_ACTS = metrics.counter("trunkline_keywords", "Messages from handsets that were keywords.", "does")
_ACTOR = "recipient"

# (plan, sender, recipient, text, msg_id) → the message to store; None where it cannot go out (mt/reply).
Compose: TypeAlias = Callable[[Plan, str, str, str, UUID], Submission | None]


class Act(NamedTuple):
    """What a message asks for. `plans` are those whose opt-outs it is about, the first of them answers."""

    does: Does
    plans: Sequence[Plan]
    address: str
    recipient: str
    mo_id: UUID
    word: str
    text: str  # of the answer; "": none


def act_of(provisioning: Provisioning, owner: Owner, source: str, mo_id: UUID) -> Act | None:
    """What a message asks for, if its words are a keyword."""
    senders = provisioning.plans_of_address.get(owner.address, ())
    plan_id = owner.plan_id if owner.plan_id != NO_PLAN or not senders else senders[0]
    if not owner.words or plan_id not in provisioning.plans:
        return None
    plan, words = provisioning.plans[plan_id], owner.words
    word, own = family(words), _own(provisioning, owner, words[0])
    if own is not None and own.does is not Does.REPLY and not within(words):
        own = None
    if own is not None and word is not None and word.does is not Does.HELP and own.does is not word.does:
        own = None  # nobody's own STOP or START does anything else
    if own is not None:
        does = own.does
    elif word is not None:
        does = word.does
    else:
        return None
    plans = [plan]
    if own is None or does in (Does.STOP, Does.START):
        plans = _about(provisioning, owner, plan, does)
        if not plans:
            return None
    text = own.reply if own is not None else None
    if text is None:
        text = plans[0].consent.replies.get(does)
    if text is None:
        text = default_text(does, word.language if word is not None else "en")
    if owner.plan_id == NO_PLAN:
        text = ""  # nobody may send it
    return Act(does, plans, owner.address, _number(source), mo_id, words[0], text)


def _own(provisioning: Provisioning, owner: Owner, word: str) -> Keyword | None:
    """The plan's own keyword: of the destination, or of all its senders."""
    own = provisioning.keywords.get((owner.address, word))
    if own is None or own.plan_id != owner.plan_id:
        own = provisioning.keywords.get((owner.plan_id, word))
    return own


def _about(provisioning: Provisioning, owner: Owner, plan: Plan, does: Does) -> list[Plan]:
    """The plans that a STOP, START or HELP is about, the one that answers first: all that send from the address, or the
    one whose keyword is the second word."""
    if len(owner.words) > 1:
        named = provisioning.keywords.get((owner.address, owner.words[1]))
        if named is not None:
            plan = provisioning.plans[named.plan_id]
            return [plan] if plan.consent.opt_out is not Scope.OFF else []
    if does is Does.HELP:
        return [plan] if plan.consent.opt_out is not Scope.OFF else []
    others = (provisioning.plans[plan_id] for plan_id in provisioning.plans_of_address.get(owner.address, ()))
    plans = {one.plan_id: one for one in (plan, *others) if one.consent.opt_out is not Scope.OFF}
    return list(plans.values())


def _number(source: str) -> str:
    """The handset's number as recipients are written, whatever type the carrier gave it."""
    return "+" + source if len(source) > 6 and source.isascii() and source.isdecimal() else source


class Answers:
    """Carries out what messages ask for. Without `compose` nothing is answered."""

    def __init__(
        self,
        provisioning: Callable[[], Provisioning | None],
        ids: MsgIds,
        now_ms: Callable[[], int],
        compose: Compose | None,
    ) -> None:
        self._provisioning = provisioning
        self._ids = ids
        self._now_ms = now_ms
        self._compose = compose

    async def carry_out(self, conn: Connection, acts: Iterable[Act]) -> None:
        """In the transaction that stores their messages, in the order in which these came."""
        answered: list[Act] = []
        for does, run in groupby(acts, key=lambda act: act.does):
            together = list(run)
            if does is Does.STOP:
                new = await optouts.add(conn, list(_changes(together)), actor=_ACTOR, source=_ACTOR)
                answered += _first_of_each(together, new)
            elif does is Does.START:
                gone = await optouts.remove(conn, list(_changes(together)), actor=_ACTOR)
                answered += _first_of_each(together, gone)
            else:
                answered += together
            _ACTS.of(str(does)).value += len(together)
        await self._answer(conn, answered)

    async def _answer(self, conn: Connection, acts: Sequence[Act]) -> None:
        submissions, replies = [], []
        for act in acts:
            plan = act.plans[0]
            # Not to short codes and names: at their other end is a machine, which may answer as well.
            if not act.text or self._compose is None or not plan.active or not well_formed(act.recipient):
                continue
            submission = self._compose(plan, act.address, act.recipient, act.text, self._ids.new(self._now_ms()))
            if submission is None:
                _log.warning("keyword.not_answered", plan_id=plan.plan_id, does=str(act.does), reason="no route")
                continue
            submissions.append(submission)
            replies.append(Reply(submission.msg_id, plan.plan_id, act.mo_id, act.does))
        if submissions:
            await optouts.note_replies(conn, replies)
            await queue.accept(conn, submissions, wake=True)


def _changes(acts: Iterable[Act]) -> Iterable[Change]:
    for act in acts:
        for plan in act.plans:
            scope = plan.consent.opt_out
            if act.does is Does.STOP:
                senders: tuple[str | None, ...] = (ALL_SENDERS if scope is Scope.PLAN else act.address,)
            else:  # whatever stands in the way of what was asked for
                senders = (None,) if scope is Scope.PLAN else (act.address, ALL_SENDERS)
            for sender in senders:
                yield Change(plan.plan_id, act.recipient, sender, act.mo_id, act.word)


def _first_of_each(acts: Sequence[Act], changed: set[OptOut]) -> list[Act]:
    """Those that changed something: who says it again gets no second answer."""
    left = {(one.plan_id, one.recipient) for one in changed}
    found = []
    for act in acts:
        if here := left & {(plan.plan_id, act.recipient) for plan in act.plans}:
            left -= here
            found.append(act)
    return found
