"""The PDUs of SMPP 3.4 as frozen values, one class each (SMPP 3.4 §4).

C-octet strings are `str` in latin-1 (one character an octet, nothing is lost), octet strings are `bytes`, integers are
raw. `command_status` of a request is 0. Sizes are checked where a PDU is encoded, not here.
"""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from trunkline.smpp.tlv import Tlvs

RESPONSE = 0x80000000  # set in the command id of every response
INTERFACE_VERSION = 0x34


class Pdu(Struct, frozen=True, gc=False):
    """What every PDU has in its header. The session gives requests their sequence number."""

    command_id: ClassVar[int]

    sequence_number: int = 0
    command_status: int = 0


class Bind(Pdu, frozen=True, gc=False):
    """What the three binds share (SMPP 3.4 §4.1); an ESME picks one of the classes below."""

    system_id: str = ""
    password: str = ""
    system_type: str = ""
    interface_version: int = INTERFACE_VERSION
    addr_ton: int = 0
    addr_npi: int = 0
    address_range: str = ""

    def __repr__(self) -> str:
        # Without the password: a PDU ends up in logs and in tracebacks.
        return f"{type(self).__name__}(system_id={self.system_id!r}, system_type={self.system_type!r})"


class BindReceiver(Bind, frozen=True, gc=False):
    command_id = 0x01


class BindTransmitter(Bind, frozen=True, gc=False):
    command_id = 0x02


class BindTransceiver(Bind, frozen=True, gc=False):
    command_id = 0x09


class BindResp(Pdu, frozen=True, gc=False):
    """What the three answers share."""

    system_id: str = ""
    tlvs: Tlvs = ()


class BindReceiverResp(BindResp, frozen=True, gc=False):
    command_id = RESPONSE | 0x01


class BindTransmitterResp(BindResp, frozen=True, gc=False):
    command_id = RESPONSE | 0x02


class BindTransceiverResp(BindResp, frozen=True, gc=False):
    command_id = RESPONSE | 0x09


class Outbind(Pdu, frozen=True, gc=False):
    command_id = 0x0B

    system_id: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return f"Outbind(system_id={self.system_id!r})"


class Unbind(Pdu, frozen=True, gc=False):
    command_id = 0x06


class UnbindResp(Pdu, frozen=True, gc=False):
    command_id = RESPONSE | 0x06


class EnquireLink(Pdu, frozen=True, gc=False):
    command_id = 0x15


class EnquireLinkResp(Pdu, frozen=True, gc=False):
    command_id = RESPONSE | 0x15


class GenericNack(Pdu, frozen=True, gc=False):
    command_id = RESPONSE


class ShortMessage(Pdu, frozen=True, gc=False):
    """The body that submit_sm and deliver_sm share (SMPP 3.4 §4.4.1, §4.6.1)."""

    service_type: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""
    esm_class: int = 0
    protocol_id: int = 0
    priority_flag: int = 0
    schedule_delivery_time: str = ""
    validity_period: str = ""
    registered_delivery: int = 0
    replace_if_present_flag: int = 0
    data_coding: int = 0
    sm_default_msg_id: int = 0
    short_message: bytes = b""
    tlvs: Tlvs = ()


class SubmitSm(ShortMessage, frozen=True, gc=False):
    command_id = 0x04


class DeliverSm(ShortMessage, frozen=True, gc=False):
    command_id = 0x05


class MessageIdResp(Pdu, frozen=True, gc=False):
    """The body of the answers that carry a message id; trailing blanks and case stay as they came."""

    message_id: str = ""
    tlvs: Tlvs = ()


class SubmitSmResp(MessageIdResp, frozen=True, gc=False):
    command_id = RESPONSE | 0x04


class DeliverSmResp(MessageIdResp, frozen=True, gc=False):
    command_id = RESPONSE | 0x05


class DataSm(Pdu, frozen=True, gc=False):
    command_id = 0x103

    service_type: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""
    esm_class: int = 0
    registered_delivery: int = 0
    data_coding: int = 0
    tlvs: Tlvs = ()


class DataSmResp(MessageIdResp, frozen=True, gc=False):
    command_id = RESPONSE | 0x103


class SmeDest(Struct, frozen=True, gc=False):
    """One address of submit_multi (dest_flag 1)."""

    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""


class ListDest(Struct, frozen=True, gc=False):
    """One distribution list of submit_multi (dest_flag 2)."""

    dl_name: str = ""


class SubmitMulti(Pdu, frozen=True, gc=False):
    command_id = 0x21

    service_type: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_addresses: tuple[SmeDest | ListDest, ...] = ()
    esm_class: int = 0
    protocol_id: int = 0
    priority_flag: int = 0
    schedule_delivery_time: str = ""
    validity_period: str = ""
    registered_delivery: int = 0
    replace_if_present_flag: int = 0
    data_coding: int = 0
    sm_default_msg_id: int = 0
    short_message: bytes = b""
    tlvs: Tlvs = ()


class UnsuccessSme(Struct, frozen=True, gc=False):
    """One address that submit_multi did not reach, and why (raw status)."""

    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""
    error_status_code: int = 0


class SubmitMultiResp(Pdu, frozen=True, gc=False):
    command_id = RESPONSE | 0x21

    message_id: str = ""
    unsuccess_smes: tuple[UnsuccessSme, ...] = ()
    tlvs: Tlvs = ()


class QuerySm(Pdu, frozen=True, gc=False):
    command_id = 0x03

    message_id: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""


class QuerySmResp(Pdu, frozen=True, gc=False):
    command_id = RESPONSE | 0x03

    message_id: str = ""
    final_date: str = ""
    message_state: int = 0
    error_code: int = 0


class CancelSm(Pdu, frozen=True, gc=False):
    command_id = 0x08

    service_type: str = ""
    message_id: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""


class CancelSmResp(Pdu, frozen=True, gc=False):
    command_id = RESPONSE | 0x08


class ReplaceSm(Pdu, frozen=True, gc=False):
    command_id = 0x07

    message_id: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    schedule_delivery_time: str = ""
    validity_period: str = ""
    registered_delivery: int = 0
    sm_default_msg_id: int = 0
    short_message: bytes = b""


class ReplaceSmResp(Pdu, frozen=True, gc=False):
    command_id = RESPONSE | 0x07


class AlertNotification(Pdu, frozen=True, gc=False):
    command_id = 0x102

    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    esme_addr_ton: int = 0
    esme_addr_npi: int = 0
    esme_addr: str = ""
    tlvs: Tlvs = ()
