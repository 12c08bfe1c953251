"""Read a delivery receipt: what a carrier says became of a message (SMPP 3.4 §4.6.1, Appendix B, §5.3.2).

The words of Appendix B are an example in the specification and a hundred dialects in the field, so nothing here takes
order, case, spaces or presence of a field for granted; and nothing raises, whatever the octets.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from enum import StrEnum
from typing import NamedTuple

import msgspec

from trunkline.carriers.dialect import PLAIN, Dialect, IdForm, canonical_id
from trunkline.domain.status import Status
from trunkline.text import udh

# Bits 5 to 2 of esm_class (SMPP 3.4 §5.2.12).
_MESSAGE_TYPE, _RECEIPT, _INTERMEDIATE = 0x3C, 0x04, 0x20
_UDHI = 0x40

_RECEIPTED_MESSAGE_ID, _MESSAGE_STATE, _NETWORK_ERROR, _PAYLOAD, _USER_REFERENCE = (
    0x001E,
    0x0427,
    0x0423,
    0x0424,
    0x0204,
)

# message_state (SMPP 3.4 §5.2.28; 0 and 9 are of SMPP 5.0) -> status and code; those of 5 and 8 may be told closer
# by `err`.
SCHEDULED, ENROUTE, DELIVERED, EXPIRED, DELETED, UNDELIVERABLE, ACCEPTED, UNKNOWN, REJECTED, SKIPPED = range(10)
_OUTCOMES: dict[int, tuple[Status, str]] = {
    SCHEDULED: (Status.SENT, "000"),
    ENROUTE: (Status.SENT, "000"),
    DELIVERED: (Status.DELIVERED, "000"),
    EXPIRED: (Status.FAILED, "701"),
    DELETED: (Status.FAILED, "307"),
    UNDELIVERABLE: (Status.FAILED, "306"),
    ACCEPTED: (Status.SENT, "000"),
    UNKNOWN: (Status.UNKNOWN, "704"),
    REJECTED: (Status.FAILED, "305"),
    SKIPPED: (Status.FAILED, "306"),
}
_NOT_UNDERSTOOD = (Status.SENT, "000")

_WORDS: dict[str, int] = {
    "DELIVRD": DELIVERED,
    "DELIVERED": DELIVERED,
    "EXPIRED": EXPIRED,
    "DELETED": DELETED,
    "UNDELIV": UNDELIVERABLE,
    "UNDELIVERED": UNDELIVERABLE,
    "UNDELIVERABLE": UNDELIVERABLE,
    "FAILED": UNDELIVERABLE,
    "ACCEPTD": ACCEPTED,
    "ACCEPTED": ACCEPTED,
    "UNKNOWN": UNKNOWN,
    "REJECTD": REJECTED,
    "REJECTED": REJECTED,
    "SKIPPED": SKIPPED,
    "ENROUTE": ENROUTE,
    "BUFFERED": ENROUTE,
    "SCHEDULED": SCHEDULED,
}


class Kind(StrEnum):
    """What a deliver_sm or data_sm from a carrier is."""

    RECEIPT = "receipt"
    MO = "mo"
    OTHER = "other"  # acknowledgements by handsets and reserved types: neither moves a message nor is text for anybody


class NetworkError(NamedTuple):
    """network_error_code (SMPP 3.4 §5.3.2.31): the network's type (3 is GSM) and its error."""

    network: int
    code: int


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """One receipt as read.

    `message_id` is the one to match with (TLV before text), as received without NULs and outer spaces;
    `canonical_id` is its form to compare by, "" for none. `text_id` is the text's. `stat` is upper case, `state` its
    number (TLV before word), None for a word without one. `status` SENT moves nothing; `understood` is false where no
    state was given or known. Dates are as received (`read_date`). `mismatch`: text and TLV disagree on state or id.
    `err_unmapped`: the dialect's profile has no entry for an error that was given.
    """

    message_id: str | None
    canonical_id: str
    text_id: str | None
    stat: str | None
    state: int | None
    err: str | None
    sub: int | None
    dlvrd: int | None
    submit_date: str | None
    done_date: str | None
    text: str | None
    network_error: NetworkError | None
    user_message_reference: int | None
    mccmnc: str | None
    status: Status
    code: str
    understood: bool
    mismatch: bool
    err_unmapped: bool


def kind_of(
    esm_class: int, short_message: bytes, tlvs: Sequence[tuple[int, bytes]] = (), dialect: Dialect = PLAIN
) -> Kind:
    """Receipt, message or something else, by the type in `esm_class`.

    Words alone make no receipt: a handset can write them. A dialect may say that its carrier forgets the flag; then an
    id and a state make one.
    """
    message_type = esm_class & _MESSAGE_TYPE
    if message_type == 0:
        if dialect.receipts_without_flag:
            found = parse(esm_class, short_message, tlvs, dialect)
            if found.canonical_id and found.understood:
                return Kind.RECEIPT
        return Kind.MO
    if message_type & ~(_RECEIPT | _INTERMEDIATE):
        return Kind.OTHER
    return Kind.RECEIPT


