"""The fast reader of a send request takes nothing that the thorough one refuses, and the other way round."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.contract import send
from trunkline.contract.problem import Refusal
from trunkline.contract.send import SendRequest, read_send
from trunkline.domain.callback import Policy

POLICY = Policy()
NOW_MS = 1_782_105_003_000
RIGHT: dict[str, Any] = {
    "servicePlanId": "2" * 24,
    "channel": "SMS",
    "from": "+15550001111",
    "to": "+15550002222",
    "body": "Hello",
}
EXTRA: dict[str, Any] = {
    "callbackUrl": "https://client.example.com/",
    "sendAt": "2026-06-22T05:10:03Z",
    "validityPeriod": 60,
    "clientReference": "r",
}

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
values = st.one_of(
    texts, st.integers(), st.floats(), st.none(), st.booleans(), st.lists(texts, max_size=2),
    st.sampled_from([*RIGHT.values(), *EXTRA.values(), "", "\0", "x" * 1601, "x" * 256, 59, 60.0, 259201]),
)  # fmt: skip
names = st.one_of(st.sampled_from([*RIGHT, *EXTRA]), texts)


def spelled(pairs: list[tuple[str, Any]], ascii_only: bool) -> bytes:
    """An object with the pairs in their order, repeated ones too."""
    return b"{%b}" % b",".join(
        b"%b:%b" % tuple(json.dumps(part, ensure_ascii=ascii_only).encode() for part in pair) for pair in pairs
    )


@given(
    st.lists(st.tuples(names, values), max_size=4),
    st.sets(st.sampled_from(sorted(EXTRA))),
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=400, deadline=None)
def test_both_readers_agree(changes: list[tuple[str, Any]], extra: set[str], ascii_only: bool, replaces: bool) -> None:
    whole = RIGHT | {name: EXTRA[name] for name in extra}
    # Changed in place, or added behind, which makes duplicate keys.
    pairs = list((whole | dict(changes)).items()) if replaces else [*whole.items(), *changes]
    body = spelled(pairs, ascii_only)
    fast = send._decode(body, NOW_MS, POLICY)
    thorough = send._examine(body, NOW_MS, POLICY)
    assert fast is None or fast == thorough
    if isinstance(thorough, SendRequest):
        assert fast == thorough or any(isinstance(value, float) for _, value in pairs)


@given(st.binary(max_size=60))
@settings(max_examples=300, deadline=None)
def test_nothing_makes_it_raise(noise: bytes) -> None:
    for body in (noise, b"{" + noise + b"}", spelled(list(RIGHT.items()), True)[:-1] + b"," + noise + b"}"):
        read_send(body, NOW_MS, POLICY)


@pytest.mark.parametrize(
    "again", ['"to":"+15550002222"', '"body":"x"', '"validityPeriod":60', r'"\u0074o":"+15550002222"']
)
@pytest.mark.parametrize("text", ["Hello", 'a "quoted" word', "back\\slash", 'both \\" and \\\\"', '"' * 20, "\\" * 21])
def test_a_duplicate_key_is_seen_whatever_the_text(again: str, text: str) -> None:
    body = json.dumps(RIGHT | {"body": text, "validityPeriod": 60})
    assert isinstance(read_send(body.encode(), NOW_MS, POLICY), SendRequest)
    refusal = read_send(f"{body[:-1]},{again}}}".encode(), NOW_MS, POLICY)
    assert isinstance(refusal, Refusal)
    assert refusal.code == "malformed_json"
    assert "twice" in refusal.detail


def test_the_fast_reader_takes_what_customers_send(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(send, "_examine")
    for whole in (RIGHT, RIGHT | EXTRA, RIGHT | {"body": 'Say "hi"\n\\o/ 😀', "clientReference": "\\"}):
        for ascii_only in (True, False):
            for separators in ((",", ":"), (", ", ": ")):
                body = json.dumps(whole, ensure_ascii=ascii_only, separators=separators).encode()
                assert isinstance(read_send(body, NOW_MS, POLICY), SendRequest)


def test_no_detail_shows_the_text() -> None:
    body = spelled([*RIGHT.items(), ("body", "a secret")], True)
    refusal = read_send(body, NOW_MS, POLICY)
    assert isinstance(refusal, Refusal)
    assert "secret" not in refusal.detail
