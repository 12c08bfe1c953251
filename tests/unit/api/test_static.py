"""Static files: what a path leads to, which form is sent, when it is not sent again."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from trunkline.api.exchange import Request, Response
from trunkline.api.static import FOR_EVER, File, Folder

PAGE = b"<p>page</p>" * 200


def request(path: str = "/docs/", query: bytes = b"", **headers: str) -> Request:
    named = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return Request(b"GET", path.encode(), query, named, b"", False, "", "1")


def header(response: Response, name: str) -> str | None:
    lines = dict(line.split(": ", 1) for line in response.headers.decode().split("\r\n")[:-1])
    return lines.get(name)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    root = tmp_path / "site"
    (root / "api" / "errors").mkdir(parents=True)
    (root / "index.html").write_bytes(PAGE)
    (root / "api" / "errors" / "index.html").write_bytes(b"errors")
    (root / "a b.txt").write_bytes(b"spaced")
    (root / "big.js.gz").write_bytes(gzip.compress(b"let x;" * 1000))
    (root / "dot.png").write_bytes(b"\x89PNG" * 1000)
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "site-secret").write_bytes(b"secret")
    return Folder(
        root, policy="default-src 'none'", cache=lambda path: FOR_EVER if path.endswith(".js") else "no-cache"
    )


def body(folder: Folder, path: str) -> bytes | None:
    answer = folder.answer(request(path), "/docs/")
    return None if answer is None else answer.body


def test_paths_lead_to_files(folder: Folder) -> None:
    assert body(folder, "/docs/") == PAGE
    assert body(folder, "/docs/index.html") == PAGE
    assert body(folder, "/docs/api/errors/") == b"errors"
    assert body(folder, "/docs/a%20b.txt") == b"spaced"
    assert body(folder, "/docs/big.js") == b"let x;" * 1000
    assert folder.paths >= {"index.html", "big.js", "api/errors/index.html"}


@pytest.mark.parametrize(
    "path",
    ["x", "index", "api", "api/", "../secret", "..%2fsecret", "%2e%2e/secret", "/secret", "../site-secret",
     "api/errors/../../index.html", "index.html/", "%00", "%ff"],
)  # fmt: skip
def test_no_path_leads_out(folder: Folder, path: str) -> None:
    assert folder.answer(request(f"/docs/{path}"), "/docs/") is None


def test_a_page_without_its_slash_is_sent_there(folder: Folder) -> None:
    answer = folder.answer(request("/docs/api/errors", b"x=1"), "/docs/")
    assert answer is not None
    assert (answer.status, header(answer, "location")) == (301, "/docs/api/errors/?x=1")


def test_headers_of_a_file(folder: Folder) -> None:
    answer = folder.answer(request("/docs/"), "/docs/")
    assert answer is not None
    assert header(answer, "content-type") == "text/html; charset=utf-8"
    assert header(answer, "content-security-policy") == "default-src 'none'"
    assert header(answer, "cache-control") == "no-cache"
    assert header(answer, "x-content-type-options") == "nosniff"
    script = folder.answer(request("/docs/big.js"), "/docs/")
    assert script is not None
    assert header(script, "cache-control") == FOR_EVER


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [("gzip", True), ("br, gzip;q=0.5", True), ("*", True), ("GZIP", True), ("x-gzip", True), ("gzip; q=0", False),
     ("gzip;q=0.000", False), ("br", False), ("", False), ("identity", False)],
)  # fmt: skip
def test_gzip_is_sent_where_it_is_taken(folder: Folder, accepted: str, packed: bool) -> None:
    for path, plain in (("/docs/", PAGE), ("/docs/big.js", b"let x;" * 1000)):
        answer = folder.answer(request(path, accept_encoding=accepted), "/docs/")
        assert answer is not None
        assert header(answer, "content-encoding") == ("gzip" if packed else None)
        assert (gzip.decompress(answer.body) if packed else answer.body) == plain
        assert header(answer, "vary") == "accept-encoding"


def test_small_and_packed_files_are_sent_as_they_are(folder: Folder) -> None:
    for path in ("/docs/api/errors/", "/docs/dot.png"):
        answer = folder.answer(request(path, accept_encoding="gzip"), "/docs/")
        assert answer is not None
        assert header(answer, "content-encoding") is None


def test_what_the_client_has_is_not_sent_again() -> None:
    file = File(PAGE, "text/html", policy="default-src 'none'")
    plain, packed = (file.answer(request(accept_encoding=coding)) for coding in ("", "gzip"))
    tags = header(plain, "etag"), header(packed, "etag")
    assert tags[0] != tags[1]  # two forms, two strong tags
    for given in (tags[0], f"W/{tags[0]}", f'"x", {tags[0]}', "*"):
        again = file.answer(request(if_none_match=str(given)))
        assert (again.status, again.body, header(again, "etag")) == (304, b"", tags[0])
        assert header(again, "content-type") is None
    assert file.answer(request(if_none_match=str(tags[1]))).status == 200
    assert file.answer(request(if_none_match='"x"')).status == 200
    assert File(PAGE + b"x", "text/html").answer(request(if_none_match=str(tags[0]))).status == 200
