"""Counters, gauges and histograms as plain numbers of a process, and the sum of those of several processes.

Counting is `child.value += 1` on a slotted object. Only a scrape (`runtime/scrape.py`) turns the numbers of each
process into a snapshot and adds the snapshots up.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from operator import add
from typing import TypeVar

import msgspec

# From 1 ms to 10 s: what an HTTP answer, a submit_sm or a webhook may take.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

_SEPARATOR = "\x1f"


class Value:
    """One number of one set of labels; add to it or set it."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: float = 0


class Distribution:
    """One histogram of one set of labels."""

    __slots__ = ("_bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Counts one observation."""
        self.counts[bisect_left(self._bounds, value)] += 1
        self.sum += value


class Family(msgspec.Struct):
    """The numbers of one name in a snapshot: for each set of label values, one number (counter, gauge), or the counts
    of all buckets and the sum (histogram)."""

    name: str
    kind: str  # counter, sum (a gauge added up over processes), max (a gauge of which the highest counts), histogram
    help: str
    labels: tuple[str, ...]
    bounds: tuple[float, ...]
    samples: dict[str, list[float]]  # key: the label values, joined by _SEPARATOR


class Numbers:
    """The Values of one name. `of(*labels)` is kept by the caller where it is counted often."""

    def __init__(self, name: str, kind: str, help_: str, labels: tuple[str, ...]) -> None:
        self.name, self.kind, self.help, self.labels = name, kind, help_, labels
        self._children: dict[tuple[str, ...], Value] = {}

    def of(self, *values: str) -> Value:
        """The number for these label values, 0 at first."""
        child = self._children.get(values)
        if child is None:
            _check(self.labels, values)
            child = self._children[values] = Value()
        return child

    def forget(self, *values: str) -> None:
        """Stops showing the number of these label values: its subject is gone."""
        self._children.pop(values, None)

    def family(self) -> Family:
        samples = {_SEPARATOR.join(key): [child.value] for key, child in self._children.items()}
        return Family(self.name, self.kind, self.help, self.labels, (), samples)


class Distributions:
    """The histograms of one name."""

    def __init__(self, name: str, help_: str, labels: tuple[str, ...], bounds: tuple[float, ...]) -> None:
        self.name, self.help, self.labels, self.bounds = name, help_, labels, bounds
        self._children: dict[tuple[str, ...], Distribution] = {}

    def of(self, *values: str) -> Distribution:
        """The histogram for these label values, empty at first."""
        child = self._children.get(values)
        if child is None:
            _check(self.labels, values)
            child = self._children[values] = Distribution(self.bounds)
        return child

    def family(self) -> Family:
        samples = {_SEPARATOR.join(key): [*child.counts, child.sum] for key, child in self._children.items()}
        return Family(self.name, "histogram", self.help, self.labels, self.bounds, samples)


def _check(labels: tuple[str, ...], values: tuple[str, ...]) -> None:
    if len(labels) != len(values) or any(_SEPARATOR in value for value in values):
        raise ValueError(f"label values {values!r} do not fit {labels!r}")


_Named = TypeVar("_Named", Numbers, Distributions)


class Registry:
    """What one process counts."""

    def __init__(self) -> None:
        self._names: dict[str, Numbers | Distributions] = {}
        self._flushers: list[Callable[[], None]] = []

    def counter(self, name: str, help_: str, *labels: str) -> Numbers:
        """A number that only grows; shown as `NAME_total`."""
        return self._add(Numbers(name, "counter", help_, labels))

    def gauge(self, name: str, help_: str, *labels: str, highest: bool = False) -> Numbers:
        """A number that goes up and down; over processes the sum, or the highest."""
        return self._add(Numbers(name, "max" if highest else "sum", help_, labels))

    def histogram(self, name: str, help_: str, *labels: str, bounds: tuple[float, ...] = SECONDS) -> Distributions:
        """How often a measure (in seconds, if nothing else is said) was how large."""
        return self._add(Distributions(name, help_, labels, bounds))

    def on_collect(self, flush: Callable[[], None]) -> None:
        """`flush` is called before each snapshot: where a hot path keeps its own integers, it sets the Values then."""
        self._flushers.append(flush)

    def snapshot(self) -> bytes:
        """All numbers of this process now, on one line."""
        for flush in self._flushers:
            flush()
        return msgspec.json.encode([one.family() for one in self._names.values()])

    def _add(self, one: _Named) -> _Named:
        if one.name in self._names:
            raise ValueError(f"metric {one.name} is there already")
        self._names[one.name] = one
        return one


REGISTRY = Registry()
counter = REGISTRY.counter
gauge = REGISTRY.gauge
histogram = REGISTRY.histogram
on_collect = REGISTRY.on_collect


def read(snapshot: bytes) -> list[Family]:
    """What `Registry.snapshot` wrote. Raises msgspec.DecodeError."""
    return _decoder.decode(snapshot)


_decoder = msgspec.json.Decoder(list[Family])


def merged(snapshots: Iterable[list[Family]]) -> list[Family]:
    """One list for all processes: counters, histograms and `sum` gauges added up, of `max` gauges the highest."""
    total: dict[str, Family] = {}
    for families in snapshots:
        for family in families:
            if family.name not in total:
                total[family.name] = Family(
                    family.name, family.kind, family.help, family.labels, family.bounds, dict(family.samples)
                )
                continue
            samples = total[family.name].samples
            join = max if family.kind == "max" else add
            for key, numbers in family.samples.items():
                before = samples.get(key)
                samples[key] = numbers if before is None else list(map(join, before, numbers))
    return list(total.values())


def lasting(families: list[Family]) -> list[Family]:
    """What still counts once the process is gone: its counters and histograms, not its gauges."""
    return [family for family in families if family.kind in ("counter", "histogram")]


def label_values(family: Family, key: str) -> list[str]:
    """The label values that a key of `Family.samples` stands for."""
    return key.split(_SEPARATOR) if family.labels else []
