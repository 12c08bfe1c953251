"""What recipients agreed to: the class of a plan's traffic, what a STOP is about, quiet hours, and what words do.

A message from a handset is read as words: case, accents and punctuation do not count.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from trunkline.domain.quiet import QuietHours

ALL_SENDERS = ""  # an opt-out's sender where it is about every sender of its plan


class Scope(StrEnum):
    """What a STOP ends: messages from the sender that it went to, all of the plan's, or none."""

    SENDER = "sender"
    PLAN = "plan"
    OFF = "off"


class Does(StrEnum):
    """What a keyword does."""

    STOP = "stop"
    START = "start"
    HELP = "help"
    REPLY = "reply"


@dataclass(frozen=True, slots=True)
class Consent:
    """A plan's own choice."""

    marketing: bool = False  # else transactional: no quiet hours
    opt_out: Scope = Scope.SENDER
    quiet_hours: QuietHours | None = None
    replies: Mapping[Does, str] = field(default_factory=dict, hash=False)  # texts of its own; "": none

    def quiet(self) -> QuietHours | None:
        """The hours that its messages wait for the end of."""
        return self.quiet_hours if self.marketing else None


def consent_of(stored: Mapping[str, Any]) -> Consent:
    """From the column `plan.consent`; what is not there has its default."""
    hours = stored.get("quiet_hours")
    return Consent(
        marketing=stored.get("traffic") == "marketing",
        opt_out=Scope(stored.get("opt_out", Scope.SENDER)),
        quiet_hours=None if hours is None else QuietHours.read(hours),
        replies={does: stored[f"{does}_reply"] for does in Does if f"{does}_reply" in stored},
    )


_WORDS = re.compile(r"[^\W_]+").findall


def words_of(text: str) -> list[str]:
    """The words of a text, for comparing: without case, accents, punctuation and width; one said again at once counts
    once."""
    if not text.isascii():
        text = "".join(c for c in unicodedata.normalize("NFKD", text) if unicodedata.category(c) not in ("Mn", "Cf"))
    words = _WORDS(text.casefold())
    return [word for n, word in enumerate(words) if not n or word != words[n - 1]]
