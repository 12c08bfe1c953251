"""The magic recipients: what the simulated carrier does with a message depends on the number it goes to.

One table, which the simulator obeys and the documentation shows. Every other number is as the first one.
"""

from __future__ import annotations

from dataclasses import dataclass

from trunkline.domain.status import Status
from trunkline.sandbox.behaviour import Cut, Reaction, Receipt, Reply, Submit
from trunkline.smpp import status as s

PREFIX = "+1500555"
_KEYS_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Recipient:
    """One number. `script` has what happens to the first, second … submit_sm of a message, the last one to all that
    follow; `last_part` what happens to the last part of a message of several. `status` and `error_code` are what the
    record ends with; SENT is no end, it is where the record stays for long."""

    number: str
    name: str
    happens: str
    status: Status
    error_code: str
    script: tuple[Reaction, ...]
    last_part: Reaction | None = None


DELIVERED = Reaction(receipts=(Receipt(),))
_ABSENT = Receipt("UNDELIV", "027")


def _row(
    digits: str, name: str, ends: str, happens: str, *script: Reaction, last_part: Reaction | None = None
) -> Recipient:
    status, code = ends.split(" ")
    return Recipient(f"{PREFIX}{digits}", name, happens, Status[status], code, script, last_part)


def _confirmed(*receipts: Receipt) -> Reaction:
    return Reaction(receipts=receipts)


# The last digits of those that do not end DELIVERED are the error code. `err` is the network's own (3GPP TS 29.002).
TABLE = (
    _row(
        "0000",
        "delivered",
        "DELIVERED 000",
        "The carrier accepts it at once; the receipt says DELIVRD 0.3 s later.",
        DELIVERED,
    ),
    _row(
        "0001",
        "slow",
        "DELIVERED 000",
        "The carrier accepts it after 3 s; the receipt comes 10 s after the submit_sm.",
        Reaction(after_s=3.0, receipts=(Receipt(after_s=10.0),)),
    ),
    _row(
        "0002",
        "receipt_first",
        "DELIVERED 000",
        "The receipt comes half a second before the answer to the submit_sm.",
        Reaction(after_s=0.6, receipts=(Receipt(after_s=0.1),)),
    ),
    _row(
        "0003",
        "receipt_twice",
        "DELIVERED 000",
        "The same receipt comes twice, the second time on another bind. One webhook.",
        _confirmed(Receipt(), Receipt(elsewhere=True)),
    ),
    _row(
        "0004",
        "contradicted",
        "DELIVERED 000",
        "A receipt says DELIVRD, another one 0.3 s later UNDELIV. The first final word stays.",
        _confirmed(Receipt(), Receipt("UNDELIV", "027", after_s=0.6)),
    ),
    _row(
        "0005",
        "throttled",
        "DELIVERED 000",
        "The carrier refuses it twice with ESME_RTHROTTLED, then accepts it. The carrier is sent less for a while.",
        Reaction(status=s.ESME_RTHROTTLED),
        Reaction(status=s.ESME_RTHROTTLED),
        DELIVERED,
    ),
    _row(
        "0006",
        "system_error",
        "DELIVERED 000",
        "The carrier refuses it with ESME_RSYSERR; the second try, 30 s later, is accepted.",
        Reaction(status=s.ESME_RSYSERR),
        DELIVERED,
    ),
    _row(
        "0007",
        "replies",
        "DELIVERED 000",
        "Delivered; then the handset answers `YES thank you`, an inbound message with the keyword `YES`.",
        Reaction(receipts=(Receipt(),), replies=(Reply("YES thank you"),)),
    ),
    _row(
        "0101",
        "absent",
        "FAILED 101",
        "The receipt says UNDELIV, err 027: absent subscriber.",
        _confirmed(_ABSENT),
    ),
    _row(
        "0103",
        "unknown_subscriber",
        "FAILED 103",
        "The receipt says UNDELIV, err 001: unknown subscriber.",
        _confirmed(Receipt("UNDELIV", "001")),
    ),
    _row("0305", "rejected", "FAILED 305", "The receipt says REJECTD.", _confirmed(Receipt("REJECTD"))),
    _row(
        "0451",
        "refused",
        "FAILED 451",
        "The carrier refuses it with ESME_RINVDSTADR.",
        Reaction(status=s.ESME_RINVDSTADR),
    ),
    _row("0701", "expired", "FAILED 701", "The receipt says EXPIRED.", _confirmed(Receipt("EXPIRED"))),
    _row(
        "0801",
        "last_part_fails",
        "FAILED 801",
        "Of a message of several parts the last one gets UNDELIV, the others DELIVRD. One of one part is delivered.",
        DELIVERED,
        last_part=_confirmed(Receipt("UNDELIV", "027", after_s=0.6)),
    ),
    _row(
        "0703",
        "no_receipt",
        "SENT 000",
        "No receipt ever comes: the record stays SENT, and becomes UNKNOWN 703 twelve hours after its validity.",
        Reaction(),
    ),
    _row("0704", "undecided", "UNKNOWN 704", "The receipt says UNKNOWN.", _confirmed(Receipt("UNKNOWN"))),
    _row(
        "0901",
        "link_cut",
        "UNKNOWN 901",
        "The carrier resets the connection instead of answering, with all that is under way on it. No receipt comes:"
        " whether it has the message cannot be known, which the platform waits 10 s for (in the sandbox).",
        Reaction(cut=Cut.RESET),
    ),
    _row(
        "0902",
        "no_answer",
        "UNKNOWN 902",
        "The carrier never answers. After 5 s (in the sandbox) the place in the window is free again, 10 s later the"
        " record is final.",
        Reaction(after_s=None),
    ),
)
BY_NUMBER = {recipient.number: recipient for recipient in TABLE}


class Recipients:
    """The sandbox's behaviour: the table's, and a memory of what was tried of each message."""

    def __init__(self) -> None:
        self._tries: dict[tuple[str, str, int, bytes], int] = {}

    def __call__(self, submit: Submit) -> Reaction:
        recipient = BY_NUMBER.get(submit.destination, TABLE[0])
        concat = submit.concat
        if recipient.last_part is not None and concat is not None and concat.seq == concat.total:
            return recipient.last_part
        if len(recipient.script) == 1:
            return recipient.script[0]
        pdu = submit.pdu
        key = (submit.source, submit.destination, pdu.data_coding, pdu.short_message)
        place = self._tries.pop(key, 0)
        if place + 1 < len(recipient.script):  # else the next one with these words is another message
            if len(self._tries) >= _KEYS_MOST:
                del self._tries[next(iter(self._tries))]
            self._tries[key] = place + 1
        return recipient.script[place]


def reference() -> str:
    """The table in Markdown: the generated part of docs/sandbox.md."""
    rows = ["| To | Name | What happens | The record |", "|---|---|---|---|"]
    for recipient in TABLE:
        ends = f"{recipient.status.name} `{recipient.error_code}`"
        rows.append(f"| `{recipient.number}` | {recipient.name} | {recipient.happens} | {ends} |")
    return "\n".join(rows) + "\n"
