"""The embedded PostgreSQL: a database that needs no setting up, started and kept by Trunkline itself."""

from trunkline.store.embedded.launcher import Embedded, Endpoint
from trunkline.store.embedded.refusal import EmbeddedRefused
from trunkline.store.embedded.scratch import scratch

__all__ = ["Embedded", "EmbeddedRefused", "Endpoint", "scratch"]