class _Tlvs(NamedTuple):
    """The optional parameters that a receipt may have."""

    message_id: str | None = None
    state: int | None = None
    network_error: NetworkError | None = None
    user_reference: int | None = None
    mcc: str | None = None
    mnc: str | None = None
    payload: bytes = b""


_NO_TLVS = _Tlvs()


def parse(
    esm_class: int, short_message: bytes, tlvs: Sequence[tuple[int, bytes]] = (), dialect: Dialect = PLAIN
) -> Receipt:
    """Read a receipt of any form; what is absent or malformed is None. Raises nothing.

    `tlvs` in the order received. data_coding is not asked for: carriers set it for the message that the receipt is
    about, not for the receipt.
    """
    optional = _read_tlvs(tlvs, dialect) if tlvs else _NO_TLVS
    octets = short_message or optional.payload
    if esm_class & _UDHI:
        header = udh.read(octets)
        octets = octets if header.error else header.rest or b""
    text_id, sub, dlvrd, submit_date, done_date, stat, err, text, *network = _read_text(octets)
    word_state = None
    if stat is not None:
        stat = stat.upper()
        word_state = dialect.states.get(stat, _WORDS.get(stat))
    tlv_state = optional.state

    mismatch = False
    if optional.message_id:
        message_id: str | None = optional.message_id
        canonical = canonical_id(optional.message_id, dialect.id_form_of_tlv)
        mismatch = text_id is not None and not _same_id(optional.message_id, text_id)
    else:
        message_id = text_id
        canonical = canonical_id(text_id, dialect.receipt_id_form) if text_id else ""

    state = word_state
    if tlv_state is not None:
        mismatch = mismatch or (word_state is not None and word_state != tlv_state)
        if tlv_state in _OUTCOMES or word_state is None:
            state = tlv_state
    understood = state in _OUTCOMES
    status, code = _OUTCOMES[state] if state is not None and understood else _NOT_UNDERSTOOD
    err_unmapped = False
    if state in (UNDELIVERABLE, REJECTED) and dialect.err_profile is not None:
        mapped, err_unmapped = _code_of_error(err, optional.network_error, dialect)
        code = mapped or code

    # By position: a keyword for each of so many fields costs a fifth of the whole parse.
    return Receipt(
        message_id,
        canonical,
        text_id,
        stat,
        state,
        err,
        None if sub is None else _count(sub),
        None if dlvrd is None else _count(dlvrd),
        submit_date,
        done_date,
        text,
        optional.network_error,
        optional.user_reference,
        _network(optional, network) if network or optional.mcc else None,
        status,
        code,
        understood,
        mismatch,
        err_unmapped,
    )


# --- the text --------------------------------------------------------------------------------------------------------


# The values of a text's fields as received, None where absent or empty (`text`: where absent): id, sub, dlvrd,
# submit date, done date, stat, err, text; and, where it has either, mcc and mnc.
_Fields = tuple[str | None, ...]

# The form of Appendix B as nearly every carrier writes it: one match instead of a search for each key. It reads what
# it takes just as the search below does.
_USUAL = re.compile(
    r"id:(\S+)(?: sub:(\S+) dlvrd:(\S+))? submit date:(\S+) done date:(\S+) stat:(\S+) err:(\S+)(?: [Tt]ext:\s*(.*))?",
    re.ASCII | re.DOTALL,
).fullmatch

# A key stands at the start or behind white space ("valid:" and "msgid:" are no "id:").
_KEY = re.compile(
    r"(?<!\S)(id|sub|dlvrd|submit[ _]?date|done[ _]?date|stat|err|mcc|mnc|text):", re.ASCII | re.IGNORECASE
)
_DATE_KEYS = {"subm": "submit_date", "done": "done_date"}  # "submit date", "submit_date", "submitdate"
_VALUE = re.compile(r"\s*(\S+)", re.ASCII)
_FIELDS = ("id", "sub", "dlvrd", "submit_date", "done_date", "stat", "err", "text")
_EMPTY: _Fields = (None,) * len(_FIELDS)
_OUTER = "\0 \t\r\n\f\v"


def _read_text(octets: bytes) -> _Fields:
    # Latin-1 keeps octets as they are. A receipt begins with a letter, so a NUL in front (or a byte order mark) is
    # UCS-2, whatever data_coding says.
    if octets[:1] == b"\0" or octets[:2] == b"\xfe\xff":
        text = octets.decode("utf-16-be", "replace").lstrip("\ufeff")
    else:
        text = octets.decode("latin-1")
    text = text.strip(_OUTER).replace("\0", "\ufffd")  # the database holds no NUL
    if not text:  # everything is in the TLVs
        return _EMPTY
    usual = _USUAL(text)
    if usual is not None:
        return usual.groups()
    return _search(text)


