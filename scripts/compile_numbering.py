"""Compile the numbering plans of the world (metadata of phonenumberslite) into the table of trunkline.numbering.

    python scripts/compile_numbering.py            write the table
    python scripts/compile_numbering.py --check    exit 1 if the table in the tree is not what this would write

The answer to "which country is this number of" is the library's: `region_code_for_number` of the number as its parser
reads it (a trunk prefix left in is dropped), else `region_code_for_country_code`. For most calling codes that is one
country whatever follows. For those that countries share it depends on the patterns of each country, which are regular
expressions over at most 15 digits: a finite set. So the whole question is one decision graph without cycles over the
digits; equal branches are shared, a branch whose every end is the same answer is that answer, and what is left fits
into some kilobytes and takes one step a digit.
"""

# ruff: noqa: T201  (a command: it prints)

from __future__ import annotations

import re
import sys
import textwrap
import zlib
from base64 import b85decode, b85encode
from functools import cache
from pathlib import Path
from re import _constants as op
from re import _parser as regex_parser

import phonenumbers
from phonenumbers import PhoneMetadata, region_code_for_country_code
from phonenumbers.phonenumberutil import COUNTRY_CODE_TO_REGION_CODE

from trunkline.numbering import plan

TARGET = Path(__file__).parent.parent / "src/trunkline/numbering/plan.py"
MAX_DIGITS = 15
TYPES = (
    "fixed_line",
    "mobile",
    "toll_free",
    "premium_rate",
    "shared_cost",
    "voip",
    "personal_number",
    "pager",
    "uan",
    "voicemail",
)

# --- regular expressions over digits, read by derivation -----------------------------------------------------------
# A regular expression in work is a set of what may still follow: tuples of parse-tree items, each matched in turn.

Item = tuple[object, ...]
Rest = tuple[Item, ...]
State = frozenset[Rest]


def parsed(pattern: str) -> State:
    return frozenset({frozen(regex_parser.parse(pattern))})


def frozen(tree: object) -> Rest:
    """The parse tree of `re` as hashable tuples: (digits), (alternatives), (repeat, low, high, what)."""
    items: list[Item] = []
    for kind, value in tree:  # type: ignore[attr-defined]
        if kind is op.LITERAL:
            items.append(("digit", frozenset(chr(value))))
        elif kind is op.IN:
            items.append(("digit", frozenset("".join(map(members, value)))))
        elif kind is op.BRANCH:
            items.append(("any", *(frozen(branch) for branch in value[1])))
        elif kind is op.SUBPATTERN:
            items.append(("any", frozen(value[3])))
        elif kind is op.MAX_REPEAT:
            low, high, what = value
            items.append(("repeat", low, MAX_DIGITS + 1 if high is op.MAXREPEAT else high, frozen(what)))
        else:
            raise ValueError(f"the metadata has a pattern with {kind}, which this script cannot read")
    return tuple(items)


def members(entry: tuple[object, object]) -> str:
    kind, value = entry
    if kind is op.LITERAL:
        return chr(value)  # type: ignore[arg-type]
    if kind is op.RANGE:
        return "".join(chr(code) for code in range(value[0], value[1] + 1))  # type: ignore[index]
    if kind is op.CATEGORY and value is op.CATEGORY_DIGIT:
        return "0123456789"
    raise ValueError(f"the metadata has a class with {kind}, which this script cannot read")


@cache
def opened(rest: Rest) -> frozenset[Rest]:
    """`rest` with its first item opened until it is a digit or there is nothing left."""
    if not rest or rest[0][0] == "digit":
        return frozenset({rest})
    first, behind = rest[0], rest[1:]
    if first[0] == "any":
        return frozenset().union(*(opened(branch + behind) for branch in first[1:]))  # type: ignore[operator]
    _, low, high, what = first
    found: set[Rest] = set()
    if low == 0:
        found |= opened(behind)
    if high > 0:  # type: ignore[operator]
        fewer = ("repeat", max(low - 1, 0), high - 1, what)  # type: ignore[call-overload, operator]
        found |= opened((*what, fewer, *behind))  # type: ignore[misc]
    return frozenset(found)


@cache
def after(state: State, digit: str) -> State:
    return frozenset(
        rest[1:]
        for waiting in state
        for rest in opened(waiting)
        if rest and digit in rest[0][1]  # type: ignore[operator]
    )


