"""Compile the npm package mcc-mnc-list into the table of trunkline.numbering.networks. Needs npm and its registry.

    python scripts/compile_networks.py            write the table and what belongs beside it
    python scripts/compile_networks.py --check    exit 1 if what is in the tree is not what this would write

The package is one version, by its integrity: to take another, change both below. Its list is a page of Wikipedia with
a row for each network and country, and not every row is of use here: see `rows_of`.
"""

# ruff: noqa: T201  (a command: it prints)

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

VERSION = "1.1.11"
INTEGRITY = "sha512-3kkW2fvLtsKch1ci+t/3VOggmhwAviHv8MzDp8Lq5u8u00QMflLSDiNRtXqAzSfCYoNslAs9Yy8deKreygHS/w=="

TARGET = Path(__file__).parent.parent / "src/trunkline/numbering/mccmnc"
_CODE = re.compile(r"\d{2,3}").fullmatch
_SPAN = re.compile(r"(\d{3}) *- *(\d{3})").fullmatch


class Unreachable(Exception):
    """npm is not there, or the registry does not answer."""


def packed(folder: Path) -> bytes:
    """The package as the registry gives it. Raises Unreachable; ValueError where it is not the one meant."""
    try:
        done = subprocess.run(
            ["npm", "pack", f"mcc-mnc-list@{VERSION}", "--silent", "--fetch-retries=0"],
            cwd=folder, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        raise Unreachable(str(error)) from None
    if done.returncode:
        raise Unreachable(done.stderr.strip() or f"npm pack ended with {done.returncode}")
    content = (folder / f"mcc-mnc-list-{VERSION}.tgz").read_bytes()
    found = "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
    if found != INTEGRITY:
        raise ValueError(f"mcc-mnc-list {VERSION} has the integrity {found}, not {INTEGRITY}")
    return content


def member(package: bytes, name: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        found = archive.extractfile(f"package/{name}")
        assert found is not None
        return found.read()


def codes_of(entry: dict[str, Any]) -> list[str]:
    """The codes that an entry of the list is about: one, those of a span, or none that is an MCC and an MNC.

    None: no MNC, an MNC of five digits (France lists some), a question mark.
    """
    mcc, mnc = entry["mcc"] or "", entry["mnc"] or ""
    if not re.fullmatch(r"\d{3}", mcc):
        return []
    if _CODE(mnc):
        return [mcc + mnc]
    span = _SPAN(mnc)
    return [f"{mcc}{number:03}" for number in range(int(span[1]), int(span[2]) + 1)] if span else []


def rows_of(entries: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """(code, countries, name), by code.

    A code may be in the list several times: for each country that it serves, or for who had it before. Entries of its
    own count more than a span, operational ones more than others; of what is left the names are told once each, and the
    countries, which are ISO 3166-1 (Abkhazia's GE-AB is GE).
    """
    found: dict[str, list[tuple[bool, bool, str, list[str]]]] = {}
    for entry in entries:
        name = " ".join((entry["brand"] or entry["operator"] or "").split())
        countries = [country[:2] for country in (entry["countryCode"] or "").split("/") if country]
        for code in codes_of(entry) if name else []:
            rank = (_CODE(entry["mnc"]) is None, entry["status"] != "Operational")
            found.setdefault(code, []).append((*rank, name, countries))
    rows = []
    for code, known in sorted(found.items()):
        best = min(one[:2] for one in known)
        chosen = [one for one in known if one[:2] == best]
        names = dict.fromkeys(name for _, _, name, _ in chosen)
        countries = sorted({country for _, _, _, several in chosen for country in several})
        rows.append((code, ",".join(countries), " / ".join(names)))
    return rows


def files_of(package: bytes) -> dict[str, bytes]:
    """What is to be in the folder, by name."""
    source = member(package, "mcc-mnc-list.json")
    rows = rows_of(json.loads(source))
    table = "".join("\t".join(row) + "\n" for row in rows).encode()
    readme = f"""\
# MCC and MNC

`networks.tsv` has {len(rows)} networks, one a line: MCC and MNC, the countries (ISO 3166-1, with commas), the name. It
is made from `mcc-mnc-list.json` of the npm package `mcc-mnc-list` {VERSION} by `scripts/compile_networks.py`, not by
hand. The package's licence is MIT (`LICENSE`); its list comes from https://en.wikipedia.org/wiki/Mobile_country_code.

The package has the integrity `{INTEGRITY}`,
its list the SHA-256 `{hashlib.sha256(source).hexdigest()}`. `SHA256SUMS` has the sums of what is here.

To take another version: change the version and the integrity in the script, and run it.
"""
    files = {"LICENSE": member(package, "LICENSE"), "README.md": readme.encode(), "networks.tsv": table}
    sums = "".join(f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in ("LICENSE", "networks.tsv"))
    return {**files, "SHA256SUMS": sums.encode()}


def main(arguments: list[str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        files = files_of(packed(Path(folder)))
    if arguments == ["--check"]:
        stale = [name for name, content in files.items() if (TARGET / name).read_bytes() != content]
        print(f"out of date, run scripts/compile_networks.py: {', '.join(stale)}" if stale else "current")
        return 1 if stale else 0
    TARGET.mkdir(exist_ok=True)
    for name, content in files.items():
        (TARGET / name).write_bytes(content)
    print(f"{TARGET}: {files['networks.tsv'].count(10)} networks")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
