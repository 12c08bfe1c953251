"""Pages of a list while others insert and messages move on: for any filters and limits, what was stored before the
first page is neither repeated nor skipped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from api_rig import Rig
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from trunkline.contract.times import spell_ms
from trunkline.domain.status import MOVES, Status
from trunkline.runtime.clock import wall_ms

COUNT = 90  # more than the rig's bound of rows that one page looks at

names = {
    "from": st.sampled_from(["12345", "+15550001111"]),
    "to": st.sampled_from(["+15550002222", "+15550003333"]),
    "country": st.sampled_from(["US", "NL"]),
    "mccmnc": st.sampled_from(["310260", "20408"]),
    "status": st.sampled_from([status.name for status in Status]),
}
filters = st.fixed_dictionaries({}, optional=names)


@dataclass
class Stored:
    """A message as the test knows it. `was`: every status that it had from the first page on."""

    msg_id: UUID
    fields: dict[str, str]
    status: Status
    was: set[str]

    def matches(self, wanted: dict[str, str]) -> bool:
        return all(self.fields[name] == value for name, value in wanted.items() if name != "status")


@st.composite
def messages(draw: st.DrawFn, most: int) -> list[tuple[int, dict[str, str]]]:
    """(ms before now, fields) of some messages; many in one millisecond."""
    return draw(st.lists(st.tuples(st.integers(0, 3), st.fixed_dictionaries(names)), max_size=most))


class Table:
    """The messages of the plan, and what others do to them."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self.at_ms = wall_ms()
        self._number = 0
        self.all: list[Stored] = []
        rig.sql("DELETE FROM ref")
        rig.sql("DELETE FROM msg")

    def insert(self, made: list[tuple[int, dict[str, str]]]) -> None:
        rows = []
        for before_ms, fields in made:
            # Odd numbers count down, so that within a millisecond some come before those that are there.
            self._number += 1
            low = self._number if self._number % 2 else (1 << 40) - self._number
            msg_id = UUID(int=(self.at_ms - before_ms) << 80 | 7 << 76 | 2 << 62 | low)
            status = Status[fields["status"]]
            self.all.append(Stored(msg_id, fields, status, {status.name}))
            final = status if status >= Status.DELIVERED else None
            rows.append((msg_id, fields["from"], fields["to"], fields["country"], fields["mccmnc"], final))
            if status is Status.SENT:
                self._sent(msg_id)
        self._rig.run(
            self._rig.pool.executemany(
                "INSERT INTO msg (plan_id, msg_id, account_id, sender, recipient, country, mccmnc, encoding, parts,"
                " expires_at, status) VALUES (1, $1, 1, $2, $3, $4, $5, 0, 1, now(), $6)",
                rows,
            )
        )

    def _sent(self, msg_id: UUID) -> None:
        self._rig.sql("INSERT INTO ref VALUES (1, $1::text, '', 1, $2, 1, 1, 1, 0, false, now(), now())",
                      str(msg_id), msg_id)  # fmt: skip

    def move(self, place: int, step: int) -> None:
        """One message goes on, if it can."""
        if not self.all:
            return
        one = self.all[place % len(self.all)]
        ways = sorted(MOVES[one.status])
        if not ways:
            return
        one.status = ways[step % len(ways)]
        one.was.add(one.status.name)
        if one.status is Status.SENT:
            self._sent(one.msg_id)
        else:
            self._rig.sql("UPDATE msg SET status = $2 WHERE msg_id = $1", one.msg_id, int(one.status))


@settings(max_examples=20, deadline=None, phases=[Phase.generate])  # making a failure smaller takes minutes
@given(messages(COUNT), filters, st.integers(1, 40), st.booleans(), st.data())
def test_what_was_stored_before_the_first_page_comes_once(
    rig: Rig,
    made: list[tuple[int, dict[str, str]]],
    wanted: dict[str, str],
    limit: int,
    dated: bool,
    data: st.DataObject,
) -> None:
    table = Table(rig)
    # Enough for many pages, though hypothesis likes short lists.
    table.insert(made + [(n % 4, fields) for n, (_, fields) in enumerate(made * COUNT)][: COUNT - len(made)])
    before = list(table.all)
    dated = dated or not wanted  # one filter there has to be
    asked: dict[str, Any] = {**wanted, "limit": limit}
    if dated:
        asked["fromDate"] = spell_ms(table.at_ms - 2)  # what is a millisecond older is outside
        before = [one for one in before if one.msg_id.int >> 80 >= table.at_ms - 2]
    shown: list[dict[str, Any]] = []
    page = rig.list(**asked).json
    while True:
        assert len(page["data"]) <= limit
        assert not dated or all(one["createdAt"] >= asked["fromDate"] for one in page["data"])
        shown += page["data"]
        pagination = page["pagination"]
        assert pagination["hasMore"] is (pagination["nextCursor"] is not None)
        if not pagination["hasMore"]:
            break
        table.insert(data.draw(messages(3)))
        for place, step in data.draw(st.lists(st.tuples(st.integers(0, 999), st.integers(0, 4)), max_size=6)):
            table.move(place, step)
        page = rig.list(cursor=pagination["nextCursor"], limit=limit).json
    ids = [UUID(one["msgId"]) for one in shown]
    assert ids == sorted(set(ids), reverse=True), "repeated, or not newest first"
    for one in before:
        if not one.matches(wanted):
            assert one.msg_id not in ids
        elif "status" not in wanted or one.was == {wanted["status"]}:
            assert one.msg_id in ids, "skipped"
        elif wanted["status"] not in one.was:
            assert one.msg_id not in ids
    known = {one.msg_id: one for one in table.all}
    assert all(known[msg_id].matches(wanted) for msg_id in ids)
    if "status" in wanted:
        assert {one["status"] for one in shown} <= {wanted["status"]}
