"""What webhooks carry to customers' servers, sealed for the account and the origin that it is for."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from trunkline.domain.provisioning import Account, AccountId, PlanId, Receiver
from trunkline.runtime.secret import seal, unseal
from trunkline.store.db import Connection
from trunkline.store.queries import Queries

_SQL = Queries("provisioning")


class Credentials(msgspec.Struct, frozen=True):
    """Header lines, each with its CRLF; our certificate with its key, in PEM."""

    head: str = ""
    certificate: str | None = None


def place(account_public_id: str, origin: str) -> str:
    """The context that an account's credentials for an origin are sealed for."""
    return f"credentials of account {account_public_id} for {origin}"


def sealed(secret_key: bytes, credentials: Credentials, place: str) -> bytes:
    """Credentials as they are stored."""
    return seal(secret_key, msgspec.json.encode(credentials), place)


def opened(secret_key: bytes, stored: bytes, place: str) -> Credentials:
    """Credentials as `sealed` got them. Raises SealBroken."""
    return msgspec.json.decode(unseal(secret_key, stored, place), type=Credentials)


async def load(
    conn: Connection, accounts: Mapping[AccountId, Account], secret_key: bytes
) -> dict[tuple[AccountId, PlanId | None, str], Receiver]:
    """All of them. Raises SealBroken."""
    found = {}
    for receiver_id, account_id, plan_id, origin, stored in await conn.fetch(_SQL.receivers):
        credentials = opened(secret_key, stored, place(accounts[account_id].public_id, origin))
        certificate = None if credentials.certificate is None else credentials.certificate.encode()
        found[account_id, plan_id, origin] = Receiver(
            receiver_id, account_id, plan_id, origin, credentials.head.encode(), certificate
        )
    return found
