"""The documentation over real HTTP: /docs and its slugs (CONTRACT §1)."""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

import pytest
from api_rig import Rig

from trunkline.contract.problem import Refusal, problem_of
from trunkline.domain.errors import PROBLEMS

HTML = {"Accept": "text/html,application/xhtml+xml"}


def test_a_slug_leads_to_its_page(rig: Rig) -> None:
    first = rig.ask("GET", "/docs/api/authentication")
    assert (first.status, first.headers["location"]) == (301, "/docs/api/authentication/")
    page = rig.ask("GET", "/docs/api/authentication/")
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"<h1" in page.body
    assert rig.ask("GET", "/docs").headers["location"] == "/docs/"
    assert rig.ask("GET", "/docs/").status == 200


def test_scripts_of_a_page_are_allowed_by_hash_alone(rig: Rig) -> None:
    policy = rig.ask("GET", "/docs/").headers["content-security-policy"]
    assert "unsafe" not in policy
    assert len(re.findall(r"'sha256-", policy.partition("script-src")[2])) == 4
    assert "http" not in policy


def test_files_that_have_their_hash_in_their_name_are_kept(rig: Rig) -> None:
    script = re.search(rb'src="\./(assets/javascripts/bundle\.[0-9a-f]+\.min\.js)"', rig.ask("GET", "/docs/").body)
    assert script
    kept = rig.ask("GET", f"/docs/{script[1].decode()}")
    assert (kept.status, kept.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert "immutable" in kept.headers["cache-control"]
    assert rig.ask("GET", "/docs/assets/trunkline.css").headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path", ["/docs/nothing", "/docs/api/nothing/", "/docs/../pyproject.toml", "/docs/%2e%2e/app.py"]
)
def test_where_nothing_is_people_get_a_page_and_programs_a_problem(rig: Rig, path: str) -> None:
    page = rig.ask("GET", path, headers=HTML)
    assert (page.status, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert b'href="/docs/api/authentication/"' in page.body
    assert rig.ask("GET", path).code == "not_found"


def test_the_index_for_models(rig: Rig) -> None:
    index = rig.ask("GET", "/llms.txt")
    assert (index.status, index.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert index.body == rig.ask("GET", "/docs/llms.txt").body
    addresses = re.findall(rb"\]\((/docs/[^)]+\.md)\)", index.body)
    assert len(addresses) > 12
    for address in addresses:
        source = rig.ask("GET", address.decode())
        assert (source.status, source.headers["content-type"]) == (200, "text/markdown; charset=utf-8")


def test_pages_are_read_only(rig: Rig) -> None:
    assert rig.ask("POST", "/docs/").code == "method_not_allowed"
    head = rig.ask("HEAD", "/docs/")
    assert (head.status, head.body) == (200, b"")


def test_the_type_of_every_problem_leads_to_its_entry(rig: Rig) -> None:
    """As a client resolves it: against the address that it asked, over the redirect, to the anchor."""
    types = {urlsplit(problem_of(Refusal(code, "x"), "1").type) for code in PROBLEMS}
    (path,) = {url.path for url in types}
    asked = urljoin("http://a.example/v1/messages/sms/x?servicePlanId=1", path)
    reply = rig.ask("GET", urlsplit(asked).path, token=None)
    if reply.status == 301:
        reply = rig.ask("GET", urljoin(path, reply.headers["location"]), token=None)
    anchors = set(re.findall(r'id="([a-z_]+)"', reply.body.decode()))
    assert reply.status == 200
    assert {url.fragment for url in types} <= anchors
