"""The command `trunkline`: thin commands over what the packages below do, each imported when it is called."""

from __future__ import annotations

from importlib import import_module

import click

from trunkline import __version__

# name → (module, what `trunkline --help` says of it). Kept here, so that asking for help imports no command.
COMMANDS = {
    "sandbox": ("serve", "Try everything: database, carrier simulator, webhook catcher, demo account."),
    "serve": ("serve", "Run this installation, or some of its roles."),
    "apply": ("apply", "Make accounts, plans, senders, carriers and routes what a file says."),
    "send": ("send", "Send one message through the REST API."),
    "message": ("message", "Look into messages; cancel one."),
    "carrier": ("carrier", "See how carriers are doing: rate, queue, pauses; try a paused one again."),
    "inbound": ("inbound", "Look into messages from handsets."),
    "receipts": ("receipts", "Look into delivery receipts."),
    "optout": ("optout", "Say who wants no messages: list, add, remove, import, export."),
    "webhooks": ("webhooks", "Dead letters: list and replay them; enable URLs again."),
    "token": ("token", "Issue, list, rotate and revoke API tokens."),
    "route": ("route", "Look into routes: which way a message would go, and why."),
    "numbers": ("numbers", "Say which network a number belongs to: import, show, export ranges."),
    "prices": ("prices", "Say what messages cost: import, show, export price lists."),
    "balance": ("balance", "Prepaid money of accounts and plans: show it, add to it."),
    "guard": ("guard", "Artificial traffic: what was stopped, and let it go again."),
    "usage": ("usage", "Show what was charged, by day, plan and country."),
    "db": ("database_commands", "Look after the database."),
}


class _Lazy(click.Group):
    """Imports a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"trunkline.cli.{COMMANDS[cmd_name][0]}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, what) for name, (_, what) in COMMANDS.items()])


def _show_version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked:
        click.echo(f"trunkline {__version__}")
        ctx.exit()


@click.group(
    cls=_Lazy,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Settings come from trunkline.toml, TRUNKLINE_… variables and flags; docs/settings.md lists them.",
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Show it.")
def main() -> None:
    """Trunkline: a self-hosted A2P SMS platform.

    \b
    trunkline sandbox                    try it, nothing to set up
    trunkline apply set-up.toml          say who may send what over which carrier
    trunkline serve                      run it
    """
