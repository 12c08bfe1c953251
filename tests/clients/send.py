"""Sends a message with the client that is made from the description, and reads its record."""

import json
import sys

from client import AuthenticatedClient
from client.api.logs_and_status import get_message, list_messages
from client.api.outbound_sms import cancel_message, send_sms
from client.models import DeliveryReceipt, MessagePage, Problem, SendRequest, SendRequestChannel

base_url, token, plan = sys.argv[1:]
message = SendRequest(plan, SendRequestChannel.SMS, from_="+15550001111", to="+15550002222", body="From Python")
with AuthenticatedClient(base_url, token) as client:
    sent = send_sms.sync(client=client, body=message, idempotency_key="from-python")
    assert isinstance(sent, DeliveryReceipt), sent
    again = send_sms.sync(client=client, body=message, idempotency_key="from-python")
    assert again == sent
    found = get_message.sync(sent.msg_id, client=client, service_plan_id=plan)
    assert found == sent
    page = list_messages.sync(client=client, service_plan_id=plan, to=message.to, limit=1)
    assert isinstance(page, MessagePage)
    assert page.data[0].msg_id == sent.msg_id
    cancelled = cancel_message.sync(sent.msg_id, client=client, service_plan_id=plan)
    assert isinstance(cancelled, DeliveryReceipt)
    refused = cancel_message.sync(sent.msg_id, client=client, service_plan_id=plan)
    assert isinstance(refused, Problem)
told = {"msgId": str(sent.msg_id), "status": sent.status, "cancelled": cancelled.error_code, "problem": refused.code}
print(json.dumps(told))
