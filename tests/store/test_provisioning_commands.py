"""The operator's commands on a real database: apply, token issue, db, message show."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import re
from pathlib import Path
from uuid import UUID

import pytest
from operator_rig import FILE, ID, Operator

from trunkline.domain.provisioning import Token
from trunkline.domain.token import hash_of, is_well_formed
from trunkline.runtime.secret import secret_key
from trunkline.store import audit, db, provisioning, timeline


@pytest.fixture
def operator(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Operator:
    monkeypatch.chdir(tmp_path)
    return Operator(database, tmp_path)


def test_apply_twice(operator: Operator) -> None:
    code, out, err = operator.call("apply", str(operator.file))
    assert (code, err) == (0, "")
    assert "created   link     north/a\n" in out
    assert "4 created, 0 changed, 0 unchanged" in out
    assert out.count("whsec_") == 1
    assert "s3cret" not in out
    code, out, _ = operator.call("apply", str(operator.file))
    assert code == 0
    assert "nothing to do: all 4 are as the file says" in out
    assert "whsec_" not in out


def test_apply_names_mistakes(operator: Operator) -> None:
    operator.file.write_text(FILE.replace("otp", "o/tp").replace("system_id", "system"))
    code, out, err = operator.call("apply", str(operator.file))
    assert (code, out) == (65, "")
    lines = err.splitlines()
    assert [line.split(":")[1] for line in lines[:-1]] == ["4", "8", "11"]
    assert lines[0].startswith(f"{operator.file}:4: name must be a name")
    assert lines[-1] == "trunkline: nothing was changed"


def test_inbound_messages_that_no_plan_gets(operator: Operator) -> None:
    assert operator.call("inbound", "unmatched") == (0, "none: every message had a destination of a plan\n", "")
    operator.call("apply", str(operator.file))
    operator.execute(
        "INSERT INTO mo (plan_id, msg_id, account_id, carrier_id, link_id, sender, recipient, body, binary_hex,"
        " partial, digest, received_at)"
        " SELECT n / 3, (substr(msg_id_floor(trunkline_now())::text, 1, 35) || n)::uuid, 0, 1, 1,"
        " '+1555000111' || n, '7777' || n, CASE WHEN n < 2 THEN E'STOP \\x1b[2J' ELSE '' END,"
        " CASE n WHEN 2 THEN '00ff' END, n = 2, '', '2026-06-01 10:00:00+00' FROM generate_series(1, 3) AS n"
    )
    code, out, _ = operator.call("inbound", "unmatched")
    (second, first) = out.splitlines()
    assert code == 0
    assert first.startswith("2026-06-01 10:00:00  ")
    assert first.endswith("  north  +1555•••••11 to 77771")
    assert second.endswith("  north  +1555•••••12 to 77772  (parts missing)")
    _, out, _ = operator.call("inbound", "unmatched", "--text", "--limit", "2")
    assert [line.split("  ")[3:] for line in out.splitlines()] == [
        ["+15550001112 to 77772", "00ff", "(parts missing)"],
        ["+15550001111 to 77771", "STOP \\u001b[2J"],
    ]


def test_apply_with_another_key_is_refused(operator: Operator) -> None:
    operator.call("apply", str(operator.file))
    operator.environ["TRUNKLINE_SECRET_KEY"] = "ab" * 32
    code, out, err = operator.call("apply", str(operator.file))
    assert (code, out) == (78, "")
    assert "it was stored under another secret_key" in err


def test_a_token_is_issued_and_only_its_hash_stored(operator: Operator) -> None:
    operator.call("apply", str(operator.file))
    flags = ["--plan", "otp", "--scope", "messages:send", "--expires", "90d", "--network", "10.0.0.0/8", "--label", "l"]
    code, out, err = operator.call("token", "issue", "--account", "acme", *flags)
    assert code == 0
    token = out.strip()
    assert is_well_formed(token)
    assert "shown only now" in err

    async def stored() -> None:
        conn = await db.connect(operator.dsn, name="test")
        picture = await provisioning.load(conn, secret_key(operator.settings))
        entry = picture.tokens[hash_of(token)]
        assert (entry.label, entry.scopes, entry.networks) == ("l", {"messages:send"}, ("10.0.0.0/8",))
        assert entry.plan_ids == set(picture.plans)
        assert entry.expires_at is not None
        audited = await conn.fetchval("SELECT string_agg(audit::text, '') FROM audit WHERE action = 'token.issued'")
        assert "messages:send" in audited
        assert token not in audited
        await conn.close()

    asyncio.run(stored())
    code, out, err = operator.call("token", "issue", "--account", "acmee")
    assert (code, out) == (65, "")
    assert "there is no account acmee; did you mean acme?" in err
    assert operator.call("token", "issue", "--account", "acme", "--plan", "x")[0] == 65


def stored_tokens(operator: Operator) -> dict[int, Token]:
    async def main() -> dict[int, Token]:
        conn = await db.connect(operator.dsn, name="test")
        try:
            picture = await provisioning.load(conn, secret_key(operator.settings))
        finally:
            await conn.close()
        return {token.token_id: token for token in picture.tokens.values()}

    return asyncio.run(main())


def audited(operator: Operator, token_id: int) -> list[str]:
    async def main() -> list[str]:
        conn = await db.connect(operator.dsn, name="test")
        rows = await conn.fetch("SELECT * FROM audit WHERE subject LIKE $1 ORDER BY audit_id", f"token {token_id} of %")
        await conn.close()
        assert all(row["actor"] for row in rows)
        return [row["action"] for row in rows]

    return asyncio.run(main())


def test_a_rotated_token_passes_its_rights_on_and_ends_later(operator: Operator) -> None:
    operator.call("apply", str(operator.file))
    flags = ["--plan", "otp", "--scope", "messages:send", "--network", "10.0.0.0/8", "--label", "backend"]
    _, first, _ = operator.call("token", "issue", "--account", "acme", "--expires", "90d", *flags)
    code, out, err = operator.call("token", "rotate", "1")
    assert code == 0
    assert is_well_formed(out.strip())
    assert out != first
    assert "token 1 ends " in err
    assert "shown only now" in err
    old, new = stored_tokens(operator).values()
    assert new.hash == hash_of(out.strip())
    rights = ("account_id", "label", "scopes", "plan_ids", "networks")
    assert [getattr(new, name) for name in rights] == [getattr(old, name) for name in rights]
    assert old.expires_at is not None
    assert new.expires_at is not None
    assert new.expires_at - old.expires_at == dt.timedelta(days=89)  # 90 days from the same moment, and 24 hours
    assert audited(operator, 1) == ["token.issued", "token.rotated"]
    assert audited(operator, 2) == ["token.issued"]
    code, out, err = operator.call("token", "rotate", "1")
    assert (code, out) == (65, "")
    assert "token 1 has ended or was rotated before" in err
    assert len(stored_tokens(operator)) == 2


def test_the_overlap_never_makes_a_token_live_longer(operator: Operator) -> None:
    operator.call("apply", str(operator.file))
    operator.call("token", "issue", "--account", "acme", "--expires", "30m")
    before = stored_tokens(operator)[1].expires_at
    operator.call("token", "rotate", "1", "--overlap", "2d", "--expires", "365d")
    assert stored_tokens(operator)[1].expires_at == before
    operator.call("token", "issue", "--account", "acme")
    assert operator.call("token", "rotate", "3", "--overlap", "0")[0] == 0
    assert stored_tokens(operator)[4].expires_at is None
    assert json.loads(operator.call("token", "list", "--json")[1])[2]["state"] == "expired"
    assert operator.call("token", "rotate", "3")[0] == 65
    assert operator.call("token", "rotate", "4", "--overlap", "soon")[0] == 2


def test_a_revoked_token_stays_revoked(operator: Operator) -> None:
    operator.call("apply", str(operator.file))
    operator.call("token", "issue", "--account", "acme")
    code, out, _ = operator.call("token", "revoke", "1")
    assert (code, out.startswith("token 1 of account ")) == (0, True)
    revoked_at = stored_tokens(operator)[1].revoked_at
    assert revoked_at is not None
    assert operator.call("token", "revoke", "1")[0] == 65
    assert operator.call("token", "rotate", "1")[0] == 65
    assert stored_tokens(operator)[1].revoked_at == revoked_at
    assert audited(operator, 1) == ["token.issued", "token.revoked"]
    code, _, err = operator.call("token", "revoke", "7")
    assert (code, "there is no token 7" in err) == (65, True)


def test_a_list_of_tokens_shows_nothing_to_guess_one_by(operator: Operator) -> None:
    operator.call("apply", str(operator.file))
    issued = [operator.call("token", "issue", "--account", "acme", "--label", "l\x1b[31m")[1].strip()]
    issued.append(operator.call("token", "rotate", "1")[1].strip())
    operator.call("token", "revoke", "2")
    code, out, err = operator.call("token", "list", "--account", "acme")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert [line.split()[:2] for line in lines] == [["1", "replaced"], ["2", "revoked"]]
    assert lines[0].endswith("replaced by 2")
    assert "\x1b" not in out
    assert "read,send  plans all  from everywhere" in out
    as_json = operator.call("token", "list", "--json")[1]
    assert [one["label"] for one in json.loads(as_json)] == ["l\x1b[31m"] * 2
    for token in issued:
        for shown in (out, as_json):
            assert not any(token[start : start + 6] in shown for start in range(3, len(token) - 5))
            assert not any(hash_of(token).hex()[start : start + 8] in shown for start in range(56))
    assert operator.call("token", "list", "--account", "nobody")[0] == 65


def test_db_says_what_is_missing_and_migrates(operator: Operator) -> None:
    assert operator.call("db", "status")[0] == 0
    operator.execute("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    code, out, _ = operator.call("db", "status")
    assert code == 1
    assert "the database is empty" in out
    code, _, err = operator.call("token", "issue", "--account", "acme")
    assert code == 78
    assert "run `trunkline db migrate` first" in err
    code, out, _ = operator.call("db", "migrate")
    assert code == 0
    assert "applied schema.sql" in out
    assert "nothing to do" in operator.call("db", "migrate")[1]
    assert operator.call("db", "status")[0] == 0


# One message of two parts that went through everything; partitions of its days are made by hand.
STORY = f"""
CREATE TABLE msg_x PARTITION OF msg FOR VALUES FROM (msg_id_floor('2024-12-01')) TO (msg_id_floor('2024-12-31'));
CREATE TABLE ref_x PARTITION OF ref FOR VALUES FROM ('2024-12-01') TO ('2024-12-31');
CREATE TABLE attempt_x PARTITION OF attempt FOR VALUES FROM ('2024-12-01') TO ('2024-12-31');
CREATE TABLE receipt_x PARTITION OF receipt FOR VALUES FROM ('2024-12-01') TO ('2024-12-31');
CREATE TABLE hook_attempt_x PARTITION OF hook_attempt FOR VALUES FROM ('2024-12-01') TO ('2024-12-31');
INSERT INTO msg (plan_id, msg_id, account_id, sender, recipient, body, client_reference, country, encoding, parts,
    expires_at)
    VALUES (1, '{ID}', 1, '12345', '+31612345678', E'secret\\ntext', E'ref\\x1b[31m', 'NL', 0, 2, '2024-12-06');