@cache
def accepts(state: State) -> bool:
    return any(() in opened(waiting) for waiting in state)


# --- one calling code ------------------------------------------------------------------------------------------------


class SharedCode:
    """The countries of one calling code, in the library's order, and the rules by which it tells them apart.

    `patterns` are all the expressions in work; the rules refer to them by place.
    """

    def __init__(self, calling_code: int) -> None:
        self.main = region_code_for_country_code(calling_code)
        self.patterns: list[State] = []
        self.rules = [self._rule(region) for region in COUNTRY_CODE_TO_REGION_CODE[calling_code]]
        metadata = PhoneMetadata.metadata_for_region(self.main)
        if metadata.national_prefix_transform_rule:
            raise ValueError(f"+{calling_code} rewrites numbers, which this script cannot do")
        self.viable = self._add(metadata.general_desc.national_number_pattern)
        self.lengths = metadata.general_desc.possible_length
        self.local_lengths = metadata.general_desc.possible_length_local_only
        self.prefixes = trunk_prefixes(metadata.national_prefix_for_parsing)

    def _add(self, pattern: str) -> int:
        self.patterns.append(parsed(pattern))
        return len(self.patterns) - 1

    def _rule(self, region: str) -> tuple[str, int | None, tuple[int, ...], list[tuple[int, tuple[int, ...]]]]:
        """(region, leading digits, …): by leading digits alone, else by (general, its lengths, [(type, lengths)])."""
        metadata = PhoneMetadata.metadata_for_region(region)
        if metadata.leading_digits is not None:
            return region, self._add(f"(?:{metadata.leading_digits})\\d*"), (), []
        general = metadata.general_desc
        types = [(self._add(general.national_number_pattern), general.possible_length)]
        for name in TYPES:
            kind = getattr(metadata, name)
            if kind is not None and kind.national_number_pattern is not None:
                types.append((self._add(kind.national_number_pattern), kind.possible_length))
        return region, None, general.possible_length, types

    def country(self, matched: list[bool], length: int) -> str:
        """The country of a number of `length` digits for which the patterns of `matched` hold."""

        def holds(place: int, lengths: tuple[int, ...]) -> bool:
            return matched[place] and (not lengths or length in lengths)

        for region, leading, _, types in self.rules:
            if leading is not None:
                if matched[leading]:
                    return region
            elif holds(*types[0]) and any(holds(*kind) for kind in types[1:]):
                return region
        return self.main

    def may_strip(self, length: int) -> bool:
        """Whether what a dropped trunk prefix leaves is long enough to be a number."""
        if length in self.local_lengths or length < self.lengths[0]:
            return False
        return length in self.lengths or length > self.lengths[-1]


def trunk_prefixes(pattern: str | None) -> list[str]:
    """Every string that the (finite, prefix-free) expression of trunk prefixes matches."""
    found: list[str] = []
    if pattern is None:
        return found
    reached = [("", parsed(pattern))]
    while reached:
        text, state = reached.pop()
        if accepts(state):
            found.append(text)
        reached += [(text + d, after(state, d)) for d in "0123456789" if after(state, d)]
    return sorted(found)


# --- the graph -------------------------------------------------------------------------------------------------------

NOWHERE = "ZZ"  # a code of no country


