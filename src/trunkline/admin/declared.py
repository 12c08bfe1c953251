"""Declared set-up: makes the installation what a file says, all of it or nothing, and says what that changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trunkline.admin.document import REQUIRED, Document, Key, Mistaken, Table, near, parse
from trunkline.admin.sections import INNER, SECTIONS, Section
from trunkline.admin.world import Change, Surroundings, World
from trunkline.store import hooks
from trunkline.store.db import Connection

__all__ = ["Declared", "Mistaken", "Outcome", "Surroundings", "apply", "read", "reference"]

# What makes two tables of a section the same thing.
_IDENTITY: Mapping[str, tuple[str, ...]] = {
    "account": ("name",),
    "price_list": ("name",),
    "plan": ("account", "name"),
    "sender": ("plan", "address"),
    "receiver": ("account", "plan", "origin"),
    "carrier": ("name",),
    "route": ("name",),
    "guard": ("plan",),
    "blocked_range": ("prefix",),
    "keyword": ("plan", "address", "word"),
}


@dataclass(frozen=True, slots=True)
class Declared:
    """A file's tables in the order of `SECTIONS`, each checked by itself; mistakes are in the document."""

    document: Document
    tables: tuple[tuple[Section, Table], ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an application did, in the file's order by section; the new webhook secrets by the plan's public id."""

    changes: tuple[Change, ...]
    secrets: Mapping[str, str]


def read(text: str, file: str) -> Declared:
    """Reads a set-up file's text; `file` is what messages call it. Raises Mistaken only where it is not TOML."""
    document = parse(text, file)
    names = [section.name for section in SECTIONS]
    for name in document.values:
        if name not in names:
            document.mistake((name,), f"there is no section {name}{near(name, names)}")
    tables = []
    for section in SECTIONS:
        if section.name in document.values:
            own = document.tables((section.name,), document.values[section.name], section.name)
            for table in own:
                section.read(table)
            _check_doubles(section, own)
            tables += [(section, table) for table in own]
    return Declared(document, tuple(tables))


def _check_doubles(section: Section, tables: list[Table]) -> None:
    seen: dict[tuple[str | None, ...], Table] = {}
    for table in tables:
        identity = tuple(table.values[key] for key in _IDENTITY[section.name])
        first = seen.setdefault(identity, table)
        if None not in identity and first is not table:
            line = table.document.line(first.path)
            table.mistake("", f"this {section.name} is in the file already, on line {line}")


async def apply(conn: Connection, declared: Declared, around: Surroundings) -> Outcome:
    """Makes the installation so in one transaction. Raises Mistaken, with every mistake there is, and then changes
    nothing; SealBroken where the installation has another key; what the database raises."""
    document = declared.document
    broken = {
        (section.name, name) for section, table in declared.tables if not table.is_sound for name in _called(table)
    }
    async with conn.transaction():
        world = await World.locked(conn, around, broken)
        for section, table in declared.tables:
            await section.put(world, table)  # of one with mistakes: only what else is wrong with it
            if not table.is_sound:
                broken.update((section.name, name) for name in _called(table))
        if document.mistakes:
            raise Mistaken(document.file, document.mistakes)
        await hooks.forget_unused(conn)
    return Outcome(tuple(world.changes), world.secrets)


def _called(table: Table) -> list[str]:
    return [value for key in ("name", "id") if isinstance(value := table.values.get(key), str)]


def reference() -> str:
    """The keys of every section, in Markdown: the generated part of docs/set-up-file.md."""
    parts = []
    documented = []
    for section in SECTIONS:
        documented.append((section.name, section.what, section.keys))
        documented += [(name, *rest) for name, rest in INNER.items() if name.startswith(f"{section.name}.")]
    for name, what, keys in documented:
        parts.append(f"## `[[{name}]]`\n\n{what}\n\n| Key | Type | Default | What it says |\n|---|---|---|---|")
        for key in keys:
            parts.append(f"| `{key.name}` | {key.kind.title} | {_default(key)} | {key.sentence} |")
        parts.append("")
    return "\n".join(parts)


def _default(key: Key) -> str:
    if key.default is REQUIRED:
        return "required"
    return key.shown or ("none" if key.default is None else f"`{key.kind.write(key.default)}`")
