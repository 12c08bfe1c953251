"""Mobile networks: the name and countries behind an MCC and MNC.

The table is `mccmnc/networks.tsv`, made by scripts/compile_networks.py from the list of the npm package mcc-mnc-list
(MIT; the folder has its licence and says which version). It is read when it is first asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import NamedTuple


class Network(NamedTuple):
    """A mobile network. `countries` are ISO 3166-1 alpha-2: several where it serves several, none where it belongs to
    no country (satellites, ships)."""

    mccmnc: str
    name: str
    countries: tuple[str, ...]


def network_of(mccmnc: str) -> Network | None:
    """The network of an MCC of three digits with an MNC of two or three; None for one that the list lacks.

    31026 and 310260 are two networks: MNC 26 is not MNC 260.
    """
    return _networks().get(mccmnc)


@cache
def _networks() -> Mapping[str, Network]:
    text = files("trunkline.numbering").joinpath("mccmnc", "networks.tsv").read_text("utf-8")
    rows = (line.split("\t") for line in text.splitlines())
    return {code: Network(code, name, tuple(filter(None, countries.split(",")))) for code, countries, name in rows}
