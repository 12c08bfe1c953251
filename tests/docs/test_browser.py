"""The customers' pages in a browser: the policy lets through what they need, and the search finds."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from pages_read import PAGES
from playwright.sync_api import BrowserContext, Page, Request, expect, sync_playwright
from sandbox_rig import Sandbox

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")


class Visit:
    """A browser window that keeps account of what went wrong in it."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.page: Page = context.new_page()
        self.trouble: list[str] = []
        self.page.on("console", lambda said: said.type in ("error", "warning") and self.trouble.append(said.text))
        self.page.on("pageerror", lambda error: self.trouble.append(str(error)))
        self.page.on("requestfailed", self._failed)
        self.page.on("response", lambda answer: answer.status >= 400 and self.trouble.append(f"absent: {answer.url}"))
        self.page.on("request", lambda asked: asked.url.startswith(url) or self.trouble.append(f"foreign: {asked.url}"))
        self._docs = f"{url}/docs/"

    def _failed(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # what the page before was still loading when it was left
            self.trouble.append(f"failed: {request.url} {request.failure}")

    def go(self, path: str) -> None:
        self.page.goto(self._docs + path, wait_until="load")


@pytest.fixture(scope="module")
def context() -> Iterator[BrowserContext]:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser.new_context(permissions=["clipboard-read", "clipboard-write"])
        browser.close()


@pytest.fixture
def visit(context: BrowserContext, sandbox: Sandbox) -> Iterator[Visit]:
    one = Visit(context, sandbox.url)
    yield one
    one.page.close()
    assert one.trouble == []


def test_no_page_has_trouble_in_the_browser(visit: Visit) -> None:
    for page in PAGES:
        visit.go(page.removesuffix(".md").removesuffix("index"))
        expect(visit.page.locator("h1")).to_be_visible()


def test_the_search_finds(visit: Visit) -> None:
    visit.go("")
    visit.page.get_by_role("button", name="Search").click()
    visit.page.locator("input:visible").fill("idempotency")
    expect(visit.page.get_by_text("No duplicates").first).to_be_visible()


def test_examples_name_this_server_and_the_chosen_language_stays(visit: Visit, sandbox: Sandbox) -> None:
    visit.go("api/authentication/")
    visit.page.locator(".tabbed-labels").get_by_text("Python").click()
    visit.go("")
    code = visit.page.locator("pre code").filter(has_text="requests.post").first
    expect(code).to_be_visible()
    expect(code).to_contain_text(f'"{sandbox.url}/v1/sendsms"')
    copying = visit.page.locator(".highlight").filter(has=code).locator("button, .md-clipboard").first
    copying.click()
    copied = visit.page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("import requests\n")
    assert sandbox.url in copied


def test_the_anchor_of_a_problem_is_its_row(visit: Visit) -> None:
    visit.go("api/error-codes#rate_limited")
    assert visit.page.url.endswith("/docs/api/error-codes/#rate_limited")
    expect(visit.page.locator("tr:has(:target)")).to_contain_text("429")
    expect(visit.page.locator("tr:has(:target)")).to_be_in_viewport()
