"""`trunkline serve` and `trunkline sandbox`: the long-running commands."""

from __future__ import annotations

import sys

import click

from trunkline.cli.options import DATABASE, settings_options
from trunkline.runtime.settings import Settings

ROLES = ("api", "dispatcher", "webhooks", "upkeep")
_COMMON = (*DATABASE, "http_host", "http_port", "metrics_port", "log_level", "log_format")


@click.command(epilog="Ctrl-C drains and ends; a second one ends at once.")
@click.option("--role", "roles", multiple=True, type=click.Choice(ROLES), help="Only these; may be repeated.  [all]")
@settings_options(*_COMMON, "node", "allow_plain_http", follow_log=True)
def serve(settings: Settings, roles: tuple[str, ...]) -> None:
    """Run this installation, or some of its roles.

    \b
    trunkline serve
    trunkline serve --role api --http-host 0.0.0.0 --set tls_cert=cert.pem --set tls_key=key.pem
    DATABASE_URL=postgresql://… trunkline serve --role dispatcher --role webhooks
    """
    from trunkline.roles import serve as roles_serve

    sys.exit(roles_serve.run(settings, roles or ROLES))


@click.command(epilog="Ctrl-C ends it. Everything is kept in the data folder; remove that to start anew.")
@settings_options(*_COMMON, follow_log=True)
def sandbox(settings: Settings) -> None:
    """Try everything: database, carrier simulator, webhook catcher, demo account.

    \b
    trunkline sandbox
    trunkline send --from 12345 --to +31612345678 "Hello"       (in another window, same folder)
    """
    from trunkline.roles import sandbox as roles_sandbox

    sys.exit(roles_sandbox.run(settings))
