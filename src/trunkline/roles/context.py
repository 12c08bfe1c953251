"""What the roles of one process share: settings, provisioning, the database's clock, the webhook policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from trunkline.api.context import Operation
from trunkline.domain.callback import Policy
from trunkline.domain.provisioning import Provisioning, Token
from trunkline.runtime.settings import Settings
from trunkline.store.carriers import CarrierWatch
from trunkline.store.timing import DatabaseClock
from trunkline.webhooks.target import TargetOf


@dataclass(slots=True)
class Context:
    """Built once per process, before its roles."""

    settings: Settings
    dsn: str
    secret_key: bytes
    provisioning: Callable[[], Provisioning | None]
    clock: DatabaseClock
    carriers: CarrierWatch
    policy: Policy
    target_of: TargetOf
    extra_tokens: Mapping[str, Token] | None = None
    extra_paths: Mapping[bytes, Mapping[bytes, Operation]] | None = None


def policy_of(settings: Settings) -> Policy:
    """The webhook policy that the settings say."""
    return Policy(allow_http=settings.callback.allow_http, allowed_networks=tuple(settings.callback.allowed_networks))
