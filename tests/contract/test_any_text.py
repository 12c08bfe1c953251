"""Segments: what the record says, what a dry run says and what the segmenter says agree for any text."""

from __future__ import annotations

import json

from api_rig import PLAN, RECIPIENT, SENDER, Rig
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from trunkline.contract.dry_run import ENCODINGS
from trunkline.text.gsm0338 import outside
from trunkline.text.segment import measure

_ANY = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
_ALPHABETS = [st.sampled_from("ab é£€[]{}~\\^|\f\n"), st.sampled_from("aя😀\u200d\u0301€"), _ANY]
texts = st.one_of(
    *(st.text(alphabet, min_size=1, max_size=200) for alphabet in _ALPHABETS),
    # Around the ends of parts, where a pair must not be torn.
    st.builds(lambda n, tail: "a" * n + tail, st.sampled_from([66, 69, 133, 152, 159, 305, 1590]),
              st.text(st.sampled_from("a€😀я"), min_size=1, max_size=4)),
)  # fmt: skip


@settings(max_examples=60, deadline=None, phases=[Phase.generate])
@given(texts)
def test_record_dry_run_and_segmenter_agree(rig: Rig, text: str) -> None:
    body = json.dumps({"servicePlanId": PLAN, "channel": "SMS", "from": SENDER, "to": RECIPIENT, "body": text})
    tried = rig.ask("POST", "/v1/sendsms?dryRun=true", body).json
    sent = rig.ask("POST", "/v1/sendsms", body).json
    read = rig.get(sent["msgId"]).json
    encoding, _, parts = measure(text)
    assert tried["problem"] is None
    assert tried["segments"] == sent["segments"] == read["segments"] == parts
    assert tried["encoding"] == ENCODINGS[encoding]
    assert tried["outsideGsm7"] == outside(text)
    assert sent["body"] == read["body"] == text