def _search(text: str) -> _Fields:
    """Fields in any order: the first of a key counts, its value is the first word before the next key; what follows
    "text:" is text and holds no fields.
    """
    found: dict[str, str] = {}
    keys = list(_KEY.finditer(text))
    for at, key in enumerate(keys):
        name = _DATE_KEYS.get(key[1][:4].lower()) or key[1].lower()
        if name == "text":
            found[name] = text[key.end() :].strip(_OUTER)
            break
        end = keys[at + 1].start() if at + 1 < len(keys) else len(text)
        value = _VALUE.match(text, key.end(), end)
        if value is not None:
            found.setdefault(name, value[1])
    network = (found.get("mcc"), found.get("mnc")) if "mcc" in found or "mnc" in found else ()
    return (*map(found.get, _FIELDS), *network)


def _count(value: str) -> int | None:
    return int(value) if len(value) <= 9 and value.isascii() and value.isdecimal() else None


def _network(optional: _Tlvs, fields: Sequence[str | None]) -> str | None:
    """MCC (3 digits) and MNC (2 or 3) as one, TLV before text, or None where either is missing or malformed."""
    in_text = fields or (None, None)
    mcc, mnc = optional.mcc or in_text[0], optional.mnc or in_text[1]
    if mcc and mnc and len(mcc) == 3 and len(mnc) in (2, 3) and (mcc + mnc).isascii() and (mcc + mnc).isdecimal():
        return mcc + mnc
    return None


_DATE_FORMS = {10: ("%y%m%d%H%M",), 12: ("%y%m%d%H%M%S", "%Y%m%d%H%M"), 14: ("%Y%m%d%H%M%S",)}
_ABSOLUTE = re.compile(r"([0-9]{12})([0-9])([0-9]{2})([+-])").fullmatch


def read_date(raw: str | None) -> datetime | None:
    """A receipt's date: naive (the carrier's local time) unless it has an offset; None where it is none.

    YYMMDDhhmm of Appendix B, with seconds, with four digits for the year, or SMPP's absolute time (§7.1.1). Only to
    show: carriers disagree too much about them for anything to depend on one.
    """
    if raw is None or not raw.isascii():
        return None
    absolute = _ABSOLUTE(raw)
    digits = absolute[1] if absolute else raw
    if not digits.isdecimal():
        return None
    for form in _DATE_FORMS.get(len(digits), ()):
        try:
            date = datetime.strptime(digits, form)
        except ValueError:
            continue
        if date.year < 2000:  # %y reads 69 and above as the last century
            continue
        if absolute is None:
            return date
        quarters = int(absolute[3]) if absolute[4] == "+" else -int(absolute[3])
        if abs(quarters) > 48:
            return None
        zone = timezone(timedelta(minutes=15 * quarters))
        return date.replace(microsecond=int(absolute[2]) * 100_000, tzinfo=zone)
    return None


# --- the optional parameters -----------------------------------------------------------------------------------------


def _read_tlvs(tlvs: Sequence[tuple[int, bytes]], dialect: Dialect) -> _Tlvs:
    """The first well-formed one of each tag counts."""
    found: dict[int, bytes] = {}
    for tag, value in tlvs:
        if len(value) == _LENGTHS.get(tag, len(value)):
            found.setdefault(tag, value)
    state = found.get(_MESSAGE_STATE)
    error = found.get(_NETWORK_ERROR)
    reference = found.get(_USER_REFERENCE)
    return _Tlvs(
        _string(found.get(_RECEIPTED_MESSAGE_ID)),
        state[0] if state else None,
        NetworkError(error[0], error[1] << 8 | error[2]) if error else None,
        reference[0] << 8 | reference[1] if reference else None,
        None if dialect.mcc_tlv is None else _string(found.get(dialect.mcc_tlv)),
        None if dialect.mnc_tlv is None else _string(found.get(dialect.mnc_tlv)),
        found.get(_PAYLOAD, b""),
    )


_LENGTHS = {_MESSAGE_STATE: 1, _NETWORK_ERROR: 3, _USER_REFERENCE: 2}


def _string(value: bytes | None) -> str | None:
    """A C-octet string, with or without its NUL (SMPP 3.4 §3.1), without outer spaces; None for an empty one."""
    return value.partition(b"\0")[0].decode("latin-1").strip(" ") or None if value else None


def _same_id(one: str, other: str) -> bool:
    """Whether two ids are one, or one number written in decimal and in hexadecimal."""
    return (
        one == other
        or canonical_id(one, IdForm.HEX) == canonical_id(other, IdForm.DEC)
        or canonical_id(one, IdForm.DEC) == canonical_id(other, IdForm.HEX)
    )


def _code_of_error(err: str | None, network_error: NetworkError | None, dialect: Dialect) -> tuple[str | None, bool]:
    """The delivery code that the carrier's error means, and whether there was an error that the profile lacks.

    The text's `err` before the network's own TLV, which only the GSM profile can read; zero is no error.
    """
    given = [err] if err is not None and err.strip("0") else []
    if network_error is not None and network_error.network == 3 and dialect.err_profile == "gsm_map":
        given.append(str(network_error.code))
    for error in given:
        code = dialect.code_of_err(error)
        if code is not None:
            return code, False
    return None, bool(given)
