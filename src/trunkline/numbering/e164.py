"""E.164 numbers: the form that is accepted, and the country that a number belongs to.

The table behind it (`plan`) is a graph without cycles: each digit leads from one row to the next until the answer no
longer depends on what follows. Nearly always that is after the calling code and a few digits.
"""

from __future__ import annotations

import re
import zlib
from array import array
from base64 import b85decode

from trunkline.numbering import plan

_FORM = re.compile(r"\+[1-9][0-9]{6,14}").fullmatch

_COLUMNS = 11  # ten digits, then the answer if the number ends here


def well_formed(number: str) -> bool:
    """Whether `number` is "+" and 7 to 15 ASCII digits, the first not 0. Form only: no such line need exist."""
    return _FORM(number) is not None


def _rows() -> tuple[int, ...]:
    """The graph as one tuple: row r, digit d at r * 11 + d.

    A cell >= 0 is the offset of the next row, less the code of "0" (so that the octet of a digit can be added as it
    is); a cell < 0 is an answer, -1 - region.
    """
    cells = array("h", zlib.decompress(b85decode(plan.ROWS)))
    if cells.itemsize != 2:
        raise RuntimeError("a C short of this platform is not 16 bits wide")
    if int.from_bytes(b"\0\1", "big") != array("h", b"\0\1")[0]:
        cells.byteswap()
    return tuple(cell * _COLUMNS - 48 if cell >= 0 else cell - _ANSWERS for cell in cells)


# Offsets start at -48, so answers are kept below that.
_ANSWERS = 1000
_ROWS = _rows()
_REGIONS: tuple[str | None, ...] = tuple(None if region == "ZZ" else region for region in plan.REGIONS.split())


def country_of(number: str) -> str | None:
    """The country of a number, ISO 3166-1 alpha-2 (or XK): what the numbering plan tells, else the main country of the
    calling code; None for calling codes of no country and for what is not `well_formed`.
    """
    if _FORM(number) is None:
        return None
    rows = _ROWS
    row = -48
    for digit in number.encode()[1:]:
        row = rows[row + digit]
        if row <= -_ANSWERS:
            break
    else:
        row = rows[row + 58]  # the number ends here: the eleventh column
    return _REGIONS[-1 - _ANSWERS - row]
