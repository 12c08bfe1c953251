"""Metrics: plain numbers, added up over processes, in a form that Prometheus' own parser reads."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client.parser import text_string_to_metric_families

from trunkline.runtime.metrics import Family, Registry, lasting, merged, read
from trunkline.runtime.scrape import MetricsListener, exposition


def process(accepted: int, queue: int, oldest: int, *latencies: float) -> list[Family]:
    registry = Registry()
    registry.counter("t_accepted", "Messages answered 202.", "plan").of('od"d\n\\').value += accepted
    registry.gauge("t_queue", "Waiting.").of().value = queue
    registry.gauge("t_oldest", "Age.", highest=True).of().value = oldest
    histogram = registry.histogram("t_latency", "Seconds.", "path", bounds=(0.1, 1.0)).of("/x")
    for latency in latencies:
        histogram.observe(latency)
    return read(registry.snapshot())


def samples(families: list[Family]) -> dict[tuple[str, str], float]:
    """(sample name, its bucket or first label value) → number, through Prometheus' parser."""
    found = {}
    for metric in text_string_to_metric_families(exposition(families).decode()):
        for sample in metric.samples:
            found[sample.name, sample.labels.get("le") or next(iter(sample.labels.values()), "")] = sample.value
    return found


def test_processes_are_added_up() -> None:
    total = samples(merged([process(2, 5, 7, 0.05, 0.1, 0.5), process(3, 6, 4, 2.0)]))
    assert total["t_accepted_total", 'od"d\n\\'] == 5
    assert total["t_queue", ""] == 11
    assert total["t_oldest", ""] == 7
    assert [total["t_latency_bucket", bound] for bound in ("0.1", "1.0", "+Inf")] == [2, 3, 4]
    assert total["t_latency_count", "/x"] == 4
    assert total["t_latency_sum", "/x"] == pytest.approx(2.65)


def test_merging_changes_no_snapshot() -> None:
    one, two = process(1, 1, 1), process(1, 1, 1)
    merged([one, two])
    assert one == process(1, 1, 1)


def test_only_counters_outlive_a_process() -> None:
    total = samples(merged([lasting(process(2, 5, 7, 0.5)), process(3, 6, 4)]))
    assert total["t_accepted_total", 'od"d\n\\'] == 5
    assert total["t_queue", ""] == 6
    assert total["t_latency_count", "/x"] == 1


def test_hot_paths_are_asked_before_a_snapshot() -> None:
    registry = Registry()
    own = 0
    number = registry.counter("t_hot", "x").of()

    def flush() -> None:
        number.value = own

    registry.on_collect(flush)
    own = 41
    assert samples(read(registry.snapshot()))["t_hot_total", ""] == 41


def test_wrong_labels_and_double_names_are_refused() -> None:
    registry = Registry()
    numbers = registry.counter("t_one", "x", "a")
    with pytest.raises(ValueError):
        numbers.of("x", "y")
    with pytest.raises(ValueError):
        registry.gauge("t_one", "x")


def test_the_listener_answers_and_survives_nonsense() -> None:
    async def ask(port: int, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        writer.write_eof()
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        return answer

    async def main() -> None:
        async def collect() -> list[Family]:
            return process(2, 5, 7)

        listener = MetricsListener(collect)
        await listener.start("127.0.0.1", 0)
        try:
            answer = await ask(listener.port, b"GET /metrics?x=1 HTTP/1.1\r\nHost: a\r\n\r\n")
            head, body = answer.split(b"\r\n\r\n", 1)
            assert head.startswith(b"HTTP/1.1 200 OK")
            assert b"text/plain" in head
            assert f"Content-Length: {len(body)}".encode() in head
            assert b"\nt_queue 5.0\n" in body
            assert (await ask(listener.port, b"GET / HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 404")
            assert (await ask(listener.port, b"nonsense\r\n\r\n")).startswith(b"HTTP/1.1 400")
            assert await ask(listener.port, b"GET /metr") == b""
            assert await ask(listener.port, b"x" * 20000) == b""
            assert (await ask(listener.port, b"GET /metrics HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 200")
        finally:
            await listener.stop()

    asyncio.run(main())
