"""Pages with generated parts are current. `python tests/docs/test_settings_page.py` writes them anew."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from error_tables import delivery_codes, problems

from trunkline.admin import declared
from trunkline.carriers import dialect_fields
from trunkline.cli.reference import reference as commands
from trunkline.runtime import settings

DOCS = Path(__file__).parents[2] / "docs"
GENERATED: dict[str, dict[str, Callable[[], str]]] = {
    "settings.md": {"settings": settings.reference},
    "set-up-file.md": {"sections": declared.reference},
    "carriers.md": {"dialect": dialect_fields.reference},
    "command-line.md": {"commands": commands},
    "site/api/error-codes.md": {"problems": problems, "delivery codes": delivery_codes},
}


def written_anew(page: str) -> str:
    """The page with its generated parts as they should be."""
    text = (DOCS / page).read_text("utf-8")
    for name, generate in GENERATED[page].items():
        start, end = f"<!-- generated: {name} -->\n", "<!-- end -->\n"
        before, rest = text.split(start)
        text = f"{before}{start}\n{generate()}\n{end}{rest.split(end, 1)[1]}"
    return text


@pytest.mark.parametrize("page", GENERATED)
def test_the_generated_parts_are_current(page: str) -> None:
    assert (DOCS / page).read_text("utf-8") == written_anew(page), f"run: python {Path(__file__).name}"


def test_every_setting_is_on_its_page() -> None:
    page = (DOCS / "settings.md").read_text("utf-8")
    for name in settings.SETTINGS:
        assert f"| `{name}` |" in page


def examples(page: str) -> list[str]:
    return re.findall(r"```toml\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)


def test_the_example_settings_are_settings(tmp_path: Path) -> None:
    for number, text in enumerate(examples("settings.md")):
        file = tmp_path / f"{number}.toml"
        file.write_text(text)
        settings.check_listeners(settings.load(environ={}, file=file))


@pytest.mark.parametrize("page", ["prices.md", "guard.md"])
def test_examples_of_sections_have_no_mistakes(page: str) -> None:
    found = examples(page)
    assert found
    for text in found:
        assert declared.read(text, page).document.mistakes == []


def test_the_example_set_up_file_has_no_mistakes() -> None:
    texts = examples("set-up-file.md")
    shown = {name for text in texts for name in tomllib.loads(text)}
    assert shown == {"account", "plan", "sender", "receiver", "carrier", "route"}
    for text in [*texts, *examples("carriers.md")]:
        assert declared.read(text, "example").document.mistakes == []


def test_the_example_routes_have_no_mistakes() -> None:
    assert len(examples("routing.md")) == 5
    for text in examples("routing.md"):
        assert declared.read(text, "example").document.mistakes == []


if __name__ == "__main__":
    for page in GENERATED:
        (DOCS / page).write_text(written_anew(page), "utf-8")