INSERT INTO attempt VALUES (1, '{ID}', 1, 1, 1, 0, '2024-12-03 12:00:01Z', '2024-12-03 12:00:01.5Z', 'throttled', 88,
    '2024-12-03 12:00:10Z');
INSERT INTO ref VALUES (1, '77', '+31612345678', 1, '{ID}', 1, 2, 1, 1, false, '2024-12-03 12:00:10Z',
    '2024-12-03 12:00:10.025Z');
INSERT INTO inflight (plan_id, msg_id, part_no, carrier_id, epoch, claim_no, claimed_at, tries,
    resubmitted) VALUES (1, '{ID}', 2, 1, 9, 1, '2024-12-03 12:00:10Z', 0, false);
INSERT INTO receipt (carrier_id, link_id, received_at, canonical_id, recipient, plan_id, msg_id, part_no, stat, err,
    status, error_code)
    VALUES (1, 1, '2024-12-03 12:00:12Z', '77', '+31612345678', 1, '{ID}', 1, 'DELIVRD', '000', 2, 0);
INSERT INTO parked (carrier_id, canonical_id, source, destination, received_at, link_id, stat, err, status, error_code)
    VALUES (1, '77', '1', '2', '2024-12-03 12:00:13Z', 1, E'UN\\u2028', '001', 3, 101);
