"""What goes wrong for reasons that can be foreseen: one line on standard error and an exit code, no traceback."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import click

# sysexits.h
REFUSED = 1
DATA = 65
UNAVAILABLE = 69
INPUT_OUTPUT = 74
CONFIGURATION = 78
INTERRUPTED = 130


class Failed(Exception):
    """A command cannot do what it was asked to; `code` is the exit code, the text one line for the operator."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def explained(command: Callable[..., Any]) -> Callable[..., Any]:
    """Ends the command with one line per mistake instead of a traceback, where the error is one that is foreseen."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
        except BrokenPipeError:
            raise  # click ends quietly
        except click.exceptions.Exit:
            raise
        except Exception as error:
            told = reason(error)
            if told is None:
                raise
            _end(*told)

    return run


def _end(code: int, lines: list[str]) -> NoReturn:
    for line in lines:
        click.echo(line, err=True)
    sys.exit(code)


def reason(error: Exception) -> tuple[int, list[str]] | None:
    """The exit code and the lines for an error, None for one that nobody foresaw."""
    name = type(error).__name__
    if isinstance(error, Failed):
        return error.code, [f"trunkline: {error}"]
    if name == "Mistaken":
        return DATA, [*getattr(error, "lines", ()), "trunkline: nothing was changed"]
    if name in _CODES:
        return _CODES[name], [f"trunkline: {error}"]
    # Asked only where the driver is loaded: an error of its cannot come from elsewhere.
    if "trunkline.store.db" in sys.modules:
        from trunkline.runtime.log import explained as in_one_line
        from trunkline.store.db import DatabaseError

        if isinstance(error, DatabaseError) and not isinstance(error, OSError):
            return UNAVAILABLE, [f"trunkline: the database said no: {in_one_line(error)}"]
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return INPUT_OUTPUT, [f"trunkline: {where}{error.strerror or error}"]
    return None


# By name, so that telling them apart imports nothing: each is the only class of its name in the project.
_CODES = {
    "SettingsError": CONFIGURATION,
    "SealBroken": CONFIGURATION,
    "SchemaUnknown": CONFIGURATION,
    "EmbeddedRefused": UNAVAILABLE,
    "DatabaseRefused": UNAVAILABLE,
    "Refused": DATA,
}
