"""The only place where time is read and waited for in-process; everything durable goes by the database's clock."""

from __future__ import annotations

import asyncio
import time

sleep = asyncio.sleep  # noqa: TID251
monotonic_s = time.monotonic  # seconds that only ever grow: what a request can afford to ask for


def wall_ms() -> int:
    """Milliseconds since 1970 by this machine's clock."""
    return time.time_ns() // 1_000_000


def wall_s() -> float:
    """Seconds since 1970 by this machine's clock."""
    return time.time()  # noqa: TID251


def boot_s() -> float:
    """Seconds that only ever grow, suspended time included: what a lease deadline is measured with."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
