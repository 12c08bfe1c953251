"""The help of every command, in Markdown: the generated part of docs/command-line.md."""

from __future__ import annotations

from collections.abc import Iterator

import click

from trunkline.cli import main


def reference() -> str:
    """One section for each command, with what its `--help` says."""
    parts = []
    for name, context in _leaves(main, click.Context(main, info_name="trunkline", **main.context_settings)):
        parts.append(f"## `{name}`\n\n```text\n{context.get_help()}\n```\n")
    return "\n".join(parts)


def _leaves(group: click.Group, above: click.Context) -> Iterator[tuple[str, click.Context]]:
    for name in group.list_commands(above):
        command = group.get_command(above, name)
        assert command is not None
        context = click.Context(command, info_name=name, parent=above, terminal_width=100)
        if isinstance(command, click.Group):
            yield from _leaves(command, context)
        else:
            yield context.command_path, context
