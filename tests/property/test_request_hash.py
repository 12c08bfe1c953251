"""Idempotency: what makes two send requests the same one, and what does not."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from trunkline.contract.idempotency import hash_of
from trunkline.contract.send import SendRequest, read_send
from trunkline.domain.callback import Policy

NOW_MS = 1_790_000_000_000

# Of every field some values that the contract takes.
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "servicePlanId": st.text("0123456789abcdef", min_size=24, max_size=24),
    "from": st.from_regex(r"\+[1-9][0-9]{6,14}|[0-9]{3,8}|[A-Za-z][0-9A-Za-z]{0,10}", fullmatch=True),
    "to": st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True),
    "body": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40),
    "callbackUrl": st.integers(0, 9999).map(lambda n: f"https://a.example/{n}"),
    "sendAt": st.integers(1, 28).map(lambda day: f"2026-02-{day:02}T00:00:00Z"),
    "validityPeriod": st.integers(60, 259_200),
    "clientReference": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
}
OPTIONAL = ("callbackUrl", "sendAt", "validityPeriod", "clientReference")

requests = st.fixed_dictionaries(
    {"channel": st.just("SMS"), **{name: VALUES[name] for name in VALUES if name not in OPTIONAL}},
    optional={name: VALUES[name] for name in OPTIONAL},
)


def hashed(text: str) -> bytes:
    read = read_send(text.encode(), NOW_MS, Policy())
    assert isinstance(read, SendRequest), (text, read)
    return hash_of(read)


@st.composite
def spelled(draw: st.DrawFn, fields: dict[str, Any]) -> str:
    """The same fields as another program may write them."""
    space = st.text(" \t\r\n", max_size=2)

    def scalar(value: Any) -> str:
        if isinstance(value, int):
            return draw(st.sampled_from([f"{value}", f"{value}.0", f"{value}e0", f"{value}.000"]))
        text = json.dumps(value, ensure_ascii=draw(st.booleans()))
        return text.replace("/", "\\/") if draw(st.booleans()) else text

    pieces = []
    for name in draw(st.permutations(list(fields))):
        value = fields[name]
        if name == "servicePlanId" and draw(st.booleans()):
            value = value.upper()
        pieces.append(f"{draw(space)}{scalar(name)}{draw(space)}:{draw(space)}{scalar(value)}{draw(space)}")
    return draw(space) + "{" + ",".join(pieces) + "}" + draw(space)


@given(requests.flatmap(lambda fields: st.tuples(st.just(fields), spelled(fields))))
def test_order_white_space_escapes_and_spellings_of_numbers_do_not_matter(both: tuple[dict[str, Any], str]) -> None:
    fields, text = both
    assert hashed(text) == hashed(json.dumps(fields))


@given(requests, st.data())
def test_any_other_field_is_another_request(fields: dict[str, Any], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(list(VALUES)))
    if name in fields and name in OPTIONAL and data.draw(st.booleans()):
        other = {key: value for key, value in fields.items() if key != name}  # left out is not given
    else:
        other = {**fields, name: data.draw(VALUES[name].filter(lambda value: value != fields.get(name)))}
    assert hashed(json.dumps(other)) != hashed(json.dumps(fields))


@given(st.text("ab", min_size=1, max_size=6), st.text("ab", min_size=1, max_size=6), requests)
def test_a_text_does_not_move_from_one_field_to_another(first: str, second: str, fields: dict[str, Any]) -> None:
    one = {**fields, "body": first, "clientReference": second}
    other = {**fields, "body": second, "clientReference": first}
    assert (hashed(json.dumps(one)) == hashed(json.dumps(other))) is (first == second)
