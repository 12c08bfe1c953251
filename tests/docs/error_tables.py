"""The tables of the page of error codes, made from the catalogue."""

from __future__ import annotations

from collections.abc import Sequence

from trunkline.domain.errors import DELIVERY_CODES, PROBLEMS, Advice, Charged, Retry

_RETRY = {Retry.CHANGE: "after a change", Retry.LATER: "later", Retry.SAME_KEY: "same key"}
_ADVICE = {Advice.LATER: "later", Advice.CHANGE: "after a change", Advice.NONE: "no", Advice.UNSAFE: "unsafe", None: ""}
_CHARGED = {Charged.ACCEPTED: "accepted", Charged.NO: "no", Charged.IF_PROVEN: "if proven"}


def problems() -> str:
    """Refusals of the API, by status."""
    rows = [
        (_anchored(entry.code), str(entry.status), f"**{entry.title}.** {entry.meaning}", _RETRY[entry.retry])
        for entry in sorted(PROBLEMS.values(), key=lambda entry: entry.status)
    ]
    return _table(("code", "status", "meaning", "again?"), rows)


def delivery_codes() -> str:
    """Codes that messages end with."""
    rows = [
        (
            _anchored(entry.code),
            f"**{entry.title}.** {entry.meaning}",
            "QUEUED, SENT, DELIVERED" if entry.code == "000" else entry.status.name,
            _ADVICE[entry.advice],
            _CHARGED[entry.charged],
        )
        for entry in DELIVERY_CODES.values()
    ]
    return _table(("code", "meaning", "status", "again?", "charged"), rows)


def _anchored(code: str) -> str:
    """The code as the anchor that `type` of a problem leads to, and a link to itself; a narrow window may break it."""
    return f'<a id="{code}" href="#{code}"><code>{code.replace("_", "_<wbr>")}</code></a>'


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)]) + "\n"
