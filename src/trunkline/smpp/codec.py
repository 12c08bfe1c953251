"""PDUs to octets and back: one table of fields per PDU (SMPP 3.4 §4), a fast way for the two that carry messages."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from trunkline.smpp import pdu as p
from trunkline.smpp import status as s
from trunkline.smpp.errors import DecodeError, EncodeError
from trunkline.smpp.fields import SHORT_MESSAGE_MAX, Destinations, Field, Int, Message, Text, Unsuccess
from trunkline.smpp.tlv import MESSAGE_PAYLOAD, Tlvs, read_tlvs, write_tlvs

HEADER = struct.Struct(">IIII")  # command_length, command_id, command_status, sequence_number (SMPP 3.4 §3.2)
HEADER_OCTETS = 16
PDU_OCTETS_MAX = 64 * 1024
SEQUENCE_MAX = 0x7FFFFFFF


class Tail(Enum):
    """What may follow a PDU's mandatory part."""

    NOTHING = "nothing"
    TLVS = "optional parameters; one that is cut short makes the PDU undecodable"
    TLVS_OR_DEBRIS = "optional parameters; what is cut short at the end is dropped, the rest is good"


@dataclass(frozen=True, slots=True)
class Layout:
    """The body of one PDU: its fields in the order of the wire, and what may follow."""

    pdu: type[p.Pdu]
    fields: tuple[Field, ...]
    tail: Tail = Tail.NOTHING


def _address(prefix: str, name: str, size: int, status: int) -> tuple[Field, ...]:
    return Int(f"{prefix}_ton"), Int(f"{prefix}_npi"), Text(name, size, status)


_SERVICE = Text("service_type", 6, s.ESME_RINVSERTYP)
_MESSAGE_ID = Text("message_id", 65, s.ESME_RINVMSGID)
_SOURCE = _address("source_addr", "source_addr", 21, s.ESME_RINVSRCADR)
_DEST = _address("dest_addr", "destination_addr", 21, s.ESME_RINVDSTADR)
_LONG_SOURCE = _address("source_addr", "source_addr", 65, s.ESME_RINVSRCADR)
_LONG_DEST = _address("dest_addr", "destination_addr", 65, s.ESME_RINVDSTADR)
_TIMES = (
    Text("schedule_delivery_time", 17, s.ESME_RINVSCHED, fixed=True),
    Text("validity_period", 17, s.ESME_RINVEXPIRY, fixed=True),
)
_HANDLING = (Int("esm_class"), Int("protocol_id"), Int("priority_flag"), *_TIMES)
_CONTENT = (
    Int("registered_delivery"),
    Int("replace_if_present_flag"),
    Int("data_coding"),
    Int("sm_default_msg_id"),
    Message(),
)
_SHORT_MESSAGE = (_SERVICE, *_SOURCE, *_DEST, *_HANDLING, *_CONTENT)
# The specification has 16 and 9 octets for these two. Carriers hand out longer ones, and want them back whole.
_CREDENTIALS: tuple[Field, ...] = (Text("system_id", 65, s.ESME_RINVSYSID), Text("password", 65, s.ESME_RINVPASWD))
_BIND: tuple[Field, ...] = (
    *_CREDENTIALS,
    Text("system_type", 13, s.ESME_RINVSYSTYP),
    Int("interface_version"),
    *_address("addr", "address_range", 41, s.ESME_RINVCMDLEN),
)
_BIND_RESP = (Text("system_id", 65, tolerant=True),)
_MESSAGE_ID_RESP = (Text("message_id", 256, tolerant=True),)

