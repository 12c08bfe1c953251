"""What a simulated SMSC does with a submit_sm, as values: how it answers, which receipts follow, what a handset says.

A behaviour is a plain callable, `Submit` in, `Reaction` out. `recipients` has the one of the sandbox; tests bring their
own, and may do anything else to `Submit.session` besides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from trunkline.smpp.pdu import SubmitSm
from trunkline.smpp.smsc import SmscSession
from trunkline.smpp.status import ESME_ROK
from trunkline.text.udh import Concat


@dataclass(frozen=True, slots=True)
class Submit:
    """One submit_sm as it came. `number` counts those of this simulator from 1; `source`, `destination` and `body` are
    read as the platform writes them, `concat` says which part of a long message it is."""

    number: int
    session: SmscSession
    pdu: SubmitSm
    source: str
    destination: str
    body: str
    concat: Concat | None


class Cut(StrEnum):
    """How the simulator ends a link."""

    RESET = "reset"  # the other side sees RST
    CLOSE = "close"  # FIN, without unbind


@dataclass(frozen=True, slots=True)
class Receipt:
    """One delivery receipt (SMPP 3.4 Appendix B). Times count from the submit_sm, not from its answer."""

    stat: str = "DELIVRD"
    err: str = "000"
    after_s: float = 0.3
    copies: int = 1
    spell_id: Callable[[str], str] = str  # from the id of the answer to that of the receipt
    elsewhere: bool = False  # on another bind than the submit_sm, where there is one
    with_tlvs: bool = True  # receipted_message_id and message_state beside the text


@dataclass(frozen=True, slots=True)
class Reply:
    """A message from the handset that the submit_sm was for, to its sender."""

    body: str
    after_s: float = 0.6


@dataclass(frozen=True, slots=True)
class Reaction:
    """What becomes of one submit_sm. Exactly what is said here happens: a refusal with receipts sends receipts.

    `after_s` is when the answer is written; None: never. With `cut` the link is ended then instead.
    """

    status: int = ESME_ROK
    after_s: float | None = 0.0
    message_id: str | None = None  # None: a new one
    receipts: tuple[Receipt, ...] = ()
    replies: tuple[Reply, ...] = ()
    cut: Cut | None = None


Behaviour: TypeAlias = Callable[[Submit], Reaction]
