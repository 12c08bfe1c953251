"""Durations as commands take them: 30m, 12h, 90d."""

from __future__ import annotations

import re

import click

_UNITS = {"m": 60, "h": 3600, "d": 86_400}


def seconds(_: click.Context, __: click.Parameter, value: str | None) -> float | None:
    """Seconds, from `30m`, `12h` or `90d`."""
    if value is None:
        return None
    match = re.fullmatch(r"([1-9][0-9]{0,5})([mhd])", value)
    if match is None:
        raise click.BadParameter("write it as 30m, 12h or 90d")
    return int(match[1]) * _UNITS[match[2]]


def seconds_or_none(context: click.Context, parameter: click.Parameter, value: str) -> float:
    """As `seconds`, and 0 for at once."""
    return 0.0 if value == "0" else seconds(context, parameter, value) or 0.0
