"""Secrets that a set-up file points to instead of holding them: in the environment, or in a file beside it."""

from __future__ import annotations

from trunkline.admin.document import Table
from trunkline.admin.world import Surroundings


def from_environment(around: Surroundings, table: Table, key: str, variable: str) -> str | None:
    """The text of an environment variable; None is a mistake that has been noted at `key`."""
    text = around.environ.get(variable)
    if text is None:
        table.mistake(key, f"the environment has no {variable}")
    return text


def from_file(around: Surroundings, table: Table, key: str, name: str) -> str | None:
    """The text of a file, less one line end; None is a mistake that has been noted at `key`."""
    try:
        return (around.folder / name).read_text("utf-8").removesuffix("\n").removesuffix("\r")
    except OSError as error:
        table.mistake(key, f"cannot read {name}: {error.strerror}")
    except UnicodeDecodeError:
        table.mistake(key, f"{name} is not UTF-8")
    except ValueError:  # a NUL in the name
        table.mistake(key, f"{key} is no name of a file")
    return None


def pointed(around: Surroundings, table: Table, name: str) -> str | None:
    """The secret that `NAME_env` or `NAME_file` of the table points to; None where neither does, or not rightly."""
    variable, file = table.values[f"{name}_env"], table.values[f"{name}_file"]
    if variable is not None:
        return from_environment(around, table, f"{name}_env", variable)
    return None if file is None else from_file(around, table, f"{name}_file", file)
