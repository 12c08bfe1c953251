"""`trunkline optout` on a real database: who, when and why of each change, and files of many lines."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from pathlib import Path

import asyncpg
import pytest
from operator_rig import FILE, Operator

from trunkline.store import optouts

SHOP = '[[plan]]\nname = "shop"\naccount = "acme"\n'
NUMBER = "+15550001111"


@pytest.fixture
def operator(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Operator:
    monkeypatch.chdir(tmp_path)
    operator = Operator(database, tmp_path)
    operator.file.write_text(FILE + SHOP)
    assert operator.call("apply", str(operator.file))[0] == 0
    return operator


def test_add_list_remove_and_who_did_it(operator: Operator) -> None:
    add = ["optout", "add", NUMBER, "15550002222", "--plan", "shop", "--why", "asked on the phone"]
    assert operator.call(*add) == (0, "2 opted out\n", "")
    assert operator.call(*add, "--sender", "12345")[1] == "2 opted out\n"
    assert operator.call(*add)[1] == "0 opted out, 2 were so before\n"
    lines = operator.call("optout", "list")[1].splitlines()
    assert len(lines) == 4
    assert lines[0].startswith(f'{NUMBER}      "shop"  all senders  since 20')
    assert lines[0].endswith("by operator: asked on the phone")
    assert len(operator.call("optout", "list", NUMBER, "--sender", "12345")[1].splitlines()) == 1
    assert operator.call("optout", "list", "--plan", "otp")[1] == "none\n"
    remove = ["optout", "remove", NUMBER, "--plan", "shop", "--why", "signed up again"]
    assert operator.call(*remove, "--sender", "12345")[1] == "1 removed\n"
    assert operator.call(*remove)[1] == "1 removed\n"
    assert operator.call(*remove)[1] == "0 removed\n"
    assert [row["recipient"] for row in json.loads(operator.call("optout", "list", "--json")[1])] == [
        "+15550002222"
    ] * 2
    history = json.loads(operator.call("optout", "list", NUMBER, "--history", "--json")[1])
    assert [(row["action"], row["sender"], row["why"]) for row in history] == [
        ("removed", None, "signed up again"),
        ("removed", "12345", "signed up again"),
        ("added", "12345", "asked on the phone"),
        ("added", None, "asked on the phone"),
    ]
    assert all("@" in row["actor"] and row["at"].startswith("20") for row in history)
    told = operator.call("optout", "list", NUMBER, "--history")[1].splitlines()
    assert len(told) == 4
    assert "removed by " in told[0]
    assert told[0].endswith(": signed up again")


def test_what_is_refused(operator: Operator) -> None:
    cases: list[tuple[list[str], int, str]] = [
        (["add", "0701", "--plan", "shop", "--why", "x"], 65, "a recipient must be 7 to 15 digits"),
        (["add", NUMBER, "--plan", "shp", "--why", "x"], 65, "there is no plan shp; did you mean shop?"),
        (["add", NUMBER, "--plan", "shop", "--why", ""], 65, "the reason must be 1 to 200"),
        (["add", NUMBER, "--plan", "shop"], 2, "--why"),
        (["add", NUMBER, "--plan", "shop", "--sender", "under_score", "--why", "x"], 65, "a sender must be"),
        (["list", "x"], 65, "a recipient must be"),
        (["list", "--history"], 2, "--history is about one NUMBER"),
        (["import", "no-such.csv", "--plan", "shop"], 74, "no-such.csv"),
    ]
    for arguments, code, says in cases:
        found, _, err = operator.call("optout", *arguments)
        assert (found, says in err) == (code, True), arguments


def test_an_export_is_an_import(operator: Operator) -> None:
    file = operator.file.with_name("list.csv")
    file.write_text(
        "\ufeffrecipient;sender;since;why\n+15550001111;12345;2026-01-02;form 4711\n"
        "15550002222;;2026-01-02T03:04:05+01:00;\n15550002222;;;again\n",
        "utf-8",
    )
    assert operator.call("optout", "import", str(file), "--plan", "shop") == (
        0, "2 opted out, 1 were so before\n", "",
    )  # fmt: skip
    out = operator.call("optout", "export")[1]
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [(row["recipient"], row["sender"], row["since"], row["why"]) for row in rows] == [
        ("+15550001111", "12345", "2026-01-02T00:00:00.000000Z", "form 4711"),
        ("+15550002222", "", "2026-01-02T02:04:05.000000Z", "import of list.csv"),
    ]
    assert operator.call("optout", "remove", "15550001111", "15550002222", "--plan", "shop", "--why", "x")[0] == 0
    file.write_text(out)
    assert operator.call("optout", "import", str(file))[1] == "2 opted out\n"
    assert operator.call("optout", "export", "--plan", "shop")[1] == out
    assert operator.call("optout", "export", "--plan", "otp")[1].count("\n") == 1


def test_a_file_with_mistakes_changes_nothing(operator: Operator) -> None:
    file = operator.file.with_name("list.csv")
    file.write_text(
        "plan,recipient,sender\nshop,+15550001111,\nshp,+15550001111,\nshop,0701,\nshop,+15550003333,a b,\n"
    )
    lines = (
        "list.csv:3: there is no plan shp; did you mean shop?\n"
        "list.csv:4: a recipient must be 7 to 15 digits of E.164, with the country code and no 0 before it\n"
        "list.csv:5: 4 fields where the header has 3\n"
    )
    assert operator.call("optout", "import", str(file)) == (65, "", f"{lines}trunkline: nothing was changed\n")
    assert operator.call("optout", "list")[1] == "none\n"
    assert operator.call("optout", "import", str(file), "--skip-bad") == (
        0, "1 opted out, 3 lines left out\n", lines,
    )  # fmt: skip
    for text, says in (("number\n1\n", "there is no column 'number'"), ("recipient\n1\n", "a column `plan` has to be")):
        file.write_text(text)
        code, _, err = operator.call("optout", "import", str(file))
        assert (code, says in err) == (65, True)
    file.write_bytes(b"recipient\n\xff\n")
    assert "is not UTF-8" in operator.call("optout", "import", str(file), "--plan", "shop")[2]


def test_a_large_file_is_stored_in_steps(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who says STOP meanwhile waits for one step at most: each is a commit."""
    monkeypatch.setattr(optouts, "_AT_A_TIME", 1000)
    file = operator.file.with_name("list.csv")
    file.write_text("recipient\n" + "".join(f"+1555{n:07d}\n" for n in range(5500)))
    assert operator.call("optout", "import", str(file), "--plan", "shop")[1] == "5500 opted out\n"

    async def look() -> tuple[int, int, list[str]]:
        conn = await asyncpg.connect(operator.dsn)
        try:
            return (
                await conn.fetchval("SELECT count(DISTINCT xmin::text) FROM opt_out"),
                await conn.fetchval("SELECT count(*) FROM opt_out_incoming"),
                [
                    r[0]
                    for r in await conn.fetch("SELECT action FROM audit WHERE subject = 'opt-outs' ORDER BY audit_id")
                ],
            )
        finally:
            await conn.close()

    assert asyncio.run(look()) == (6, 0, ["opt_outs.import_begun", "opt_outs.imported"])


def test_two_imports_at_once_do_not_mix(operator: Operator) -> None:
    file = operator.file.with_name("list.csv")
    file.write_text("recipient\n+15550001111\n")

    async def main() -> tuple[int, str, str]:
        conn = await asyncpg.connect(operator.dsn)
        try:
            assert await optouts.receive(conn, [])
            return await asyncio.to_thread(operator.call, "optout", "import", str(file), "--plan", "shop")
        finally:
            await conn.close()

    assert asyncio.run(main()) == (65, "", "trunkline: another import is at work: wait for its end\n")
