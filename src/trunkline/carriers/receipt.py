"""Read a delivery receipt: what a carrier says became of a message (SMPP 3.4 §4.6.1, Appendix B, §5.3.2).

Nothing raises, whatever the octets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from enum import StrEnum
from typing import NamedTuple

import msgspec

from trunkline.carriers.dialect import PLAIN, Dialect, IdForm, canonical_id
from trunkline.carriers.dialect_readers import is_network
from trunkline.carriers.receipt_text import read_text
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
    in_tlv: bool = False  # where message_id comes from


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
    network: str | None = None
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
    text_id, sub, dlvrd, submit_date, done_date, stat, err, text, *network = read_text(octets, dialect)
    word_state = None
    if stat is not None:
        stat = stat.upper()
        word_state = dialect.states.get(stat, _WORDS.get(stat))
    tlv_state = optional.state

    mismatch = False
    if optional.message_id:
        message_id: str | None = optional.message_id
        canonical = dialect.tlv_id(optional.message_id)
        mismatch = text_id is not None and not _same_id(optional.message_id, text_id)
    else:
        message_id = text_id
        canonical = dialect.receipt_id(text_id) if text_id else ""

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
        _network(optional, network) if network or optional.mcc or optional.network else None,
        status,
        code,
        understood,
        mismatch,
        err_unmapped,
        bool(optional.message_id),
    )


def _count(value: str) -> int | None:
    return int(value) if len(value) <= 9 and value.isascii() and value.isdecimal() else None


def _network(optional: _Tlvs, fields: Sequence[str | None]) -> str | None:
    """MCC (3 digits) and MNC (2 or 3) as one, TLV before text, or None where either is missing or malformed."""
    if is_network(optional.network):
        return optional.network
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
        if len(value) == _LENGTHS.get(tag, len(value)) and tag not in dialect.ignored_tlvs:
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
        _named_network(found, dialect),
        found.get(_PAYLOAD, b""),
    )


def _named_network(found: Mapping[int, bytes], dialect: Dialect) -> str | None:
    if dialect.network_tlv is None:
        return None
    name = _string(found.get(dialect.network_tlv))
    return dialect.networks.get(name, name) if name is not None else None


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
