"""The words that a dialect's fields take: what carriers do one way or the other."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Alphabet(StrEnum):
    """What the default alphabet is on a carrier (SMPP 3.4 §5.2.19: "SMSC Default Alphabet")."""

    GSM7 = "gsm7"  # one septet an octet
    GSM7_PACKED = "gsm7_packed"  # eight septets in seven octets, as on the air (3GPP TS 23.038 §6.1.2.1)
    LATIN1 = "latin1"
    ASCII = "ascii"

    @property
    def is_gsm7(self) -> bool:
        return self is Alphabet.GSM7 or self is Alphabet.GSM7_PACKED


class Concatenation(StrEnum):
    """How the parts of a long text say that they belong together."""

    UDH = "udh"  # a header in front of each part's octets (3GPP TS 23.040 §9.2.3.24)
    SAR = "sar"  # sar_msg_ref_num and its two neighbours (SMPP 3.4 §5.3.2.22)
    PAYLOAD = "payload"  # no parts: the whole text is one message_payload (SMPP 3.4 §5.3.2.32), and the carrier cuts it


class ReceiptedParts(StrEnum):
    """Of which parts of a long text receipts come."""

    ALL = "all"
    FIRST = "first"
    LAST = "last"


class NumberForm(StrEnum):
    """How international numbers are written in submit_sm."""

    DIGITS = "digits"  # country code first
    PLUS = "plus"
    ZEROS = "zeros"  # behind 00


class ValidityForm(StrEnum):
    """How what is left of a message's validity is passed on (SMPP 3.4 §7.1.1)."""

    RELATIVE = "relative"
    ABSOLUTE = "absolute"
    NONE = "none"  # the carrier's own validity


class AddressType(NamedTuple):
    """Type of number and numbering plan (SMPP 3.4 §5.2.5, §5.2.6)."""

    ton: int
    npi: int
