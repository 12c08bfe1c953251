"""Tables and JSON of the customers' pages say what the contract's structs and the catalogue say."""

from __future__ import annotations

import json
import re
from typing import Any, get_args

import msgspec
import pytest
from pages_read import PAGES, Block, blocks, table, text

from trunkline.contract.dry_run import DryRun
from trunkline.contract.listing import read_list
from trunkline.contract.problem import Fault, Problem, Refusal
from trunkline.contract.record import DeliveryReceipt, InboundMessage
from trunkline.contract.send import SendRequest, read_send
from trunkline.domain import callback
from trunkline.domain.errors import DELIVERY_CODES, PROBLEMS

SMS = "api/channels/sms"
FIELDS: dict[str, type] = {
    f"{SMS}/outbound-sms/send-sms-message.md": SendRequest,
    f"{SMS}/inbound-sms/receive-message.md": InboundMessage,
    f"{SMS}/status-reports/delivery-receipts.md": DeliveryReceipt,
    "api/error-codes.md": Problem,
}
JSON = [block for page in PAGES for block in blocks(page) if block.language == "json"]


@pytest.mark.parametrize("page", FIELDS)
def test_the_table_has_the_fields_of_the_struct(page: str) -> None:
    assert [row[0].strip("`") for row in table(page, "field")] == [
        field.encode_name for field in msgspec.structs.fields(FIELDS[page])
    ]


def test_the_table_says_which_fields_are_required() -> None:
    rows = table(f"{SMS}/outbound-sms/send-sms-message.md", "field")
    fields = msgspec.structs.fields(SendRequest)
    assert [row[1] for row in rows] == ["yes" if field.required else "no" for field in fields]


@pytest.mark.parametrize("page", [page for page in FIELDS if FIELDS[page] is not SendRequest])
def test_the_table_says_which_fields_may_be_null_or_missing(page: str) -> None:
    for row, field in zip(table(page, "field"), msgspec.structs.fields(FIELDS[page]), strict=True):
        assert ("or null" in row[1]) == _may_be_null(field.type), row
        assert row[2].startswith("only ") == (not field.required), row


def _may_be_null(hint: Any) -> bool:
    return hint is type(None) or any(_may_be_null(one) for one in get_args(hint))


def test_the_table_has_what_a_dry_run_answers() -> None:
    rows = table(f"{SMS}/outbound-sms/send-sms-message.md", "answer")
    for row, field in zip(rows, msgspec.structs.fields(DryRun), strict=True):
        assert row[0] == f"`{field.encode_name}`"
        assert ("or null" in row[1]) == _may_be_null(field.type), row


def test_the_table_has_the_parameters_of_a_list() -> None:
    rows = [[row[0].strip("`"), row[1]] for row in table(f"{SMS}/message-logs/list-message-logs.md", "parameter")]
    plan = b"servicePlanId=222222222222222222222222"
    for name, required in rows:
        # A parameter that exists has a value that is wrong, or right; one that does not is named as unknown.
        refusal = read_list(plan + b"&" + name.encode() + b"=~")
        found = [fault.code for fault in refusal.faults if fault.field == name] if isinstance(refusal, Refusal) else []
        assert "unknown_field" not in found
        alone = read_list(plan + b"&" + {"limit": b"limit=1", "direction": b"direction=MO"}.get(name, b""))
        assert isinstance(alone, Refusal)
        assert (required == "no, see below") == (name in alone.detail)
    unknown = read_list(plan + b"&other=1")
    assert isinstance(unknown, Refusal)
    assert unknown.code == "validation_failed"
    assert len(rows) == 11


def test_every_block_of_json_is_json_and_as_the_contract_has_it() -> None:
    for block in JSON:
        _check(block, json.loads(block.code))


def _check(block: Block, value: Any) -> None:
    if isinstance(value.get("data"), list):
        assert value["pagination"].keys() == {"limit", "nextCursor", "hasMore"}
        for record in value["data"]:
            _check(block, record)
    elif "direction" in value:
        struct: type = {"MT": DeliveryReceipt, "MO": InboundMessage}[value["direction"]]
        _complete(struct, value)
        if struct is DeliveryReceipt:
            assert value["errorMessage"] == DELIVERY_CODES[value["errorCode"]].title
    elif "encoding" in value:
        _complete(DryRun, value)
    elif "code" in value:
        entry = PROBLEMS[value["code"]]
        _complete(Problem, value)
        assert (value["title"], value["status"]) == (entry.title, entry.status)
        assert value["type"] == f"/docs/api/error-codes#{entry.code}"
    else:
        assert value.keys() <= {field.encode_name for field in msgspec.structs.fields(SendRequest)}


def _complete(struct: type, value: dict[str, Any]) -> None:
    """All fields that are always there, in their order, and no others but those that are there at times."""
    fields = msgspec.structs.fields(struct)
    assert [*value] == [field.encode_name for field in fields if field.required or field.encode_name in value]
    msgspec.convert(value, struct)


def test_the_refusal_that_is_shown_is_the_one_that_comes() -> None:
    (shown,) = [json.loads(block.code) for block in JSON if block.page == "api/error-codes.md"]
    (sent,) = [re.search(r"\{.*\}", block.code, re.DOTALL) for block in blocks("api/error-codes.md")
               if block.language == "bash"]  # fmt: skip
    assert sent
    refusal = read_send(sent[0].encode(), 0, callback.Policy())
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.detail) == (shown["code"], shown["detail"])
    assert [*refusal.faults] == msgspec.convert(shown["errors"], list[Fault])


def test_every_code_that_a_page_names_exists() -> None:
    known = {*PROBLEMS, *DELIVERY_CODES, "problems", "delivery-codes", "handle-a-refusal"}
    for page in PAGES:
        named = set(re.findall(r"error-codes\.md#([\w-]+)", text(page)))
        assert named <= known, page
