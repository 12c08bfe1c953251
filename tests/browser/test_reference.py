"""The reference page in a real browser: it works offline, and its Try it talks to the mock and to the API."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest
from api_rig import PLAN, RECIPIENT, SENDER, Rig

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_DEADLINE_MS = 60_000
MESSAGE = {"servicePlanId": PLAN, "channel": "SMS", "from": SENDER, "to": RECIPIENT, "body": "From the page"}


class Visit:
    """The page at one operation, and what happened on it."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self.origin = origin
        self.asked: list[str] = []
        self.complaints: list[str] = []
        page.set_default_timeout(_DEADLINE_MS)
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on(
            "console", lambda said: self.complaints.append(said.text) if said.type in ("error", "warning") else None
        )
        page.goto(f"{origin}/openapi/sms#tag/outbound-sms/POST/v1/sendsms")
        page.get_by_role("heading", name="Send SMS message").wait_for()

    def open_client(self) -> None:
        self.page.get_by_role("button", name="Test Request (post /v1/sendsms)").click()
        self.page.get_by_role("button", name="Send", exact=False).last.wait_for()

    def write_body(self, text: str) -> None:
        self.page.locator('.cm-content[contenteditable="true"]').filter(has_text="servicePlanId").fill(text)

    def send(self) -> tuple[str, int]:
        """Where the request went, and the status of its answer, once the page shows both it and its body: one that
        follows too soon is overtaken on the page by what is still to be shown of this one."""
        with self.page.expect_response(lambda response: "/sendsms" in response.url) as expected:
            self.page.keyboard.press("Control+Enter")
        answer = expected.value
        self.page.get_by_text(f"{answer.status} {answer.status_text}").first.wait_for()
        told = answer.json()
        self.page.locator(".cm-content").filter(has_text=told.get("msgId") or told["detail"]).wait_for()
        return answer.url, answer.status


@pytest.fixture
def visit(browser: Browser, rig: Rig) -> Iterator[Visit]:
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    yield Visit(page, f"http://127.0.0.1:{rig.port}")
    page.close()


def test_try_it_asks_the_mock_and_nobody_else(visit: Visit, rig: Rig) -> None:
    before = rig.sql("SELECT count(*) FROM msg")[0][0]
    visit.open_client()
    url, status = visit.send()
    assert (url.partition("?")[0], status) == (f"{visit.origin}/mock/v1/sendsms", 202)
    assert visit.complaints == []
    visit.write_body(json.dumps({**MESSAGE, "to": "0015550002222"}))
    url, status = visit.send()
    assert (url.partition("?")[0], status) == (f"{visit.origin}/mock/v1/sendsms", 400)
    visit.page.get_by_text("must be an E.164 number").first.wait_for()
    # A refused request is the one thing that the browser itself complains about.
    assert all("status of 400" in complaint for complaint in visit.complaints), visit.complaints
    assert all(one.startswith((f"{visit.origin}/", "data:", "blob:")) for one in visit.asked), visit.asked
    assert rig.sql("SELECT count(*) FROM msg")[0][0] == before


def test_the_other_server_is_the_real_one(visit: Visit, rig: Rig) -> None:
    page = visit.page
    page.get_by_role("button", name="Server:").first.click()
    page.get_by_role("option").filter(has_not_text="/mock").first.click()
    page.get_by_placeholder("Token").first.fill(rig.tokens["full"])
    visit.open_client()
    visit.write_body(json.dumps(MESSAGE))
    url, status = visit.send()
    assert (url.partition("?")[0], status) == (f"{visit.origin}/v1/sendsms", 202)
    assert rig.sql("SELECT count(*) FROM msg WHERE body = $1", MESSAGE["body"])[0][0] == 1
    assert visit.complaints == []


def test_webhooks_and_error_codes_are_on_the_page(visit: Visit) -> None:
    visit.page.get_by_role("button", name="Open Group - Webhooks").click()
    visit.page.get_by_text("Delivery receipt (DLR)").first.wait_for()
    visit.page.goto(f"{visit.origin}/openapi/sms#description/delivery-codes")
    visit.page.get_by_text("Subscriber absent or unreachable").first.wait_for()
    assert visit.complaints == []


# -- without a browser --------------------------------------------------------------------------------------------


def test_the_bundle_is_the_one_that_its_sum_names(rig: Rig) -> None:
    folder = files("trunkline.api.openapi") / "scalar"
    digest, name = folder.joinpath("SHA256SUMS").read_text().split()
    script = gzip.decompress(folder.joinpath(f"{name}.gz").read_bytes())
    assert hashlib.sha256(script).hexdigest() == digest
    assert "MIT License" in folder.joinpath("LICENSE").read_text()
    page = rig.ask("GET", "/openapi/sms", token=None)
    path = page.body.decode().partition('<script src="')[2].partition('"')[0]
    assert rig.ask("GET", path, token=None).body == script
    packed = rig.ask("GET", path, token=None, headers={"Accept-Encoding": "gzip"})
    assert (packed.headers["content-encoding"], gzip.decompress(packed.body)) == ("gzip", script)
    assert "immutable" in packed.headers["cache-control"]


def test_the_policy_lets_nothing_in_or_out(rig: Rig) -> None:
    page = rig.ask("GET", "/openapi/sms", token=None)
    policy = dict(rule.strip().split(" ", 1) for rule in page.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["connect-src"] == "'self'"
    assert "unsafe" not in policy["script-src"]
    assert not any("http" in sources or "*" in sources for sources in policy.values())
