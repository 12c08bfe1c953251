"""The settings as options of a command."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from trunkline.cli.failures import explained
from trunkline.runtime.settings import SETTINGS, SettingsError, load

DATABASE = ("data_dir", "database_url")


def settings_options(*names: str, follow_log: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Gives a command `--config`, `--set` and a flag for each of the settings `names`; the command gets `settings`.

    Its foreseeable errors become one line. `follow_log`: it logs as the settings say; other commands only warn.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def run(config: Path | None, assignments: tuple[str, ...], **kwargs: Any) -> Any:
            flags = {**_assigned(assignments), **{name: kwargs.pop(name) for name in names}}
            settings = load({name: value for name, value in flags.items() if value is not None}, file=config)
            from trunkline.runtime import log

            if follow_log:
                chosen = settings.log
                log.configure(level=chosen.level, format=chosen.format, process="supervisor", node=settings.node)
            else:
                log.configure(level="warning", format="console")
            return command(settings=settings, **kwargs)

        result = explained(run)
        for name in reversed(names):
            setting = SETTINGS[name]
            shown = setting.shown_default.replace("`", "")
            text = f"{setting.sentence}  [default: {shown}]".replace("`", "")
            result = click.option(f"--{name.replace('_', '-')}", name, metavar="VALUE", help=text)(result)
        result = click.option(
            "--set", "assignments", metavar="NAME=VALUE", multiple=True, help="Any setting of docs/settings.md."
        )(result)
        return click.option(
            "--config", type=click.Path(path_type=Path), help="Settings file.  [default: trunkline.toml here, if any]"
        )(result)

    return decorate


def _assigned(assignments: tuple[str, ...]) -> dict[str, str]:
    flags = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals:
            raise SettingsError(f"--set {assignment}: write NAME=VALUE")
        flags[name.strip()] = value
    return flags
