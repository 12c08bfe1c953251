"""How many parts a text is going to take: by its plan's choice to transliterate, at the first carrier of the route.

What another carrier makes of it in the end is counted when it is submitted.
"""

from __future__ import annotations

from trunkline.carriers.dialect import PLAIN, of_texts
from trunkline.carriers.encode import measured
from trunkline.contract.problem import Fault, Refusal, refuse
from trunkline.domain.provisioning import Carrier, Plan
from trunkline.text.segment import Encoding, Measure, measure
from trunkline.text.transliterate import gsm7_form

_GSM7, _UCS2, _TRANSLITERATED = Encoding.GSM7, Encoding.UCS2, Encoding.TRANSLITERATED


def size(text: str, plan: Plan, carrier: Carrier | None) -> Measure:
    """Encoding, units and parts as the message is stored with; `carrier` is None where there is no route."""
    found = measure(text)
    if found.parts == 1 and found.encoding is _GSM7 and text.isascii():
        return found  # nearly every message, and one part whatever the carrier's ways
    dialect = PLAIN if carrier is None else of_texts(carrier.dialect)
    if plan.transliterate and found.encoding is _UCS2 and (plain := gsm7_form(text)) is not None:
        written = measured(plain, dialect)
        if written.encoding is _GSM7:
            return written._replace(encoding=_TRANSLITERATED)
    return found if dialect is PLAIN else measured(text, dialect)


def over_limit(parts: int, plan: Plan) -> Refusal | None:
    """Why a text of so many parts is more than the plan sends."""
    if plan.max_segments is None or parts <= plan.max_segments:
        return None
    message = f"takes {parts} SMS parts; a message of this plan may have {plan.max_segments}"
    return refuse([Fault("body", "too_many_segments", message)])
