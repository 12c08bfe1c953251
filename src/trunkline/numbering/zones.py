"""The time zones in which the holder of a number may be.

The table is `zones.tsv`, made by scripts/compile_zones.py: prefixes from the timezone metadata of phonenumbers
(Apache-2.0), the zones of countries from the tz database (public domain). Where the prefix says no more than the
calling code, the zones are those of the country.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.resources import files

from trunkline.numbering.e164 import country_of

_NOWHERE = ("Etc/UTC",)  # numbers of no country


@lru_cache(maxsize=16384)
def zones_of(number: str) -> tuple[str, ...]:
    """Names of the tz database for a number in E.164; UTC where its country is not known."""
    prefixes, longest = _table()
    for length in range(min(longest, len(number) - 1), 0, -1):
        zones = prefixes.get(number[1 : length + 1])
        if zones is not None:
            return zones
    return prefixes.get(country_of(number) or "", _NOWHERE)


@cache
def _table() -> tuple[Mapping[str, tuple[str, ...]], int]:
    """Zones by prefix (digits) and by country (letters), and the longest prefix."""
    text = files("trunkline.numbering").joinpath("zones.tsv").read_text("utf-8")
    rows = [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
    return {key: tuple(zones.split(",")) for key, zones in rows}, max(len(key) for key, _ in rows)
