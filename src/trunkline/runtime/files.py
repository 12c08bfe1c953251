"""How many files a process may have open: each connection is one."""

from __future__ import annotations

import contextlib
import resource


def allow_most() -> None:
    """Raises the limit of open files of this process, and of those it starts, to all that it may have.

    A shell gives an ordinary user 1,024, of which a thousand customers' idle connections leave nothing to the database;
    what it may have is usually hundreds of times as much.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # a system with a lower limit of its own: as it was
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