LAYOUTS: dict[int, Layout] = {
    layout.pdu.command_id: layout
    for layout in (
        Layout(p.BindReceiver, _BIND),
        Layout(p.BindTransmitter, _BIND),
        Layout(p.BindTransceiver, _BIND),
        Layout(p.BindReceiverResp, _BIND_RESP, Tail.TLVS_OR_DEBRIS),
        Layout(p.BindTransmitterResp, _BIND_RESP, Tail.TLVS_OR_DEBRIS),
        Layout(p.BindTransceiverResp, _BIND_RESP, Tail.TLVS_OR_DEBRIS),
        Layout(p.Outbind, _CREDENTIALS),
        Layout(p.Unbind, ()),
        Layout(p.UnbindResp, ()),
        Layout(p.EnquireLink, ()),
        Layout(p.EnquireLinkResp, ()),
        Layout(p.GenericNack, ()),
        Layout(p.SubmitSm, _SHORT_MESSAGE, Tail.TLVS),
        Layout(p.SubmitSmResp, _MESSAGE_ID_RESP, Tail.TLVS_OR_DEBRIS),
        Layout(p.DeliverSm, _SHORT_MESSAGE, Tail.TLVS_OR_DEBRIS),
        Layout(p.DeliverSmResp, _MESSAGE_ID_RESP, Tail.TLVS_OR_DEBRIS),
        Layout(
            p.DataSm,
            (
                _SERVICE,
                *_LONG_SOURCE,
                *_LONG_DEST,
                Int("esm_class"),
                Int("registered_delivery"),
                Int("data_coding"),
            ),
            Tail.TLVS,
        ),
        Layout(p.DataSmResp, _MESSAGE_ID_RESP, Tail.TLVS_OR_DEBRIS),
        Layout(p.SubmitMulti, (_SERVICE, *_SOURCE, Destinations(), *_HANDLING, *_CONTENT), Tail.TLVS),
        Layout(p.SubmitMultiResp, (*_MESSAGE_ID_RESP, Unsuccess()), Tail.TLVS_OR_DEBRIS),
        Layout(p.QuerySm, (_MESSAGE_ID, *_SOURCE)),
        Layout(
            p.QuerySmResp,
            (_MESSAGE_ID, Text("final_date", 17, fixed=True), Int("message_state"), Int("error_code")),
            Tail.TLVS_OR_DEBRIS,
        ),
        Layout(p.CancelSm, (_SERVICE, _MESSAGE_ID, *_SOURCE, *_DEST)),
        Layout(p.CancelSmResp, ()),
        Layout(
            p.ReplaceSm,
            (
                _MESSAGE_ID,
                *_SOURCE,
                *_TIMES,
                Int("registered_delivery"),
                Int("sm_default_msg_id"),
                Message(),
            ),
        ),
        Layout(p.ReplaceSmResp, ()),
        Layout(
            p.AlertNotification,
            (*_LONG_SOURCE, *_address("esme_addr", "esme_addr", 65, s.ESME_RINVDSTADR)),
            Tail.TLVS_OR_DEBRIS,
        ),
    )
}

_PAYLOAD_TAG = MESSAGE_PAYLOAD.to_bytes(2, "big")
_HAS_TLVS = frozenset(cls for cls in (layout.pdu for layout in LAYOUTS.values()) if "tlvs" in cls.__struct_fields__)


def command_name(command_id: int) -> str:
    """The specification's name: `submit_sm_resp` for 0x80000004; the number where there is none."""
    layout = LAYOUTS.get(command_id)
    if layout is None:
        return f"0x{command_id:08X}"
    return re.sub(r"(?<!^)(?=[A-Z])", "_", layout.pdu.__name__).lower()


def decode(octets: bytes) -> p.Pdu:
    """One whole PDU. Raises DecodeError (its status fits the answer) where length, command or body is wrong."""
    if len(octets) < HEADER_OCTETS:
        raise DecodeError(s.ESME_RINVCMDLEN, f"{len(octets)} octets are no header")
    length, command_id, command_status, sequence_number = HEADER.unpack_from(octets)
    if length != len(octets):
        raise DecodeError(s.ESME_RINVCMDLEN, f"command_length is {length}, {len(octets)} octets are there")
    return decode_body(command_id, command_status, sequence_number, octets, HEADER_OCTETS, length)


def decode_body(command_id: int, status: int, sequence: int, octets: bytes, start: int, end: int) -> p.Pdu:
    """The PDU whose header was read already and whose body is octets[start:end]. Raises DecodeError.

    A response may lack its body (SMPP 3.4 §4.4.2: it does where the status is not 0); its fields are then empty.
    """
    layout = LAYOUTS.get(command_id)
    if layout is None:
        raise DecodeError(s.ESME_RINVCMDID, f"no command 0x{command_id:08X}")
    if start == end and command_id & p.RESPONSE:
        return layout.pdu(sequence, status)
    values: list[object] = []
    for field in layout.fields:
        value, start = field.read(octets, start, end)
        values.append(value)
    if layout.tail is Tail.NOTHING:
        if start != end:
            raise DecodeError(s.ESME_RINVCMDLEN, f"{end - start} octets too many")
    elif layout.pdu in _HAS_TLVS:
        values.append(_read_tail(layout.tail, values[-1:] == [b""], octets, start, end))
    return layout.pdu(sequence, status, *values)


def _read_tail(tail: Tail, empty: bool, octets: bytes, start: int, end: int) -> Tlvs:
    tlvs, stop = read_tlvs(octets, start, end)
    # A message must not be taken for an `empty` one because its payload was cut off.
    if stop != end and (tail is Tail.TLVS or (empty and octets[stop : stop + 2] == _PAYLOAD_TAG)):
        raise DecodeError(s.ESME_RINVOPTPARSTREAM, f"an optional parameter is cut short, {end - stop} octets left")
    return tlvs


