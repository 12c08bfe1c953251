"""Compile the timezone metadata of phonenumbers and the tz database's zone.tab into the table of numbering.zones.

    uv run --no-project --with phonenumbers==9.0.42 --with tzdata==2026.6 python scripts/compile_zones.py

writes the table (`--check` instead: exit 1 if the table in the tree is not what this would write). It needs the whole
package: phonenumberslite, which the project builds with, leaves this metadata out, and both have one name.
"""

# ruff: noqa: T201  (a command: it prints)

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

TARGET = Path(__file__).parent.parent / "src/trunkline/numbering/zones.tsv"


def countries_of(zone_tab: str) -> dict[str, list[str]]:
    """Country (ISO 3166-1) → its zones."""
    found: dict[str, list[str]] = {}
    for line in zone_tab.splitlines():
        if line and not line.startswith("#"):
            country, _, zone = line.split("\t")[:3]
            found.setdefault(country, []).append(zone)
    return found


def prefixes_of(metadata: Mapping[str, Sequence[str]], calling_codes: Sequence[str]) -> dict[str, list[str]]:
    """Prefix → zones, where they say more than the calling code and than the next shorter prefix."""
    found: dict[str, list[str]] = {}
    for prefix in sorted(metadata, key=lambda prefix: (len(prefix), prefix)):
        zones = sorted(metadata[prefix])
        shorter = next((found[prefix[:n]] for n in range(len(prefix) - 1, 0, -1) if prefix[:n] in found), None)
        if prefix not in calling_codes and zones != shorter:
            found[prefix] = zones
    return found


def is_of_a_place(prefix: str) -> bool:
    """Whether numbers with the prefix belong to a place. The metadata puts others, mobile ones mostly, into the zone of
    the country's capital: that is not where they are."""
    from phonenumbers import NumberParseException, is_number_geographical, is_valid_number, parse

    found = False
    for length in range(7, 16):
        for digit in "0123456789":
            try:
                number = parse("+" + prefix.ljust(length, digit))
            except NumberParseException:
                continue
            if is_valid_number(number):
                found = True
                if is_number_geographical(number):
                    return True
    return not found  # of what there are no numbers of, it does not matter


def compiled() -> str:
    """The text of the table."""
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE
    from phonenumbers.tzdata import TIMEZONE_DATA

    countries = countries_of(files("tzdata").joinpath("zoneinfo", "zone.tab").read_text("utf-8"))
    metadata = {prefix: zones for prefix, zones in TIMEZONE_DATA.items() if is_of_a_place(prefix)}
    prefixes = prefixes_of(metadata, [str(code) for code in COUNTRY_CODE_TO_REGION_CODE])
    lines = [
        f"# Made by scripts/compile_zones.py of phonenumbers {version('phonenumbers')} (Apache-2.0)",
        f"# and the zone.tab of tzdata {version('tzdata')} (public domain). By country, then by prefix of the number.",
    ]
    lines += ["\t".join((key, ",".join(zones))) for key, zones in sorted(countries.items())]
    lines += ["\t".join((key, ",".join(zones))) for key, zones in sorted(prefixes.items())]
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    text = compiled()
    if arguments == ["--check"]:
        current = TARGET.read_text("utf-8") == text
        print(f"{TARGET.name}: {'current' if current else 'out of date, run scripts/compile_zones.py'}")
        return 0 if current else 1
    TARGET.write_text(text, "utf-8")
    print(f"{TARGET}: {text.count(chr(10)) - 2} rows")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