class Graph:
    """Nodes: (answer if the number ends here, ten branches); a branch is a node's number or an answer."""

    def __init__(self) -> None:
        self.numbers: dict[tuple[str, tuple[int | str, ...]], int] = {}

    def node(self, answer: str, branches: list[int | str]) -> int | str:
        if all(branch == answer for branch in branches):
            return answer
        key = (answer, tuple(branches))
        return self.numbers.setdefault(key, len(self.numbers))

    def shared_code(self, calling_code: int) -> int | str:
        """The part of the graph behind a calling code of several countries."""
        code = SharedCode(calling_code)
        longest = MAX_DIGITS - len(str(calling_code))
        start = tuple(code.patterns)
        dead = (frozenset(),) * len(start)
        seen: dict[object, int | str] = {}

        def visit(length: int, whole: tuple[State, ...], cut: tuple[object, ...]) -> int | str:
            """`whole`: patterns along all digits; `cut`: per trunk prefix, digits still to come or patterns behind."""
            key = (length, whole, cut)
            if key not in seen:
                seen[key] = self.node(answer(length, whole, cut), branches(length, whole, cut))
            return seen[key]

        def branches(length: int, whole: tuple[State, ...], cut: tuple[object, ...]) -> list[int | str]:
            if length == longest or (whole == dead and all(state in (None, dead) for state in cut)):
                return [code.main] * 10
            return [
                visit(length + 1, step(whole, digit), tuple(step_cut(state, digit) for state in cut))
                for digit in "0123456789"
            ]

        def step(states: tuple[State, ...], digit: str) -> tuple[State, ...]:
            return tuple(after(state, digit) for state in states)

        def step_cut(state: object, digit: str) -> object:
            if state is None:
                return None
            if isinstance(state, str):
                if state[0] != digit:
                    return None
                return state[1:] or start
            return step(state, digit)  # type: ignore[arg-type]

        def answer(length: int, whole: tuple[State, ...], cut: tuple[object, ...]) -> str:
            for prefix, state in zip(code.prefixes, cut, strict=True):
                if isinstance(state, tuple):
                    left = length - len(prefix)
                    viable = accepts(state[code.viable])
                    if code.may_strip(left) and (viable or not accepts(whole[code.viable])):
                        return code.country([accepts(each) for each in state], left)
            return code.country([accepts(each) for each in whole], length)

        return visit(0, start, tuple(code.prefixes))

    def root(self) -> int:
        """The graph from the first digit of the calling code on."""
        codes = {str(code): code for code in COUNTRY_CODE_TO_REGION_CODE}

        def visit(text: str) -> int | str:
            if text in codes:
                if len(COUNTRY_CODE_TO_REGION_CODE[codes[text]]) > 1:
                    return self.shared_code(codes[text])
                region = region_code_for_country_code(codes[text])
                return NOWHERE if region == phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY else region
            if not any(code.startswith(text) for code in codes):
                return NOWHERE
            return self.node(NOWHERE, [visit(text + digit) for digit in "0123456789"])

        root = visit("")
        assert isinstance(root, int)
        return root


def compiled() -> tuple[str, bytes]:
    """The graph as the module has it: the regions' names, and the rows as signed 16-bit numbers, big endian."""
    graph = Graph()
    root = graph.root()
    # The root first, so that a walk starts at 0.
    order = sorted(graph.numbers.items(), key=lambda item: (item[1] != root, item[1]))
    place = {number: at for at, (_, number) in enumerate(order)}
    regions = sorted(
        {answer for (answer, _), _ in order} | {b for (_, bs), _ in order for b in bs if isinstance(b, str)}
    )
    cells: list[int] = []
    for (answer, branches), _ in order:
        row = [*branches, answer]
        cells += [place[cell] if isinstance(cell, int) else -1 - regions.index(cell) for cell in row]
    return " ".join(regions), b"".join(cell.to_bytes(2, "big", signed=True) for cell in cells)


def module_text(regions: str, rows: bytes) -> str:
    packed = b85encode(zlib.compress(rows, 9)).decode("ascii")
    lines = "\n".join(f'    "{line}"' for line in re.findall(".{1,110}", packed))
    names = "\n".join(f'    "{line}"' for line in textwrap.wrap(regions, 110, drop_whitespace=False))
    return f'''"""The world's numbering plans as a decision graph: written by scripts/compile_numbering.py, not by hand.

Made from the metadata of phonenumberslite {phonenumbers.__version__} (Apache License 2.0).
"""

VERSION = "{phonenumbers.__version__}"

# What the graph answers, by number; ZZ is a calling code of no country.
REGIONS = (
{names}
)

# Rows of eleven: where each digit leads, and the answer if the number ends here. A row's number, or -1 - a region's.
# Signed 16-bit, big endian, deflated, base 85.
ROWS = (
{lines}
)
'''


def main(arguments: list[str]) -> int:
    regions, rows = compiled()
    if arguments == ["--check"]:
        # The graph and not the file: another zlib may deflate the same rows to other octets.
        current = (plan.VERSION, plan.REGIONS, zlib.decompress(b85decode(plan.ROWS))) == (
            phonenumbers.__version__,
            regions,
            rows,
        )
        print(f"{TARGET.name}: {'current' if current else 'out of date, run scripts/compile_numbering.py'}")
        return 0 if current else 1
    TARGET.write_text(module_text(regions, rows), encoding="utf-8")
    print(f"{TARGET}: {len(rows) // 22} rows")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
