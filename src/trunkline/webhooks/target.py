"""Where an event goes: its URL, checked again under the policy of now."""

from __future__ import annotations

from collections.abc import Callable

from trunkline.domain.callback import Callback, Policy, check

# A URL as stored → where to post it; None: refused.
TargetOf = Callable[[str], Callback | None]


def target_of(policy: Policy) -> TargetOf:
    """The plain rule: the URL itself, if the policy (which may have changed since acceptance) lets it pass."""

    def find(url: str) -> Callback | None:
        return check(url, policy=policy)

    return find
