"""A plan that wants SENT told gets it first, through all processes."""

import subprocess
import sys

from sandbox_rig import until

PLAN = "4" * 24
SET_UP = f"""\
[[plan]]
name = "Every state"
account = "Demo"
id = "{PLAN}"
dlr_url = "https://client.example.com/sms/status"
sent_events = true

[[sender]]
plan = "Every state"
address = "+15550001111"
"""
COMMAND = [sys.executable, "-c", "from trunkline.cli import main; main()"]


def test_sent_is_told_once_for_a_message_of_several_parts(sandbox):
    (sandbox.folder / "every-state.toml").write_text(SET_UP)
    subprocess.run([*COMMAND, "apply", "every-state.toml"], cwd=sandbox.folder, check=True, capture_output=True)

    def sent():
        message = {
            "servicePlanId": PLAN, "channel": "SMS", "from": "+15550001111", "to": "+15005550703", "body": "long " * 100
        }  # fmt: skip
        status, record = sandbox.ask("POST", "/v1/sendsms", message)
        return record if status == 202 else None

    msg_id = until(sent, 10)["msgId"]  # processes know of a new plan within seconds
    (caught,) = sandbox.caught(msgId=msg_id, wait=15)
    assert caught["webhookId"] == f"{msg_id}-1"
    status, record = sandbox.ask("GET", f"/v1/messages/sms/{msg_id}?servicePlanId={PLAN}")
    assert (status, record["status"], record["segments"]) == (200, "SENT", 4)
    assert caught["body"] == record
    assert len(sandbox.caught(msgId=msg_id)) == 1
