"""Optional parameters (SMPP 3.4 §5.3): tags by name, an ordered list with duplicates kept, read and written."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import TypeAlias

# (tag, value); a PDU holds them in the order of the wire.
Tlv: TypeAlias = tuple[int, bytes]
Tlvs: TypeAlias = tuple[Tlv, ...]

DEST_ADDR_SUBUNIT = 0x0005
DEST_NETWORK_TYPE = 0x0006
DEST_BEARER_TYPE = 0x0007
DEST_TELEMATICS_ID = 0x0008
SOURCE_ADDR_SUBUNIT = 0x000D
SOURCE_NETWORK_TYPE = 0x000E
SOURCE_BEARER_TYPE = 0x000F
SOURCE_TELEMATICS_ID = 0x0010
QOS_TIME_TO_LIVE = 0x0017
PAYLOAD_TYPE = 0x0019
ADDITIONAL_STATUS_INFO_TEXT = 0x001D
RECEIPTED_MESSAGE_ID = 0x001E
MS_MSG_WAIT_FACILITIES = 0x0030
PRIVACY_INDICATOR = 0x0201
SOURCE_SUBADDRESS = 0x0202
DEST_SUBADDRESS = 0x0203
USER_MESSAGE_REFERENCE = 0x0204
USER_RESPONSE_CODE = 0x0205
SOURCE_PORT = 0x020A
DESTINATION_PORT = 0x020B
SAR_MSG_REF_NUM = 0x020C
LANGUAGE_INDICATOR = 0x020D
SAR_TOTAL_SEGMENTS = 0x020E
SAR_SEGMENT_SEQNUM = 0x020F
SC_INTERFACE_VERSION = 0x0210
CALLBACK_NUM_PRES_IND = 0x0302
CALLBACK_NUM_ATAG = 0x0303
NUMBER_OF_MESSAGES = 0x0304
CALLBACK_NUM = 0x0381
DPF_RESULT = 0x0420
SET_DPF = 0x0421
MS_AVAILABILITY_STATUS = 0x0422
NETWORK_ERROR_CODE = 0x0423
MESSAGE_PAYLOAD = 0x0424
DELIVERY_FAILURE_REASON = 0x0425
MORE_MESSAGES_TO_SEND = 0x0426
MESSAGE_STATE = 0x0427
USSD_SERVICE_OP = 0x0501
DISPLAY_TIME = 0x1201
SMS_SIGNAL = 0x1203
MS_VALIDITY = 0x1204
ALERT_ON_MESSAGE_DELIVERY = 0x130C
ITS_REPLY_TYPE = 0x1380
ITS_SESSION_INFO = 0x1383

TAG_NAMES: dict[int, str] = {
    DEST_ADDR_SUBUNIT: "dest_addr_subunit",
    DEST_NETWORK_TYPE: "dest_network_type",
    DEST_BEARER_TYPE: "dest_bearer_type",
    DEST_TELEMATICS_ID: "dest_telematics_id",
    SOURCE_ADDR_SUBUNIT: "source_addr_subunit",
    SOURCE_NETWORK_TYPE: "source_network_type",
    SOURCE_BEARER_TYPE: "source_bearer_type",
    SOURCE_TELEMATICS_ID: "source_telematics_id",
    QOS_TIME_TO_LIVE: "qos_time_to_live",
    PAYLOAD_TYPE: "payload_type",
    ADDITIONAL_STATUS_INFO_TEXT: "additional_status_info_text",
    RECEIPTED_MESSAGE_ID: "receipted_message_id",
    MS_MSG_WAIT_FACILITIES: "ms_msg_wait_facilities",
    PRIVACY_INDICATOR: "privacy_indicator",
    SOURCE_SUBADDRESS: "source_subaddress",
    DEST_SUBADDRESS: "dest_subaddress",
    USER_MESSAGE_REFERENCE: "user_message_reference",
    USER_RESPONSE_CODE: "user_response_code",
    SOURCE_PORT: "source_port",
    DESTINATION_PORT: "destination_port",
    SAR_MSG_REF_NUM: "sar_msg_ref_num",
    LANGUAGE_INDICATOR: "language_indicator",
    SAR_TOTAL_SEGMENTS: "sar_total_segments",
    SAR_SEGMENT_SEQNUM: "sar_segment_seqnum",
    SC_INTERFACE_VERSION: "sc_interface_version",
    CALLBACK_NUM_PRES_IND: "callback_num_pres_ind",
    CALLBACK_NUM_ATAG: "callback_num_atag",
    NUMBER_OF_MESSAGES: "number_of_messages",
    CALLBACK_NUM: "callback_num",
    DPF_RESULT: "dpf_result",
    SET_DPF: "set_dpf",
    MS_AVAILABILITY_STATUS: "ms_availability_status",
    NETWORK_ERROR_CODE: "network_error_code",
    MESSAGE_PAYLOAD: "message_payload",
    DELIVERY_FAILURE_REASON: "delivery_failure_reason",
    MORE_MESSAGES_TO_SEND: "more_messages_to_send",
    MESSAGE_STATE: "message_state",
    USSD_SERVICE_OP: "ussd_service_op",
    DISPLAY_TIME: "display_time",
    SMS_SIGNAL: "sms_signal",
    MS_VALIDITY: "ms_validity",
    ALERT_ON_MESSAGE_DELIVERY: "alert_on_message_delivery",
    ITS_REPLY_TYPE: "its_reply_type",
    ITS_SESSION_INFO: "its_session_info",
}

_HEAD = Struct(">HH")


def read_tlvs(octets: bytes, start: int, end: int) -> tuple[Tlvs, int]:
    """The parameters in octets[start:end] and where reading stopped: at `end`, or at the first that is cut short."""
    tlvs: list[Tlv] = []
    while end - start >= 4:
        tag, length = _HEAD.unpack_from(octets, start)
        after = start + 4 + length
        if after > end:
            break
        tlvs.append((tag, octets[start + 4 : after]))
        start = after
    return tuple(tlvs), start


def write_tlvs(tlvs: Tlvs) -> bytes:
    """The octets of the parameters, in their order. Raises struct.error for a tag or a length above 16 bits."""
    return b"".join([_HEAD.pack(tag, len(value)) + value for tag, value in tlvs])


def first(tlvs: Tlvs, tag: int) -> bytes | None:
    """The value of the first parameter of this tag; None where there is none."""
    for found, value in tlvs:
        if found == tag:
            return value
    return None


def every(tlvs: Tlvs, tag: int) -> Iterator[bytes]:
    """All values of this tag, in the order of the wire."""
    return (value for found, value in tlvs if found == tag)


def first_int(tlvs: Tlvs, tag: int, octet_count: int) -> int | None:
    """The first parameter of this tag as a number; None where there is none of exactly that length."""
    value = first(tlvs, tag)
    return int.from_bytes(value, "big") if value is not None and len(value) == octet_count else None


def first_text(tlvs: Tlvs, tag: int) -> str | None:
    """The first parameter of this tag as a C-octet string: up to its NUL, or all of it where the NUL was forgotten."""
    value = first(tlvs, tag)
    return None if value is None else value.partition(b"\0")[0].decode("latin-1")