def encode(pdu: p.Pdu, sequence_number: int | None = None) -> bytes:
    """The PDU's octets, under another sequence number if one is given. Raises EncodeError, naming the field."""
    if sequence_number is None:
        sequence_number = pdu.sequence_number
    layout = LAYOUTS[pdu.command_id]
    body = b"".join([field.write(getattr(pdu, field.name)) for field in layout.fields])
    try:
        if layout.pdu in _HAS_TLVS:
            body += write_tlvs(pdu.tlvs)  # type: ignore[attr-defined]
        return HEADER.pack(HEADER_OCTETS + len(body), pdu.command_id, pdu.command_status, sequence_number) + body
    except (struct.error, TypeError, ValueError) as error:
        raise EncodeError(f"header or optional parameters: {error}") from None


# submit_sm and deliver_sm are most of all traffic, so both ways are unrolled: one pattern finds every end at once, one
# format writes all fields at once (each a third of the time of the table). What they cannot do goes to the table, which
# then says what is wrong.
_SHORT_MESSAGE_PATTERN = re.compile(
    rb"([^\0]{0,5})\0(..)([^\0]{0,20})\0(..)([^\0]{0,20})\0(...)([^\0]{0,16})\0([^\0]{0,16})\0(.....)", re.DOTALL
)
_SHORT_MESSAGE_FORMAT = "%s\0%c%c%s\0%c%c%s\0%c%c%c%s\0%s\0%c%c%c%c%c"

_ShortMessage = TypeVar("_ShortMessage", p.SubmitSm, p.DeliverSm)


def decode_short_message(
    cls: type[_ShortMessage], status: int, sequence: int, octets: bytes, start: int, end: int
) -> _ShortMessage:
    """As decode_body, for submit_sm or deliver_sm."""
    match = _SHORT_MESSAGE_PATTERN.match(octets, start, end)
    if match is not None:
        service, (ton, npi), source, (dton, dnpi), dest, (esm, pid, prio), sched, valid, last = match.groups()
        registered, replace, coding, default_id, length = last
        body = match.end()
        after = body + length
        if after <= end:
            return cls(
                sequence,
                status,
                service.decode("latin-1") if service else "",
                ton,
                npi,
                source.decode("latin-1"),
                dton,
                dnpi,
                dest.decode("latin-1"),
                esm,
                pid,
                prio,
                sched.decode("latin-1") if sched else "",
                valid.decode("latin-1") if valid else "",
                registered,
                replace,
                coding,
                default_id,
                octets[body:after],
                _read_tail(LAYOUTS[cls.command_id].tail, not length, octets, after, end) if after != end else (),
            )
    pdu = decode_body(cls.command_id, status, sequence, octets, start, end)
    assert isinstance(pdu, cls)
    return pdu


def encode_short_message(pdu: p.SubmitSm | p.DeliverSm, sequence: int) -> bytes:
    """As encode, for submit_sm or deliver_sm."""
    service, source, dest = pdu.service_type, pdu.source_addr, pdu.destination_addr
    sched, valid, message = pdu.schedule_delivery_time, pdu.validity_period, pdu.short_message
    if (
        len(source) <= 20
        and len(dest) <= 20
        and len(message) <= SHORT_MESSAGE_MAX
        and "\0" not in source
        and "\0" not in dest
        and (not service or (len(service) <= 5 and "\0" not in service))
        and (not sched or (len(sched) == 16 and "\0" not in sched))
        and (not valid or (len(valid) == 16 and "\0" not in valid))
    ):
        try:
            fields = _SHORT_MESSAGE_FORMAT % (
                service,
                pdu.source_addr_ton,
                pdu.source_addr_npi,
                source,
                pdu.dest_addr_ton,
                pdu.dest_addr_npi,
                dest,
                pdu.esm_class,
                pdu.protocol_id,
                pdu.priority_flag,
                sched,
                valid,
                pdu.registered_delivery,
                pdu.replace_if_present_flag,
                pdu.data_coding,
                pdu.sm_default_msg_id,
                len(message),
            )
            body = fields.encode("latin-1") + message
            if pdu.tlvs:
                body += write_tlvs(pdu.tlvs)
            return HEADER.pack(HEADER_OCTETS + len(body), pdu.command_id, pdu.command_status, sequence) + body
        except (struct.error, TypeError, ValueError, OverflowError):
            pass  # the table names the field
    return encode(pdu, sequence)
