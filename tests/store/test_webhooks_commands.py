"""The operator's commands about webhooks on a real database."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from operator_rig import FILE, ID, Operator


@pytest.fixture
def operator(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Operator:
    monkeypatch.chdir(tmp_path)
    return Operator(database, tmp_path)


def test_dead_letters_are_listed_and_replayed(operator: Operator) -> None:
    operator.file.write_text(
        FILE.replace('account = "acme"\n', 'account = "acme"\ndlr_url = "https://a.example.com/dlr"\n')
    )
    operator.call("apply", str(operator.file))
    operator.execute(
        "CREATE TABLE msg_x PARTITION OF msg FOR VALUES FROM (msg_id_floor('2024-12-01')) TO"
        " (msg_id_floor('2024-12-31'))",
        "INSERT INTO msg (plan_id, msg_id, account_id, sender, recipient, body, encoding, parts, expires_at, status)"
        f" VALUES (1, '{ID}', 1, '12345', '+31612345678', 'hi', 0, 1, '2024-12-06', 2)",
        f"INSERT INTO hook_dead VALUES (1, '{ID}', 2, 'https://b', 'https://b/dlr', 10, 'all attempts failed', now())",
        "INSERT INTO hook_target VALUES (1, 'dlr', 'https://a.example.com/dlr', now(), now(), 'gone')",
    )
    code, out, err = operator.call("webhooks", "dead", "--plan", "otp", "--since", "2024-12-01T00:00")
    assert (code, err) == (0, "")
    assert f'{ID}-2  plan "otp"  10 attempts  all attempts failed  "https://b/dlr"' in out
    assert json.loads(operator.call("webhooks", "dead", "--json")[1])[0]["msg_id"] == str(ID)
    assert operator.call("webhooks", "dead", "--since", "yesterday")[0] == 2
    for refused in ([], ["--missing", str(ID)], [f"{ID}-4"], [str(ID), "--status", "failed"]):
        assert operator.call("webhooks", "replay", *refused)[0] == 2
    assert operator.call("webhooks", "replay", f"{ID}-1")[0] == 1

    code, out, err = operator.call("webhooks", "replay", f"{ID}-2")
    assert (code, out) == (0, "0 replayed, 1 disabled\n")
    assert f"{ID}-2 left: its URL is disabled" in err
    assert '"https://a.example.com/dlr"  gone' in operator.call("webhooks", "disabled")[1]
    code, out, err = operator.call("webhooks", "enable", "acme", "--kind", "dlr")
    assert (code, out, err) == (0, 'dlr "https://a.example.com/dlr" is enabled\n', "")
    assert operator.call("webhooks", "enable", "acme")[0] == 65
    assert operator.call("webhooks", "disabled", "--json")[1] == "[]\n"
    assert operator.call("webhooks", "replay", "--missing") == (0, "1 replayed\n", "")
    assert operator.call("webhooks", "dead")[1] == ""
    operator.execute("UPDATE hook_queue SET tries = 3, due_at = now() + interval '1 hour'")
    window = ["--from", "2024-12-01", "--to", "2024-12-31T12:00+01:00"]
    assert operator.call("webhooks", "replay", "--plan", "otp", *window, "--status", "failed")[1] == "1 replayed\n"
    assert operator.call("webhooks", "replay", "--plan", "otp", "--from", "0001-01-01")[1] == "0 replayed\n"


def test_a_url_that_is_set_again_starts_afresh(operator: Operator) -> None:
    with_url = FILE.replace('account = "acme"\n', 'account = "acme"\ndlr_url = "https://a.example.com/dlr"\n')
    operator.file.write_text(with_url)
    operator.call("apply", str(operator.file))
    operator.execute("INSERT INTO hook_target VALUES (1, 'dlr', 'https://a.example.com/dlr', now(), now(), 'gone')")
    operator.call("apply", str(operator.file))
    assert "gone" in operator.call("webhooks", "disabled")[1]
    operator.file.write_text(with_url.replace("a.example", "b.example"))
    operator.call("apply", str(operator.file))
    operator.file.write_text(with_url)
    operator.call("apply", str(operator.file))
    assert operator.call("webhooks", "disabled")[1] == ""