INSERT INTO part_outcome VALUES (1, '{ID}', 1, 2, 0, false, '2024-12-03 12:00:12Z');
INSERT INTO doubt VALUES (1, '{ID}', 2, 1, '+31612345678', 901, '2024-12-03 12:00:14Z',
    '2024-12-03 12:10:14Z', 0, false);
INSERT INTO mt_queue VALUES (1, 1, 0, '{ID}', 2, 1, 1, true, '2024-12-06');
INSERT INTO mt_later VALUES (1, '{ID}', '2024-12-03 12:30:00Z', 1, 0, 2, 1, 1, true, '2024-12-06');
INSERT INTO hook_queue VALUES (1, 'https://a:443', '2024-12-03 13:00:00Z', '{ID}', 2, 1, true, 'https://a/dlr');
INSERT INTO hook_target VALUES (1, 'dlr', 'https://a/dlr', '2024-12-03 12:00:13Z');
INSERT INTO hook_attempt VALUES (1, '{ID}', 2, 1, '2024-12-03 12:00:13Z', 503, null, 12, null, '2024-12-03 13:00:00Z');
INSERT INTO hook_dead VALUES (1, '{ID}', 1, 'https://a:443', 'https://a/dlr', 3, 'gone', '2024-12-03 12:00:15Z',
    '2024-12-03 12:00:16Z');
