"""How well a carrier delivers to a country, as measured over the last hour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from trunkline.domain.provisioning import CarrierId

LEAST_MESSAGES = 50  # of fewer nothing is concluded


class Quality(NamedTuple):
    """Messages that a carrier accepted some minutes ago or earlier, and what had become of them."""

    messages: int
    delivered: int
    p95_s: float | None  # from submission to the receipt of the delivered ones: 95 % took no longer

    @property
    def delivery_percent(self) -> float:
        """Of the messages, those that are delivered by now; what is open counts as not delivered."""
        return 100 * self.delivered / self.messages


# By carrier and country; None: numbers of no country.
Measured: TypeAlias = Mapping[tuple[CarrierId, str | None], Quality]
