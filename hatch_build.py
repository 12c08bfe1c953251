"""Builds the documentation into the wheel, editable ones too, as the package `trunkline_docs`: hatchling's hook.

The pages are Markdown: the customers' in docs/site, the operators' in docs, which become /docs/operate/. Not built into
src/trunkline, because then what is served would depend on what an earlier build left there.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = "trunkline_docs"
_UNUSED = ("assets/stylesheets/classic", "assets/images", "sitemap.xml")
_ROOTED = re.compile(r'(?<=(?:ref|src)=")/|(?<="base":")/')
_DESCRIPTION = re.compile(r"\A---\ndescription: (.+)\n---\n")


class Documentation(BuildHookInterface):  # type: ignore[type-arg]
    """Runs before and after each build of a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        self._stage = Path(tempfile.mkdtemp(prefix="trunkline-docs-"))
        site = build(Path(self.root) / "docs", self._stage)
        build_data["force_include_editable" if version == "editable" else "force_include"][str(site)] = PACKAGE

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        shutil.rmtree(self._stage)


def build(docs: Path, stage: Path) -> Path:
    """The site of the pages in `docs`, built in the empty folder `stage`; the folder that it is in."""
    shutil.copytree(docs / "site", stage / "docs")
    operate = stage / "docs" / "operate"
    operate.mkdir()
    for page in docs.glob("*.md"):
        shutil.copy(page, operate / page.name)
    shutil.copy(docs / "zensical.toml", stage)
    done = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict"], cwd=stage, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"zensical: {done.stdout}{done.stderr}")
    site = stage / "site"
    for name in _UNUSED:
        shutil.rmtree(site / name) if (site / name).is_dir() else (site / name).unlink()
    for page in (stage / "docs").rglob("*.md"):
        shutil.copy(page, site / page.relative_to(stage / "docs"))
    missing = site / "404.html"  # served wherever nothing is, so its links are not relative
    missing.write_text(_ROOTED.sub("/docs/", missing.read_text("utf-8")), "utf-8")
    (site / "llms.txt").write_text(index_for_models(stage), "utf-8")
    (site / "__init__.py").write_text('"""The documentation as it is served: files, no code."""\n', "utf-8")
    return site


def index_for_models(stage: Path) -> str:
    """The pages as https://llmstxt.org has it: a heading for each part of the navigation, a line for each page."""
    project = tomllib.loads((stage / "zensical.toml").read_text("utf-8"))["project"]
    lines = [
        f"# {project['site_name']}",
        "",
        f"> {project['site_description']}",
        "",
        "The pages are Markdown at the addresses below, and HTML at the same ones without `index.md` or `.md`. All "
        "error codes as JSON: [error-codes.json](/docs/api/error-codes.json). The API described for programs: "
        "[OpenAPI](/openapi/sms.json).",
    ]
    for title, page in _leaves(project["nav"]):
        if page is None:
            lines += ["", f"## {title}", ""]
            continue
        found = _DESCRIPTION.match((stage / "docs" / page).read_text("utf-8"))
        lines.append(f"- [{title}](/docs/{page})" + (f": {found[1]}" if found else ""))
    return "\n".join(lines) + "\n"


def _leaves(nav: list[Any]) -> Iterator[tuple[str, str | None]]:
    """Titles and pages in order; a part of the navigation is a title without page before its pages."""
    for entry in nav:
        ((title, inside),) = entry.items()
        if isinstance(inside, str):
            yield title, inside
        else:
            yield title, None
            yield from _leaves(inside)
