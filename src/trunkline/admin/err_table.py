"""A carrier's error codes as the operator has them: CSV of two columns, `err` and the delivery code that it means."""

from __future__ import annotations

import csv
import io

from trunkline.carriers.dialect_readers import delivery_code

_SHOWN = 20


def read(text: str) -> tuple[dict[str, str], list[str]]:
    """The table, and what is wrong with the file's lines. A first line `err,code` is a heading; further columns are
    the operator's own notes; commas or semicolons, empty lines are none.
    """
    first_line = text.partition("\n")[0]
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff")), delimiter=";" if ";" in first_line else ",")
    table: dict[str, str] = {}
    mistakes: list[str] = []
    try:
        for line, row in enumerate(rows, start=1):
            cells = [cell.strip() for cell in row]
            if not any(cells) or (line == 1 and [cell.lower() for cell in cells[:2]] == ["err", "code"]):
                continue
            if len(cells) < 2 or not cells[0]:
                mistakes.append(f"line {line}: an error and its delivery code are wanted")
                continue
            try:
                code = delivery_code(f"err_table.{cells[0]}", cells[1])
            except ValueError as error:
                mistakes.append(f"line {line}: {error}")
                continue
            if table.setdefault(cells[0], code) != code:
                mistakes.append(f"line {line}: {cells[0]} has another code above")
    except csv.Error as error:
        mistakes.append(f"line {rows.line_num}: {error}")
    if not table and not mistakes:
        mistakes.append("line 1: there is no error in it")
    return table, mistakes[:_SHOWN]
