"""Kinds of fields that PDUs are made of (SMPP 3.4 §3.1), each able to read and write itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from trunkline.smpp.errors import DecodeError, EncodeError
from trunkline.smpp.pdu import ListDest, SmeDest, UnsuccessSme
from trunkline.smpp.status import (
    ESME_RINVCMDLEN,
    ESME_RINVDESTFLAG,
    ESME_RINVDLNAME,
    ESME_RINVDSTADR,
    ESME_RINVMSGLEN,
    ESME_RINVNUMDESTS,
)

SHORT_MESSAGE_MAX = 254
SME_ADDRESS, DISTRIBUTION_LIST = 1, 2  # dest_flag, SMPP 3.4 §5.2.25


class Field(Protocol):
    """One value of a PDU's mandatory part."""

    @property
    def name(self) -> str: ...

    def read(self, octets: bytes, start: int, end: int) -> tuple[object, int]:
        """The value at `start`, and where the next field starts. Raises DecodeError."""

    def write(self, value: object) -> bytes:
        """Raises EncodeError."""


@dataclass(frozen=True, slots=True)
class Text:
    """A C-octet string of at most `size` octets with its NUL; `command_status` is the answer to a longer one.

    `tolerant` ones, in responses, may have any length and may lack their NUL: refusing a response undoes nothing.
    `fixed` ones are empty or fill their size (times), and are held to it where they are written.
    """

    name: str
    size: int
    command_status: int = ESME_RINVCMDLEN
    fixed: bool = False
    tolerant: bool = False

    def read(self, octets: bytes, start: int, end: int) -> tuple[str, int]:
        limit = end if self.tolerant else min(end, start + self.size)
        stop = octets.find(0, start, limit)
        if stop < 0:
            if self.tolerant:
                return octets[start:end].decode("latin-1"), end
            if end - start < self.size:
                raise DecodeError(ESME_RINVCMDLEN, f"{self.name} has no end")
            raise DecodeError(self.command_status, f"{self.name} is longer than {self.size - 1} octets")
        return octets[start:stop].decode("latin-1"), stop + 1

    def write(self, value: object) -> bytes:
        if not isinstance(value, str):
            raise EncodeError(f"{self.name} is not text")
        try:
            octets = value.encode("latin-1")
        except UnicodeEncodeError:
            raise EncodeError(f"{self.name} has characters above one octet") from None
        if 0 in octets:
            raise EncodeError(f"{self.name} has a NUL inside")
        if len(octets) >= self.size or (self.fixed and octets and len(octets) != self.size - 1):
            raise EncodeError(f"{self.name} has {len(octets)} octets, {self.size - 1} fit")
        return octets + b"\0"


@dataclass(frozen=True, slots=True)
class Int:
    """An unsigned integer of one octet."""

    name: str

    def read(self, octets: bytes, start: int, end: int) -> tuple[int, int]:
        if start >= end:
            raise DecodeError(ESME_RINVCMDLEN, f"the PDU ends before {self.name}")
        return octets[start], start + 1

    def write(self, value: object) -> bytes:
        if not isinstance(value, int) or not 0 <= value <= 0xFF:
            raise EncodeError(f"{self.name} is {value!r}, not an integer of one octet")
        return bytes((value,))


@dataclass(frozen=True, slots=True)
class Message:
    """sm_length and short_message. 255 octets are read, as some send them, and 254 written."""

    name: str = "short_message"

    def read(self, octets: bytes, start: int, end: int) -> tuple[bytes, int]:
        if start >= end:
            raise DecodeError(ESME_RINVCMDLEN, "the PDU ends before sm_length")
        after = start + 1 + octets[start]
        if after > end:
            raise DecodeError(ESME_RINVMSGLEN, f"sm_length is {octets[start]}, {end - start - 1} octets follow")
        return octets[start + 1 : after], after

    def write(self, value: object) -> bytes:
        if not isinstance(value, bytes):
            raise EncodeError("short_message is not octets")
        if len(value) > SHORT_MESSAGE_MAX:
            raise EncodeError(f"short_message has {len(value)} octets, {SHORT_MESSAGE_MAX} fit")
        return bytes((len(value),)) + value


