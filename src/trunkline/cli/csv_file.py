"""A CSV file that is imported: its lines, and a progress bar where there is a terminal to show one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

_LINES = 2000  # between two steps of the progress bar


def decoded(file: BinaryIO, advanced: Callable[[int], None]) -> Iterator[str]:
    """The lines of a file; `advanced` is told how many octets are read. Raises UnicodeDecodeError."""
    octets = 0
    for number, line in enumerate(file):
        octets += len(line)
        if number % _LINES == 0:
            advanced(octets)
        yield line.decode()


@contextmanager
def progress(file: BinaryIO) -> Iterator[tuple[Callable[[int], None], Callable[[], None]]]:
    """A bar on a terminal: what to call with how many octets are read, and when all are."""
    if not sys.stderr.isatty():
        yield lambda octets: None, lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        reading = bar.add_task("reading", total=os.fstat(file.fileno()).st_size)

        def received() -> None:
            bar.remove_task(reading)
            bar.add_task("storing", total=None)  # how far the database is it does not say

        yield lambda octets: bar.update(reading, completed=octets), received
