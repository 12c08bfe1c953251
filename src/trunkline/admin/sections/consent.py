"""What a plan's table says of consent: class of traffic, opt-outs, quiet hours, replies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trunkline.admin import kinds
from trunkline.admin.document import Key, Table
from trunkline.domain.consent import Does, Scope
from trunkline.runtime.kinds import choice

_IN_ITS_LANGUAGE = "a text in the keyword's language"
KEYS = (
    Key(
        "traffic",
        choice("transactional", "marketing"),
        "transactional",
        "The class of its messages: marketing waits while it is quiet where it goes.",
    ),
    Key(
        "quiet_hours",
        kinds.HOURS,
        None,
        "From when to when marketing waits, where the recipient is, for instance `21:00-08:00`.",
    ),
    Key(
        "opt_out",
        choice(*(str(scope) for scope in Scope)),
        str(Scope.SENDER),
        "What STOP ends: messages from the sender that it went to, all of the plan's, or none (only of transactional"
        " traffic; STOP is then a message as any other).",
    ),
    Key("stop_reply", kinds.REPLY, None, "What is answered to STOP; empty: nothing.", shown=_IN_ITS_LANGUAGE),
    Key("start_reply", kinds.REPLY, None, "What is answered to START; empty: nothing.", shown=_IN_ITS_LANGUAGE),
    Key("help_reply", kinds.REPLY, None, "What is answered to HELP; empty: nothing.", shown=_IN_ITS_LANGUAGE),
)


def check(table: Table) -> None:
    """What does not go together."""
    values = table.values
    if values["traffic"] == "marketing" and values["opt_out"] == Scope.OFF:
        table.mistake("opt_out", 'opt_out = "off" is for transactional traffic: who said STOP gets no marketing')
    if values["traffic"] == "transactional" and values["quiet_hours"] is not None:
        table.mistake("quiet_hours", 'quiet_hours has no effect without traffic = "marketing"')


def stored(values: Mapping[str, Any]) -> dict[str, str]:
    """The column `plan.consent`: what is not as by default (domain/consent.py)."""
    names = ("quiet_hours", *(f"{does}_reply" for does in Does if does is not Does.REPLY))
    found = {name: values[name] for name in names if values[name] is not None}
    for name, default in (("traffic", "transactional"), ("opt_out", str(Scope.SENDER))):
        if values[name] != default:
            found[name] = values[name]
    return found
