"""What loading costs a process: the most memory it had, and how long its loop let nobody in."""

from __future__ import annotations

import asyncio
import resource
import time

from trunkline.runtime.clock import sleep


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def pauses() -> tuple[float, int]:
    """Until cancelled: the longest turn of the loop, in seconds, and how many took over 5 ms."""
    longest, long_count = 0.0, 0
    try:
        while True:
            began = time.perf_counter()
            await sleep(0.001)
            spent = time.perf_counter() - began - 0.001
            longest = max(longest, spent)
            long_count += spent > 0.005
    except asyncio.CancelledError:
        return longest, long_count
