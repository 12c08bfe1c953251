"""`trunkline token issue`."""

from __future__ import annotations

import ipaddress
import re

import click

from trunkline.admin.tokens import SCOPES, IssuedToken, issue_token
from trunkline.cli.database import actor, with_connection
from trunkline.cli.options import DATABASE, settings_options
from trunkline.runtime.settings import Settings
from trunkline.store.db import Connection

_UNITS = {"m": 60, "h": 3600, "d": 86_400}


def _seconds(_: click.Context, __: click.Parameter, value: str | None) -> float | None:
    """Seconds, from `30m`, `12h` or `90d`."""
    if value is None:
        return None
    match = re.fullmatch(r"([1-9][0-9]{0,5})([mhd])", value)
    if match is None:
        raise click.BadParameter("write it as 30m, 12h or 90d")
    return int(match[1]) * _UNITS[match[2]]


def _networks(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> list[str]:
    try:
        return [str(ipaddress.ip_network(value)) for value in values]
    except ValueError:
        raise click.BadParameter("write it as 192.0.2.0/24") from None


@click.group()
def token() -> None:
    """Issue API tokens."""


@token.command()
@click.option("--account", required=True, metavar="NAME|ID", help="Whose messages it is for.")
@click.option("--plan", "plans", multiple=True, metavar="NAME|ID", help="Only for these plans; may be repeated.  [all]")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(SCOPES), help="What it may do.  [both]")
@click.option(
    "--network", "networks", multiple=True, callback=_networks, help="Only from these networks.  [everywhere]"
)
@click.option("--expires", callback=_seconds, help="After 30m, 12h or 90d.  [never]")
@click.option("--label", default="", help="A note of what it is for.")
@settings_options(*DATABASE)
def issue(
    settings: Settings,
    account: str,
    plans: tuple[str, ...],
    scopes: tuple[str, ...],
    networks: list[str],
    expires: float | None,
    label: str,
) -> None:
    """Issue a token. It goes to standard output, and is shown only now.

    \b
    trunkline token issue --account acme
    trunkline token issue --account acme --plan otp --scope messages:send --expires 90d --label backend
    """

    async def work(conn: Connection) -> IssuedToken:
        return await issue_token(
            conn,
            account=account,
            label=label,
            scopes=scopes or SCOPES,
            plans=plans,
            networks=networks,
            expires_after_s=expires,
            actor=actor(settings),
        )

    issued = with_connection(settings, work)
    until = f"until {issued.expires_at:%Y-%m-%d %H:%M} UTC" if issued.expires_at else "without end"
    click.echo(f"token {issued.token_id} of account {issued.account}, {until}, shown only now:", err=True)
    click.echo(issued.token)