_TON, _NPI = Int("dest_addr_ton"), Int("dest_addr_npi")
_DESTINATION = Text("destination_addr", 21, ESME_RINVDSTADR)
_LIST = Text("dl_name", 21, ESME_RINVDLNAME)


@dataclass(frozen=True, slots=True)
class Destinations:
    """number_of_dests and as many addresses or distribution lists (SMPP 3.4 §4.5.1.1)."""

    name: str = "dest_addresses"

    def read(self, octets: bytes, start: int, end: int) -> tuple[tuple[SmeDest | ListDest, ...], int]:
        count, start = Int("number_of_dests").read(octets, start, end)
        found: list[SmeDest | ListDest] = []
        for _ in range(count):
            flag, start = Int("dest_flag").read(octets, start, end)
            if flag == SME_ADDRESS:
                ton, start = _TON.read(octets, start, end)
                npi, start = _NPI.read(octets, start, end)
                address, start = _DESTINATION.read(octets, start, end)
                found.append(SmeDest(ton, npi, address))
            elif flag == DISTRIBUTION_LIST:
                name, start = _LIST.read(octets, start, end)
                found.append(ListDest(name))
            else:
                raise DecodeError(ESME_RINVDESTFLAG, f"dest_flag is {flag}")
        if not found:
            raise DecodeError(ESME_RINVNUMDESTS, "no destination")
        return tuple(found), start

    def write(self, value: object) -> bytes:
        if not isinstance(value, tuple) or not 1 <= len(value) <= SHORT_MESSAGE_MAX:
            raise EncodeError(f"submit_multi takes 1 to {SHORT_MESSAGE_MAX} destinations")
        out = bytearray((len(value),))
        for dest in value:
            if isinstance(dest, ListDest):
                out += bytes((DISTRIBUTION_LIST,)) + _LIST.write(dest.dl_name)
            elif isinstance(dest, SmeDest):
                out += bytes((SME_ADDRESS,)) + _write_address(dest)
            else:
                raise EncodeError(f"{dest!r} is no destination")
        return bytes(out)


@dataclass(frozen=True, slots=True)
class Unsuccess:
    """no_unsuccess and as many addresses with their status (SMPP 3.4 §4.5.2.1)."""

    name: str = "unsuccess_smes"

    def read(self, octets: bytes, start: int, end: int) -> tuple[tuple[UnsuccessSme, ...], int]:
        count, start = Int("no_unsuccess").read(octets, start, end)
        found: list[UnsuccessSme] = []
        for _ in range(count):
            ton, start = _TON.read(octets, start, end)
            npi, start = _NPI.read(octets, start, end)
            address, start = _DESTINATION.read(octets, start, end)
            if end - start < 4:
                raise DecodeError(ESME_RINVCMDLEN, "the PDU ends before error_status_code")
            found.append(UnsuccessSme(ton, npi, address, int.from_bytes(octets[start : start + 4], "big")))
            start += 4
        return tuple(found), start

    def write(self, value: object) -> bytes:
        if not isinstance(value, tuple) or len(value) > 0xFF:
            raise EncodeError("unsuccess_smes is not a tuple of at most 255")
        out = bytearray((len(value),))
        for sme in value:
            if not isinstance(sme, UnsuccessSme) or not 0 <= sme.error_status_code <= 0xFFFFFFFF:
                raise EncodeError(f"{sme!r} is no address with a status")
            out += _write_address(sme) + sme.error_status_code.to_bytes(4, "big")
        return bytes(out)


def _write_address(sme: SmeDest | UnsuccessSme) -> bytes:
    return _TON.write(sme.dest_addr_ton) + _NPI.write(sme.dest_addr_npi) + _DESTINATION.write(sme.destination_addr)
