"""Messages that a carrier refused for their optional parameters, and that go once more without."""

from __future__ import annotations

from uuid import UUID

_MOST = 10_000


class Bare:
    """The latest of them; one that is forgotten goes with its parameters again, and is refused as others are."""

    def __init__(self) -> None:
        self._ids: dict[UUID, None] = {}

    def add(self, msg_id: UUID) -> None:
        self._ids[msg_id] = None
        if len(self._ids) > _MOST:
            del self._ids[next(iter(self._ids))]

    def __contains__(self, msg_id: UUID) -> bool:
        return msg_id in self._ids
