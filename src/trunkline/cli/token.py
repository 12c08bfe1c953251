"""`trunkline token issue`, `list`, `rotate` and `revoke`."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
from collections.abc import Mapping
from typing import Any

import click

from trunkline.admin import tokens
from trunkline.admin.tokens import SCOPES, IssuedToken, RotatedToken
from trunkline.cli.database import actor, with_connection
from trunkline.cli.durations import seconds, seconds_or_none
from trunkline.cli.options import DATABASE, settings_options
from trunkline.runtime.settings import Settings
from trunkline.store.db import Connection


def _networks(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> list[str]:
    try:
        return [str(ipaddress.ip_network(value)) for value in values]
    except ValueError:
        raise click.BadParameter("write it as 192.0.2.0/24") from None


@click.group()
def token() -> None:
    """Issue, list, rotate and revoke API tokens."""


@token.command()
@click.option("--account", required=True, metavar="NAME|ID", help="Whose messages it is for.")
@click.option("--plan", "plans", multiple=True, metavar="NAME|ID", help="Only for these plans; may be repeated.  [all]")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(SCOPES), help="What it may do.  [both]")
@click.option(
    "--network", "networks", multiple=True, callback=_networks, help="Only from these networks.  [everywhere]"
)
@click.option("--expires", callback=seconds, help="After 30m, 12h or 90d.  [never]")
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
        return await tokens.issue_token(
            conn,
            account=account,
            label=label,
            scopes=scopes or SCOPES,
            plans=plans,
            networks=networks,
            expires_after_s=expires,
            actor=actor(settings),
        )

    _show(with_connection(settings, work))


@token.command("list")
@click.option("--account", metavar="NAME|ID", help="Only this account's.  [all]")
@click.option("--json", "as_json", is_flag=True, help="Show it as JSON.")
@settings_options(*DATABASE)
def list_(settings: Settings, account: str | None, as_json: bool) -> None:
    """List tokens: whose they are, what they may do, until when. Tokens themselves are stored nowhere.

    \b
    trunkline token list
    trunkline token list --account acme --json
    """

    async def work(conn: Connection) -> list[Mapping[str, Any]]:
        return await tokens.list_tokens(conn, account)

    found = with_connection(settings, work, create=False)
    if as_json:
        click.echo(json.dumps(found, default=dt.datetime.isoformat, indent=2))
        return
    for one in found:
        click.echo("  ".join(_described(one)))


@token.command()
@click.argument("token_id", metavar="ID", type=int)
@click.option(
    "--overlap",
    default="24h",
    show_default=True,
    callback=seconds_or_none,
    help="How long the old one still works; 0: not.",
)
@click.option("--expires", callback=seconds, help="The new one ends after 30m, 12h or 90d.  [as the old one did]")
@settings_options(*DATABASE)
def rotate(settings: Settings, token_id: int, overlap: float, expires: float | None) -> None:
    """Issue a token with the rights of token ID, which then ends. It goes to standard output, and is shown only now.

    \b
    trunkline token rotate 7
    trunkline token rotate 7 --overlap 2h
    """

    async def work(conn: Connection) -> RotatedToken:
        return await tokens.rotate_token(
            conn, token_id, overlap_s=overlap, expires_after_s=expires, actor=actor(settings)
        )

    rotated = with_connection(settings, work, create=False)
    click.echo(f"token {token_id} ends {_time(rotated.old_expires_at)}", err=True)
    _show(rotated.new)


@token.command()
@click.argument("token_id", metavar="ID", type=int)
@settings_options(*DATABASE)
def revoke(settings: Settings, token_id: int) -> None:
    """End token ID now. Every process refuses it within 5 s.

    \b
    trunkline token revoke 7
    """

    async def work(conn: Connection) -> str:
        return await tokens.revoke_token(conn, token_id, actor=actor(settings))

    account = with_connection(settings, work, create=False)
    click.echo(f"token {token_id} of account {account} is revoked")


def _show(issued: IssuedToken) -> None:
    until = f"until {_time(issued.expires_at)}" if issued.expires_at else "without end"
    click.echo(f"token {issued.token_id} of account {issued.account}, {until}, shown only now:", err=True)
    click.echo(issued.token)


def _time(at: dt.datetime) -> str:
    return f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"


def _described(one: Mapping[str, Any]) -> list[str]:
    """One token in words; what operators wrote is quoted, so that it stays one line whatever it holds."""
    ends = [f"until {_time(one['expires_at'])}"] if one["expires_at"] else []
    if one["replaced_by"] is not None:
        ends.append(f"replaced by {one['replaced_by']}")
    return [
        f"{one['token_id']:>6}",
        f"{one['state']:<8}",
        f"{one['account']} {json.dumps(one['account_name'])}",
        json.dumps(one["label"]),
        ",".join(scope.removeprefix("messages:") for scope in one["scopes"]),
        "plans " + (json.dumps(one["plans"]) if one["plans"] else "all"),
        "from " + (",".join(one["networks"]) if one["networks"] else "everywhere"),
        f"since {_time(one['created_at'])}",
        *ends,
    ]
