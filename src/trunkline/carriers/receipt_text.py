"""Read the text of a delivery receipt into its fields (SMPP 3.4 Appendix B), as one carrier writes it.

The words of Appendix B are an example in the specification and a hundred dialects in the field, so nothing here takes
order, case, spaces or presence of a field for granted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from trunkline.carriers.dialect import Dialect

# The values of a text's fields as received, None where absent or empty (`text`: where absent): id, sub, dlvrd,
# submit date, done date, stat, err, text; and, where it has either, mcc and mnc.
Fields = tuple[str | None, ...]

# The form of Appendix B as nearly every carrier writes it: one match instead of a search for each key. It reads what
# it takes just as the search below does.
_USUAL = re.compile(
    r"id:(\S+)(?: sub:(\S+) dlvrd:(\S+))? submit date:(\S+) done date:(\S+) stat:(\S+) err:(\S+)(?: [Tt]ext:\s*(.*))?",
    re.ASCII | re.DOTALL,
).fullmatch

# A key stands at the start or behind white space ("valid:" and "msgid:" are no "id:").
_USUAL_KEYS = "id|sub|dlvrd|submit[ _]?date|done[ _]?date|stat|err|mcc|mnc|text"
_KEY = re.compile(rf"(?<!\S)({_USUAL_KEYS}):", re.ASCII | re.IGNORECASE)
_DATE_KEYS = {"subm": "submit_date", "done": "done_date"}  # "submit date", "submit_date", "submitdate"
_VALUE = re.compile(r"\s*(\S+)", re.ASCII)
_NAMES = ("id", "sub", "dlvrd", "submit_date", "done_date", "stat", "err", "text")
_EMPTY: Fields = (None,) * len(_NAMES)
_PADDING = re.compile(r"\0+(?=\s)", re.ASCII)
_OUTER = "\0 \t\r\n\f\v"


def read_text(octets: bytes, dialect: Dialect) -> Fields:
    """The fields of a receipt's text; raises nothing, whatever the octets."""
    # Latin-1 keeps octets as they are. A receipt begins with a letter, so a NUL in front (or a byte order mark) is
    # UCS-2, whatever data_coding says.
    if octets[:1] == b"\0" or octets[:2] == b"\xfe\xff":
        text = octets.decode("utf-16-be", "replace").lstrip("\ufeff")
    else:
        text = octets.decode("latin-1")
    text = _tidy(text)
    if not text:  # everything is in the TLVs
        return _EMPTY
    if not dialect.receipt_keys:
        usual = _USUAL(text)
        if usual is not None:
            return usual.groups()
        if dialect.receipt_columns and _KEY.search(text) is None:
            return _columns(text, dialect)
    return _search(text, dialect.receipt_keys)


def _tidy(text: str) -> str:
    """Without what pads the text or a field of it; the database holds no NUL."""
    if "\0" in text:
        text = _PADDING.sub("", text.strip(_OUTER)).replace("\0", "\ufffd")
    return text.strip(_OUTER)


def _search(text: str, own: Mapping[str, str]) -> Fields:
    """Fields in any order: the first of a key counts, its value is the first word before the next key; what follows
    "text:" is text and holds no fields. Keys of the carrier's `own` go before the usual ones.
    """
    key_of, value_of = _own_forms(tuple(own)) if own else (_KEY, _VALUE)
    found: dict[str, str] = {}
    found_by_own: dict[str, str] = {}
    keys = list(key_of.finditer(text))
    for at, key in enumerate(keys):
        word = " ".join(key[1].lower().split())
        name = own.get(word)
        into = found if name is None else found_by_own
        name = name or _DATE_KEYS.get(word[:4]) or word
        if name == "text":
            into[name] = text[key.end() :].strip(_OUTER)
            break
        end = keys[at + 1].start() if at + 1 < len(keys) else len(text)
        value = value_of.match(text, key.end(), end)
        if value is not None:
            into.setdefault(name, value[1])
    return _in_order(found | found_by_own)


def _columns(text: str, dialect: Dialect) -> Fields:
    """A text without keys: fields by their place; a text at the end may hold the separator."""
    names = dialect.receipt_columns
    values = text.split(dialect.receipt_separator, len(names) - 1 if names[-1] == "text" else -1)
    given = {name: value.strip(_OUTER) for name, value in zip(names, values, strict=False) if name}
    return _in_order({name: value for name, value in given.items() if value or name == "text"})


def _in_order(found: Mapping[str, str]) -> Fields:
    network = (found.get("mcc"), found.get("mnc")) if "mcc" in found or "mnc" in found else ()
    return (*map(found.get, _NAMES), *network)


@lru_cache(maxsize=256)
def _own_forms(words: tuple[str, ...]) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Keys and values where the carrier has keys of its own: between `,`, `;` or `|` as well, and with `=`."""
    names = "|".join(re.escape(word).replace("\\ ", r"\s+") for word in sorted(words, key=len, reverse=True))
    key = re.compile(rf"(?<![^\s,;|])({names}|{_USUAL_KEYS})\s*[:=]", re.ASCII | re.IGNORECASE)
    return key, re.compile(r"\s*([^\s,;|]+)", re.ASCII)
