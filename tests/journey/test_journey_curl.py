"""The three commands of the vendor's documentation run as they are printed there."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"

SEND = """
curl -X POST "http://localhost:3000/messages/sms" \\
  -H "Authorization: Bearer <token>" \\
  -H "Content-Type: application/json" \\
  -d '{
    "servicePlanId": "222222222222222222222222",
    "channel": "SMS",
    "from": "+15550001111",
    "to": "+15550002222",
    "body": "Your verification code is 123456",
    "callbackUrl": "https://client.example.com/sms/status"
  }'
"""
INBOUND = """
curl -X POST "http://localhost:3000/sms/inbound" \\
  -H "Content-Type: application/json" \\
  -d '{
    "servicePlanId": "222222222222222222222222",
    "msgId": "019f0000-aaaa-bbbb-cccc-000000000001",
    "channel": "SMS",
    "direction": "MO",
    "from": "+15550002222",
    "to": "+15550001111",
    "keyword": "Need",
    "body": "Need status update for order 12345",
    "receivedAt": "2026-06-22T05:10:03.120Z"
  }'
"""
STATUS = """
curl -X POST "http://localhost:3000/sms/status" \\
  -H "Content-Type: application/json" \\
  -d '{
    "accountId": "111111111111111111111111",
    "servicePlanId": "222222222222222222222222",
    "msgId": "019ee2da-e515-7322-805f-1ac6ce82f20f",
    "channel": "SMS",
    "direction": "MT",
    "from": "+15550001111",
    "to": "+15550002222",
    "body": "Your verification code is 123456",
    "status": "DELIVERED",
    "errorCode": "000",
    "errorMessage": "No error"
  }'
"""
COMMANDS = {"send": SEND, "inbound": INBOUND, "status": STATUS}


def curl(sandbox, command):
    """Status and body of what the command's request is answered with."""
    if shutil.which("curl") is None:
        pytest.skip("there is no curl here")
    watched = command.strip().replace("localhost:3000", f"localhost:{sandbox.port}")
    watched = watched.replace("curl ", "curl -sS --noproxy '*' --max-time 30 -w '\\n%{http_code}' ", 1)
    done = subprocess.run(["sh", "-c", watched], capture_output=True, text=True, timeout=40, check=True)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


@pytest.mark.parametrize("name", COMMANDS)
def test_the_readme_has_the_commands_as_they_are(name):
    text = README.read_text("utf-8")
    if "```" not in text:
        pytest.skip("the README is still to be written")
    blocks = [block.strip() for block in re.findall(r"```(?:bash|sh)\n(.*?)```", text, re.DOTALL)]
    assert COMMANDS[name].strip() in blocks


def test_send(sandbox):
    status, body = curl(sandbox, SEND)
    assert status == 202
    msg_id = re.search(r'"msgId":"([^"]+)"', body)[1]
    (caught,) = sandbox.caught(msgId=msg_id, wait=15)
    assert caught["url"] == "https://client.example.com/sms/status"
    assert caught["body"]["status"] == "DELIVERED"


@pytest.mark.parametrize(("command", "msg_id"), [(INBOUND, "019f0000-aaaa-bbbb-cccc-000000000001"),
                                                 (STATUS, "019ee2da-e515-7322-805f-1ac6ce82f20f")])  # fmt: skip
def test_receivers(sandbox, command, msg_id):
    status, _ = curl(sandbox, command)
    assert 200 <= status < 300
    caught = sandbox.caught(msgId=msg_id)[0]
    assert (caught["signature"], caught["body"]["to"][:5]) == ("absent", "+1555")


def test_the_printed_command_sends_a_message(sandbox):
    printed = re.search(r"^  (curl -X POST.*?}')$", sandbox.greeting, re.DOTALL | re.MULTILINE)[1]
    assert curl(sandbox, printed)[0] == 202
