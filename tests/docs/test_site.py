"""The documentation as it was built: pages, links, anchors, nothing from elsewhere."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from posixpath import join, normpath
from urllib.parse import unquote, urlsplit

import pytest
from pages_read import PAGES, SITE

from trunkline.api import reference
from trunkline.domain.errors import DELIVERY_CODES, PROBLEMS

BUILT = Path(str(resources.files("trunkline_docs")))
HTML = sorted(page.relative_to(BUILT).as_posix() for page in BUILT.rglob("*.html"))
DESCRIBED = {path.decode() for path in reference.paths()}  # the API's description, beside the pages
SLUGS = [
    "authentication",
    "rate-limits",
    "error-codes",
    "webhooks",
    "channels/sms",
    "channels/sms/outbound-sms/send-sms-message",
    "channels/sms/inbound-sms/receive-message",
    "channels/sms/message-logs/list-message-logs",
    "channels/sms/status-reports/delivery-receipts",
    "channels/sms/status-reports/delivery-receipts-webhook",
]


class _Page(HTMLParser):
    """What a page has and needs: ids, links, what a browser would load."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given["href"]] if tag == "a" and "href" in given else []
        self.loads += [given["href"]] if tag == "link" and "href" in given else []
        self.loads += [given[name] for name in ("src", "srcset", "data", "poster") if name in given and tag != "a"]
        self.inline += [name for name in given if name == "style" or name.startswith("on")]
        self.inline += ["style element"] if tag == "style" else []


@cache
def read(page: str) -> _Page:
    parser = _Page()
    parser.feed((BUILT / page).read_text("utf-8"))
    return parser


def address(page: str) -> str:
    """The path that a built page is served at."""
    return "/docs/" + page.removesuffix("index.html")


def target(page: str, link: str) -> tuple[str, str]:
    """Path and anchor that a link of a page leads to."""
    parts = urlsplit(link)
    path = normpath(join(address(page), unquote(parts.path))) if parts.path else address(page)
    return path, parts.fragment


def file_of(path: str) -> Path | None:
    """The file that is served at a path."""
    file = BUILT / path.removeprefix("/docs").lstrip("/")
    return next((one for one in (file / "index.html", file) if one.is_file()), None)


def test_the_pages_were_built_from_these_sources() -> None:
    changed = [page for page in PAGES if (BUILT / page).read_text("utf-8") != (SITE / page).read_text("utf-8")]
    operate = {page.name: page.read_text("utf-8") for page in SITE.parent.glob("*.md")}
    changed += [name for name, text in operate.items() if (BUILT / "operate" / name).read_text("utf-8") != text]
    assert not changed, "run: uv sync"


@pytest.mark.parametrize("slug", SLUGS)
def test_the_slug_has_a_page(slug: str) -> None:
    assert file_of(f"/docs/api/{slug}") == BUILT / "api" / slug / "index.html"


def _nav(entries: list[dict[str, object]]) -> Iterator[str]:
    for entry in entries:
        for inside in entry.values():
            if isinstance(inside, str):
                yield inside
            else:
                assert isinstance(inside, list)
                yield from _nav(inside)


def test_the_navigation_has_every_page_once() -> None:
    nav = tomllib.loads((SITE.parent / "zensical.toml").read_text("utf-8"))["project"]["nav"]
    assert sorted(_nav(nav)) == sorted([*PAGES, *(f"operate/{page.name}" for page in SITE.parent.glob("*.md"))])


@pytest.mark.parametrize("page", HTML)
def test_links_lead_somewhere(page: str) -> None:
    broken = []
    for link in read(page).links + read(page).loads:
        if urlsplit(link).scheme:
            continue
        path, anchor = target(page, link)
        found = file_of(path) if path.startswith("/docs") else None
        if found is None:
            broken += [] if path in DESCRIBED else [link]
        elif anchor and anchor not in read(found.relative_to(BUILT).as_posix()).ids and anchor != "__skip":
            broken.append(link)
    assert not broken


@pytest.mark.parametrize("page", HTML)
def test_a_browser_loads_nothing_from_elsewhere(page: str) -> None:
    assert [load for load in read(page).loads if urlsplit(load).scheme or load.startswith("//")] == []


def test_style_sheets_load_nothing_from_elsewhere() -> None:
    for sheet in BUILT.rglob("*.css"):
        found = re.findall(r"""(?:url\(|@import)\s*["']?([^"')\s]{1,40})""", sheet.read_text("utf-8"))
        assert [url for url in found if not url.startswith(("data:", "#"))] == []


@pytest.mark.parametrize("page", HTML)
def test_nothing_inline_but_scripts(page: str) -> None:
    assert read(page).inline == []


def test_no_id_is_there_twice() -> None:
    for page in HTML:
        ids = read(page).ids
        assert len(ids) == len(set(ids)), page


def test_every_code_of_the_catalogue_has_its_anchor() -> None:
    ids = read("api/error-codes/index.html").ids
    assert {*PROBLEMS, *DELIVERY_CODES} <= set(ids)


def test_the_index_for_models_has_every_page() -> None:
    index = (BUILT / "llms.txt").read_text("utf-8")
    listed = re.findall(r"^- \[[^]]+\]\(/docs/([^)]+)\)", index, re.MULTILINE)
    assert sorted(listed) == sorted(page.relative_to(BUILT).as_posix() for page in BUILT.rglob("*.md"))
    assert all((BUILT / page).is_file() for page in listed)
    assert index.startswith("# Trunkline\n\n> ")


def test_pages_of_the_customers_say_what_they_are_about() -> None:
    for page in PAGES:
        assert re.match(r"---\ndescription: .{20,120}\n---\n\n# ", (SITE / page).read_text("utf-8")), page
