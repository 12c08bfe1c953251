"""Where an event goes: its URL, checked again under the policy of now."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from trunkline.domain.callback import Callback, Policy, check

# A URL as stored → where to post it; None: refused.
TargetOf = Callable[[str], Callback | None]


def target_of(policy: Policy) -> TargetOf:
    """The plain rule: the URL itself, if the policy (which may have changed since acceptance) lets it pass."""

    @lru_cache(maxsize=1024)  # a configured URL is asked for with each of its events
    def find(url: str) -> Callback | None:
        return check(url, policy=policy)

    return find
