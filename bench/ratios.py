"""Prints, for each test of results files, each gateway's median over that of one of them (--over, else Kannel)."""

from __future__ import annotations

import argparse
import json
import statistics
from collections import defaultdict
from pathlib import Path

# column → (what, whether more is better)
_COLUMNS = {
    "e2e": {"e2e_rate": ("messages/s, HTTP to submit_sm", True), "cpu_s_per_1000": ("CPU s per 1000", False)},
    "dlr1": {"dlr_rate": ("messages/s, HTTP to callback", True), "cpu_s_per_1000": ("CPU s per 1000", False)},
    "idle": {"lat_p50": ("p50 ms, HTTP to submit_sm", False), "lat_p99": ("p99 ms, HTTP to submit_sm", False)},
    "idledlr": {"lat_p50": ("p50 ms, HTTP to submit_sm", False), "lat_p99": ("p99 ms, HTTP to submit_sm", False)},
}
_NOISE_CORES = 0.3


def _median(rows: list[dict[str, float]], column: str) -> float:
    return statistics.median(row[column] for row in rows) if rows else 0.0


def main() -> None:
    """Reads the files named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--over", default="kannel-default")
    asked = parser.parse_args()
    rows: dict[str, dict[str, list[dict[str, float]]]] = defaultdict(lambda: defaultdict(list))
    for path in asked.files:
        for line in path.read_text().splitlines():
            row = json.loads(line)
            rows[row["test"]][row["gw"]].append(row)
    for test, columns in _COLUMNS.items():
        theirs = rows[test].pop(asked.over, [])
        for name, ours in rows[test].items():
            for column, (what, more) in columns.items():
                our, their = _median(ours, column), _median(theirs, column)
                better = (our / their if more else their / our) if their and our else float("nan")
                print(f"{test:8} {what:28} {name} {our:.3f}, {asked.over} {their:.3f}: {better:.2f} times as good")
        rows[test][asked.over] = theirs
    every = [row for sides in rows.values() for side in sides.values() for row in side]
    noisy = sum(row.get("other_cores", 0) > _NOISE_CORES for row in every)
    if noisy:
        print(f"{noisy} runs had more than {_NOISE_CORES} cores used by something else: repeat on a quiet machine")


if __name__ == "__main__":
    main()