"""


def test_a_message_tells_its_story(operator: Operator) -> None:
    operator.call("apply", str(operator.file))
    operator.execute(STORY)
    code, out, err = operator.call("message", "show", str(ID))
    assert (code, err) == (0, "")
    lines = [re.sub(r" \([A-Z][^()]*\)", "", line) for line in out.splitlines()]  # the catalogue's words
    assert lines == [
        f"{ID}  SENT",
        "12345 → +3161•••••78  NL",
        lines[2],
        "reference ref\\u001b[31m",
        "",
        "2024-12-03  11:01:16.698  accepted, 2 parts, worth delivering until 2024-12-06 00:00:00",
        "            12:00:01.000  claimed for north: part 1, try 1",
        "            12:00:01.500  throttled 0x00000058: part 1 at north/a; tried again at 2024-12-03 12:00:10",
        "            12:00:10.000  claimed for north: part 1, try 2",
        "            12:00:10.000  claimed for north: part 2, try 1",
        "            12:00:10.025  accepted by the carrier: part 1 of 2 by north/a as 77, 25 ms",
        "            12:00:12.000  receipt DELIVRD err 000 for part 1 from north/a: DELIVERED",
        "            12:00:12.000  part 1 ended by its receipt: DELIVERED",
        "            12:00:13.000  receipt UN\\u2028 err 001 from north/a: FAILED 101, not taken up yet",
        "            12:00:13.000  webhook for final state, attempt 1: HTTP 503, 12 ms; again at 2024-12-03 13:00:00",
        "            12:00:14.000  claimed for north: part 2, try 1",
        "            12:00:15.000  webhook for SENT given up after 3 attempts: gone",
        "            12:00:16.000  webhook for SENT replayed",
        "",
        "next",
        "  waits in the queue of north (priority 0), until 2024-12-06 00:00:00",
        "  goes into the queue of north at 2024-12-03 12:30:00",
        "  part 2 is with dispatcher 9 (unknown, pid -), which waits for the answer of north",
        "  part 2: outcome unknown (901), decided at 2024-12-03 12:10:14",
        "  waits for the carrier's receipt",
        "  webhook for final state to https://a/dlr: attempt 2 due since 2024-12-03 13:00:00;"
        " its receiver has failed since 2024-12-03 12:00:13",
    ]
    assert "plan otp (" in out
    operator.execute("UPDATE msg SET status = 3, error_code = 101, late = true, final_at = '2024-12-03 12:00:20Z'")
    _, out, _ = operator.call("message", "show", str(ID), "--text")
    assert out.startswith(f"{ID}  FAILED 101 (")
    assert ", late\n" in out
    assert "12345 → +31612345678  NL" in out
    assert "text secret\\u000atext" in out
    assert "waits for the carrier's receipt" not in out
    _, out, _ = operator.call("message", "show", str(ID), "--json")
    document = json.loads(out)
    assert document["status"] == "FAILED"
    assert [event["kind"] for event in document["events"]][-1] == "final"
    assert "secret" not in out
    assert "+31612345678" not in out
    assert operator.call("message", "show", str(UUID(int=ID.int + 1)))[0] == 1


def test_a_message_that_waits_is_cancelled(operator: Operator) -> None:
    operator.call("apply", str(operator.file))
    operator.execute(
        STORY.strip().split(";")[0],  # the day's partition
        "INSERT INTO msg (plan_id, msg_id, account_id, recipient, encoding, parts, expires_at)"
        f" VALUES (1, '{ID}', 1, '+31612345678', 0, 1, trunkline_now())",
        f"INSERT INTO mt_queue VALUES (1, 1, 0, '{ID}', 1, 1, 0, false, trunkline_now())",
    )
    assert operator.call("message", "cancel", str(ID)) == (0, f"{ID} cancelled\n", "")
    _, out, _ = operator.call("message", "show", str(ID))
    assert out.startswith(f"{ID}  FAILED 610")
    assert "waits in the queue" not in out
    code, _, err = operator.call("message", "cancel", str(ID))
    assert (code, "final" in err) == (1, True)
    assert operator.call("message", "cancel", str(UUID(int=ID.int + 1)))[0] == 1

    async def noted() -> list[str]:
        conn = await db.connect(operator.dsn, name="test")
        notices = await audit.entries(conn, f"message {ID}")
        await conn.close()
        return [notice.action for notice in notices]

    assert asyncio.run(noted()) == ["message.cancelled"]


def test_every_statement_of_the_timeline_is_understood(operator: Operator) -> None:
    async def main() -> None:
        conn = await db.connect(operator.dsn, name="test")
        for statement in timeline._SQL.statements.values():
            await conn.prepare(statement)
        await conn.close()

    asyncio.run(main())
