"""Prints, for each test of a results file, Trunkline's median over Kannel's."""

from __future__ import annotations

import json
import statistics
import sys
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


def main() -> None:
    """Reads the files named on the command line."""
    rows: dict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    for name in sys.argv[1:]:
        for line in Path(name).read_text().splitlines():
            row = json.loads(line)
            rows[row["test"], row["gw"]].append(row)
    for test, columns in _COLUMNS.items():
        theirs, ours = rows.get((test, "kannel-default")), rows.get((test, "trunkline"))
        if not theirs or not ours:
            continue
        for column, (what, more) in columns.items():
            their, our = (statistics.median(row[column] for row in side) for side in (theirs, ours))
            better = (our / their if more else their / our) if their and our else float("nan")
            print(f"{test:8} {what:32} Trunkline {our:9.3f}  Kannel {their:9.3f}  {better:5.2f} times as good")
    noisy = sum(row.get("other_cores", 0) > _NOISE_CORES for side in rows.values() for row in side)
    if noisy:
        print(f"{noisy} runs had more than {_NOISE_CORES} cores used by something else: repeat on a quiet machine")


if __name__ == "__main__":
    main()
