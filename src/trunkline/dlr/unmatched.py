"""Why a carrier's receipts find no message: which forms of ids would have made them match; nothing is switched."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

from trunkline.carriers.dialect import Dialect, IdForm, canonical_id
from trunkline.carriers.smsc_ids import looks
from trunkline.dlr.match import digits
from trunkline.store.unmatched import GivenId, LoneReceipt

_TEXTS, _NUMBERS = (IdForm.STR, IdForm.STR_NOCASE), (IdForm.DEC, IdForm.HEX)


class Settings(NamedTuple):
    """Fields of a dialect that decide whether ids are one, for ids in the text or in the TLV of receipts."""

    response_form: IdForm
    receipt_form: IdForm
    response_prefix: str = ""
    receipt_prefix: str = ""


@dataclass(frozen=True, slots=True)
class Advice:
    """What the receipts of one place (text or TLV) have to do with the messages to their numbers.

    `known` of `count` are about numbers that the carrier got messages for; with `better` instead of the dialect's own
    settings `would` of them find their message (None: with none).
    """

    in_tlv: bool
    count: int
    known: int
    own: Settings
    better: Settings | None
    would: int

    @property
    def field_of_receipt(self) -> str:
        return "tlv_id_form" if self.in_tlv else "receipt_id_form"


def forms(receipts: Iterable[LoneReceipt]) -> list[tuple[str, int, str]]:
    """(form in words, count, an example), the most frequent first."""
    examples: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for receipt in receipts:
        form = looks(receipt.raw_id)
        counts[form] += 1
        examples.setdefault(form, receipt.raw_id)
    return [(form, count, examples[form]) for form, count in counts.most_common()]


def advise(dialect: Dialect, receipts: Sequence[LoneReceipt], given: Sequence[GivenId]) -> list[Advice]:
    """What would help: for ids in the text and for those in the TLV, where there are some."""
    ids_of = defaultdict(list)
    for one in given:
        ids_of[digits(one.recipient)].append(one.canonical_id)
    found = []
    for in_tlv in (False, True):
        mine = [receipt for receipt in receipts if receipt.in_tlv is in_tlv]
        if mine:
            pairs = [(receipt.raw_id, ids) for receipt in mine if (ids := _ids_of(receipt, ids_of))]
            found.append(_advice(dialect, in_tlv, len(mine), pairs))
    return found


def _ids_of(receipt: LoneReceipt, ids_of: dict[str, list[str]]) -> list[str]:
    ends = {digits(receipt.source), digits(receipt.destination)}
    return [canonical for end in ends for canonical in ids_of.get(end, ())]


def _advice(dialect: Dialect, in_tlv: bool, count: int, pairs: list[tuple[str, list[str]]]) -> Advice:
    receipt_form = dialect.id_form_of_tlv if in_tlv else dialect.receipt_id_form
    prefix = dialect.response_id_prefix
    own = Settings(dialect.response_id_form, receipt_form, prefix, prefix if in_tlv else dialect.receipt_id_prefix)
    best: tuple[int, int, Settings] | None = None
    for settings in _candidates(own, pairs):
        would = sum(
            any(_would_match(raw, canonical, own.response_form, settings) for canonical in ids) for raw, ids in pairs
        )
        # A prefix explains less than a form: zeros in front could be one.
        changes = sum((mine != other) * weight for mine, other, weight in zip(own, settings, (1, 1, 3, 3), strict=True))
        if would and (best is None or (would, -changes) > best[:2]):
            best = (would, -changes, settings)
    if best is None:
        return Advice(in_tlv, count, len(pairs), own, None, 0)
    return Advice(in_tlv, count, len(pairs), own, best[2], best[0])


def _candidates(own: Settings, pairs: list[tuple[str, list[str]]]) -> Iterator[Settings]:
    """Pairs of forms, the strictest first, then prefixes that the pairs suggest."""
    for response_form, receipt_form in (*zip(_TEXTS, _TEXTS, strict=True), *product(_NUMBERS, _NUMBERS)):
        yield Settings(response_form, receipt_form, own.response_prefix, own.receipt_prefix)
    suggested: Counter[tuple[str, str]] = Counter()
    for raw, ids in pairs:
        for canonical in ids:
            if raw != canonical and raw.endswith(canonical) and canonical:
                suggested["", raw.removesuffix(canonical)] += 1
            elif raw != canonical and canonical.endswith(raw) and raw:
                suggested[canonical.removesuffix(raw), ""] += 1
    for (response_prefix, receipt_prefix), _ in suggested.most_common(3):
        if max(len(response_prefix), len(receipt_prefix)) <= 32:
            yield Settings(own.response_form, own.receipt_form, response_prefix, receipt_prefix)


def _would_match(raw: str, canonical: str, form: IdForm, settings: Settings) -> bool:
    theirs = canonical_id(raw, settings.receipt_form, settings.receipt_prefix)
    ours = canonical_id(_as_given(canonical, form), settings.response_form, settings.response_prefix)
    return theirs == ours != ""


def _as_given(canonical: str, form: IdForm) -> str:
    """An id as the carrier gave it out, but for what the form of that time dropped: case, leading zeros."""
    if form is IdForm.HEX and canonical.isascii() and canonical.isdecimal():
        return f"{int(canonical):x}" if len(canonical) < 1200 else canonical
    return canonical
