"""A bar on a terminal for files that are read and stored."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

_LINES = 2000  # between two steps of the bar


def decoded(file: BinaryIO, advanced: Callable[[int], None]) -> Iterator[str]:
    """The lines of a file in UTF-8; tells how many octets are read. Raises UnicodeDecodeError."""
    octets = 0
    for number, line in enumerate(file):
        octets += len(line)
        if number % _LINES == 0:
            advanced(octets)
        yield line.decode()


@contextmanager
def progress(file: BinaryIO) -> Iterator[tuple[Callable[[int], None], Callable[[int | None, int | None], None]]]:
    """A bar where there is a terminal: what to call with how many octets are read, and then with how much of how much
    is stored (None where the database does not say)."""
    if not sys.stderr.isatty():
        yield lambda octets: None, lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        reading = bar.add_task("reading", total=os.fstat(file.fileno()).st_size)
        storing = bar.add_task("storing", total=None, visible=False)

        def stored(done: int | None, total: int | None) -> None:
            bar.update(reading, visible=False)
            bar.update(storing, completed=done, total=total, visible=True)

        yield lambda octets: bar.update(reading, completed=octets), stored
