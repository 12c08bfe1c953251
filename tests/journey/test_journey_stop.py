"""A handset says STOP, and START again: through all processes, as the customer sees it."""

import subprocess
import sys

from sandbox_rig import until

COMMAND = [sys.executable, "-c", "from trunkline.cli import main; main()"]
HANDSET, SENDER = "+15550003333", "+15550001111"


def test_stop_and_start(sandbox):
    def says(text):
        status, answer = sandbox.ask("POST", "/sandbox/mo", {"from": HANDSET, "to": SENDER, "body": text})
        assert status < 300, answer

    def ended(msg_id, *states):
        return until(lambda: (record := sandbox.record(msg_id))["status"] in states and record, 15)

    says("Stop, please")
    stopped = sandbox.send(HANDSET)["msgId"]
    assert ended(stopped, "FAILED", "SENT", "DELIVERED")["errorCode"] == "605"
    query = f"servicePlanId={sandbox.plan}&to=%2B{HANDSET[1:]}"

    def listed():
        return [record["body"][:20] for record in sandbox.ask("GET", f"/v1/messages/sms?{query}")[1]["data"]]

    assert sorted(listed()) == ["Hello", "You are unsubscribed"]
    show = subprocess.run([*COMMAND, "message", "show", stopped], cwd=sandbox.folder, capture_output=True, text=True)
    assert "the recipient opted out of messages from +15550001111, by message " in show.stdout, show.stderr
    says("START")
    assert ended(sandbox.send(HANDSET)["msgId"], "FAILED", "SENT", "DELIVERED")["errorCode"] == "000"
    assert sorted(listed()) == ["Hello", "Hello", "You are subscribed t", "You are unsubscribed"]
