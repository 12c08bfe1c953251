"""The metrics of all processes in Prometheus' text form, and the small HTTP listener that serves them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from trunkline.runtime.metrics import Family, label_values

_REQUEST_LIMIT = 8192
_DEADLINE_S = 5.0


class _Families(Collector):
    def __init__(self, families: list[Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        for family in self._families:
            yield _metric(family)


def _metric(family: Family) -> Metric:
    if family.kind == "histogram":
        histogram = HistogramMetricFamily(family.name, family.help, labels=family.labels)
        for key, numbers in family.samples.items():
            buckets, seen = [], 0.0
            for bound, count in zip((*map(str, family.bounds), "+Inf"), numbers[:-1], strict=True):
                seen += count
                buckets.append((bound, seen))
            histogram.add_metric(label_values(family, key), buckets, numbers[-1])
        return histogram
    kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric = kind(family.name, family.help, labels=family.labels)
    for key, (number,) in family.samples.items():
        metric.add_metric(label_values(family, key), number)
    return metric


def exposition(families: list[Family]) -> bytes:
    """The families in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Families(families))
    return generate_latest(registry)


class MetricsListener:
    """Answers `GET /metrics` with what `collect` returns at that moment; every other request is 404 or 400."""

    def __init__(self, collect: Callable[[], Awaitable[list[Family]]]) -> None:
        self._collect = collect
        self._server: asyncio.Server | None = None
        self.port = 0  # the one listened on, once started

    async def start(self, host: str, port: int) -> None:
        """Listens. Raises OSError where the address is taken."""
        self._server = await asyncio.start_server(self._answer, host, port, limit=_REQUEST_LIMIT)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stops listening; answers under way are dropped."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(
            OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError
        ):
            async with asyncio.timeout(_DEADLINE_S):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await self._response(head.split(b"\r\n", 1)[0]))
                await writer.drain()
        writer.close()

    async def _response(self, request_line: bytes) -> bytes:
        match request_line.split(b" "):
            case [b"GET", target, _] if target.split(b"?")[0] == b"/metrics":
                return _http(b"200 OK", CONTENT_TYPE_LATEST.encode(), exposition(await self._collect()))
            case [_, _, _]:
                return _http(b"404 Not Found", b"text/plain", b"see /metrics\n")
        return _http(b"400 Bad Request", b"text/plain", b"not HTTP\n")


def _http(status: bytes, content_type: bytes, body: bytes) -> bytes:
    head = b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    return head % (status, content_type, len(body)) + body
