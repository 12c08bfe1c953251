"""Webhook secrets: made anew, to be shown once; the old one signs as well for a while."""

from __future__ import annotations

import datetime as dt
import secrets
from dataclasses import dataclass, field

from trunkline.admin.tokens import Refused, one_called
from trunkline.domain.provisioning import PlanId
from trunkline.runtime.secret import seal
from trunkline.store import audit, hook_secrets, provisioning
from trunkline.store.db import Connection
from trunkline.store.provisioning import hook_secret_place
from trunkline.webhooks.sign import secret_text


@dataclass(frozen=True, slots=True)
class RotatedSecret:
    """A plan's new secret. It is shown once. `old_ends_at` None: the old one does not sign any more."""

    secret: str = field(repr=False)
    plan: str
    old_ends_at: dt.datetime | None


async def rotate(conn: Connection, plan: str, *, secret_key: bytes, overlap_s: float, actor: str) -> RotatedSecret:
    """Gives a plan (by name or id) a new secret; for `overlap_s` webhooks carry a signature by the old one as well.

    Raises Refused, also while an earlier change is not over (0 s ends that one too); SealBroken where `secret_key` is
    not the installation's.
    """
    await provisioning.load(conn, secret_key)  # two keys in one database would open nowhere
    async with conn.transaction():
        await provisioning.lock(conn)
        plans = await provisioning.rows(conn, "plan")
        plan_id = PlanId(one_called("plan", plan, plans))
        row = plans[plan_id]
        until = await hook_secrets.rotating_until(conn, plan_id)
        if until is not None and overlap_s > 0:
            raise Refused(
                f"the secret of plan {plan} was changed, and the one before it signs until {until:%Y-%m-%d %H:%M} UTC:"
                " wait for that, or end both with --overlap 0"
            )
        place = hook_secret_place(row["public_id"])
        key = secrets.token_bytes(32)
        kept = row["hook_secrets"][:1] if overlap_s > 0 else []
        ends_at = await hook_secrets.rotate(conn, plan_id, [seal(secret_key, key, place), *kept], overlap_s)
        subject = f"plan {row['name']} ({row['public_id']})"
        detail = {"old_ends_at": None if ends_at is None else ends_at.isoformat()}
        await audit.record(conn, actor, "webhook_secret.rotated", subject, detail)
    return RotatedSecret(secret_text(key), row["public_id"], ends_at)
