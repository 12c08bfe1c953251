"""Lines of a TOML text: each table and key where it is written, whatever is in the values before it."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from trunkline.admin.document import Mistaken, parse
from trunkline.admin.places import places

TEXT = '''\
# [[not.a.table]]
title = "a # b [c] = d" # e
"quoted \\u0041.key" = 1
dotted.name . deep = 2

[plain]
text = """
[[fake]]
key = "no" \\""" still
x""""
raw = \'\'\'
[also.fake]
\'\'\'
many = [
  1, # ]
  "]",
  { a = 1, b = [2,
    3] },
]
inline = { x = "}", y = { z = 1 } }

[[list]]
name = 'a'
  [[list.inner]]
  name = "a1"
  [[list.inner]]
  name = "a2"
  when = 1979-05-27T07:32:00Z
[[list]]
name = "b"
  [list.table]
  k = true
  [[list.inner]]
  name = "b1"
'''


def test_every_line_is_found() -> None:
    found = places(TEXT)
    expected = {
        ("title",): 2,
        ("quoted A.key",): 3,
        ("dotted", "name", "deep"): 4,
        ("plain",): 6,
        ("plain", "text"): 7,
        ("plain", "raw"): 11,
        ("plain", "many"): 14,
        ("plain", "many", 1): 16,
        ("plain", "many", 2, "a"): 17,
        ("plain", "many", 2, "b", 1): 18,
        ("plain", "inline", "y", "z"): 20,
        ("list",): 22,
        ("list", 0): 22,
        ("list", 0, "inner", 0): 24,
        ("list", 0, "inner", 1, "name"): 27,
        ("list", 0, "inner", 1, "when"): 28,
        ("list", 1): 29,
        ("list", 1, "table", "k"): 32,
        ("list", 1, "inner", 0, "name"): 34,
    }
    assert {path: found.get(path) for path in expected} == expected
    assert not any("fake" in path or "not" in path for path in found)


def paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(deeper for key, one in inner for deeper in paths(one, (*path, key)))]


def test_there_is_a_line_for_everything_that_the_parser_sees() -> None:
    for text in (TEXT, TEXT.replace("\n", "\r\n"), "", "a=1", "[[a]]\n[[a]]\nb.c.d = [[], [1, [2]], {}]\n[a.e]\n"):
        assert set(places(text)) == set(paths(tomllib.loads(text)))


@pytest.mark.parametrize(
    ("text", "line"),
    [("a = 1\nb = \n", 2), ("a = 1\n\n[[x]\n", 3), ('a = 1\nb = """\n\n', 4), ("a = 1\na = 2\n", 2)],
)
def test_what_is_not_toml_is_told_with_its_line(text: str, line: int) -> None:
    with pytest.raises(Mistaken) as caught:
        parse(text, "f.toml")
    (told,) = caught.value.lines
    assert told.startswith(f"f.toml:{line}: not TOML: ")
    assert "at line" not in told


def test_a_path_without_a_line_takes_the_one_around_it() -> None:
    document = parse("[[a]]\nb = 1\n", "f.toml")
    assert document.line(("a", 0, "missing", 3, "deep")) == 1
    assert document.line(("nothing",)) == 1
