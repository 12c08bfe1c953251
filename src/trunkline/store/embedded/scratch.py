"""A server to be thrown away: for tests and demonstrations."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from trunkline.store.embedded.launcher import Embedded, Endpoint


@contextlib.contextmanager
def scratch(settings: Mapping[str, str] | None = None) -> Iterator[Endpoint]:
    """A running server in a new folder, without fsync; stopped and removed at the end. Raises EmbeddedRefused."""
    folder = Path(tempfile.mkdtemp(prefix="trunkline-"))
    folder.chmod(0o711)  # root's server runs as another user, who has to pass through
    server = Embedded(folder, fsync=False, settings=settings)
    try:
        yield server.start()
    finally:
        server.remove()
        shutil.rmtree(folder, ignore_errors=True)
