"""What bad peers do, as a list: octets to one of our ends, and what it has to say to them.

`to` is our end. `answers` are (command_id, command_status, sequence_number) in their order; `ends`: the link is over
afterwards, for that reason; else it still answers an enquire_link. `bound`: the link is bound before.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from trunkline.smpp import pdu as p
from trunkline.smpp import status as s
from trunkline.smpp.codec import encode
from trunkline.smpp.wire import End

RESPONSE, NACK = 0x80000000, 0x80000000
BIND_TRX, SUBMIT, DELIVER, DATA, UNBIND, ENQUIRE = 0x09, 0x04, 0x05, 0x103, 0x06, 0x15
MIB = 1 << 20


def head(length: int, command_id: int, sequence: int = 7, status: int = 0) -> bytes:
    return b"".join(number.to_bytes(4, "big") for number in (length, command_id, status, sequence))


def frame(command_id: int, body: bytes = b"", sequence: int = 7, status: int = 0) -> bytes:
    return head(16 + len(body), command_id, sequence, status) + body


ADDRESSES = b"\0\1\0011555\0\1\0011556\0"
MESSAGE = ADDRESSES + b"\0" * 9 + b"\2hi"
RECEIPT = ADDRESSES + b"\4" + b"\0" * 8 + b"\x11id:1 stat:DELIVRD"
BIND_BODY = b"us\0pw\0\0\x34\0\0\0"
TLV_FULL = 65_536 - 16 - len(MESSAGE) - 4  # what a PDU of 64 KiB has room for


@dataclass(frozen=True)
class Behaviour:
    name: str
    to: Literal["smsc", "esme"]
    octets: bytes
    answers: tuple[tuple[int, int, int], ...] = ()
    ends: End | None = None
    bound: bool = True
    slice: int = 0  # octets a write; 0: all at once


def _both(name: str, octets: bytes, *answers: tuple[int, int, int], ends: End | None = None) -> list[Behaviour]:
    return [Behaviour(name, to, octets, answers, ends) for to in ("smsc", "esme")]


def _framing(name: str, octets: bytes, sequence: int = 7) -> list[Behaviour]:
    answer = ((NACK, s.ESME_RINVCMDLEN, sequence),)
    found = [Behaviour(name, to, octets, answer, End.FRAMING) for to in ("smsc", "esme")]
    return [*found, Behaviour(f"{name}, before the bind", "smsc", octets, answer, End.FRAMING, bound=False)]


LIST: list[Behaviour] = [
    # Framing.
    *_framing("length 0", head(0, SUBMIT), 0),
    *_framing("length 15", head(15, ENQUIRE), 0),
    *_framing("length 4 GB", head(0xFFFFFFFF, SUBMIT)),
    *_framing("length of a negative number", head(0x80000000, SUBMIT)),
    *_framing("length of a million", head(MIB, DELIVER)),
    *_framing("length over 64 KiB by one", head(65_537, SUBMIT)),
    *_framing("HTTP", b"GET / HTTP/1.1\r\n\r\n", 0x2E310D0A),
    *_framing("TLS", bytes.fromhex("160301020001000001fc03037a1b"), 0),
    *_framing("zeros", b"\0" * 64, 0),
    Behaviour("submit_sm of 16 octets", "smsc", head(16, SUBMIT), ((RESPONSE | SUBMIT, s.ESME_RINVCMDLEN, 7),)),
    Behaviour("deliver_sm of 16 octets", "esme", head(16, DELIVER), ((RESPONSE | DELIVER, 0, 7),)),
    Behaviour("one octet at a time", "smsc", frame(SUBMIT, MESSAGE), ((RESPONSE | SUBMIT, 0, 7),), slice=1),
    Behaviour("one octet at a time", "esme", frame(DELIVER, RECEIPT), ((RESPONSE | DELIVER, 0, 7),), slice=1),
    Behaviour("three PDUs and a half", "smsc", frame(SUBMIT, MESSAGE) * 3 + head(30, SUBMIT),
              ((RESPONSE | SUBMIT, 0, 7),) * 3, End.PEER_CLOSED),
    # The order of things.
    Behaviour("bound twice", "smsc", frame(BIND_TRX, BIND_BODY), ((RESPONSE | BIND_TRX, s.ESME_RALYBND, 7),)),
    Behaviour("bound again as another kind", "smsc", frame(0x01, BIND_BODY), ((RESPONSE | 0x01, s.ESME_RALYBND, 7),)),
    Behaviour("submit_sm before the bind", "smsc", frame(SUBMIT, MESSAGE),
              ((RESPONSE | SUBMIT, s.ESME_RINVBNDSTS, 7),), bound=False),
    Behaviour("unbind before the bind", "smsc", frame(UNBIND), ((RESPONSE | UNBIND, s.ESME_RINVBNDSTS, 7),),
              bound=False),
    Behaviour("enquire_link before the bind", "smsc", frame(ENQUIRE), ((RESPONSE | ENQUIRE, 0, 7),), bound=False),
    Behaviour("bind_resp to an SMSC", "smsc", frame(RESPONSE | BIND_TRX, b"me\0")),
    Behaviour("bind_resp a second time", "esme", frame(RESPONSE | BIND_TRX, b"me\0")),
    Behaviour("bind_resp that refuses, after the bind", "esme", frame(RESPONSE | BIND_TRX, status=0x0D)),
    Behaviour("deliver_sm to an SMSC", "smsc", frame(DELIVER, RECEIPT), ((RESPONSE | DELIVER, s.ESME_RINVBNDSTS, 7),)),
    Behaviour("submit_sm to an ESME", "esme", frame(SUBMIT, MESSAGE), ((RESPONSE | SUBMIT, s.ESME_RINVBNDSTS, 7),)),
    Behaviour("bind to an ESME", "esme", frame(BIND_TRX, BIND_BODY), ((RESPONSE | BIND_TRX, s.ESME_RINVBNDSTS, 7),)),
    *_both("unbind and more behind it", frame(UNBIND) + frame(ENQUIRE, sequence=8), (RESPONSE | UNBIND, 0, 7),
           ends=End.PEER_UNBOUND),
    *_both("unbind_resp that nobody asked for", frame(RESPONSE | UNBIND)),
    Behaviour("outbind and alert_notification", "esme", frame(0x0B, b"us\0pw\0") + frame(0x102, b"\1\1155\0\1\1156\0")),
    # Commands.
    *_both("a reserved command", frame(0x0A), (NACK, s.ESME_RINVCMDID, 7)),
    *_both("the largest command", frame(0x7FFFFFFF, b"??"), (NACK, s.ESME_RINVCMDID, 7)),
    *_both("command 0", frame(0), (NACK, s.ESME_RINVCMDID, 7)),
    *_both("an unknown response", frame(0x8000000A) + frame(0xFFFFFFFF)),
    *_both("a nack of nothing", frame(NACK, sequence=0xFFFF)),
    *_both("nacks of nacks", frame(NACK, b"junk", sequence=0) * 50),
    *_both("a request with a status", frame(ENQUIRE, status=0x55), (RESPONSE | ENQUIRE, 0, 7)),
    *_both("enquire_link with a body", frame(ENQUIRE, b"x"), (RESPONSE | ENQUIRE, s.ESME_RINVCMDLEN, 7)),
    *_both("a thousand enquire_link", b"".join(frame(ENQUIRE, sequence=n) for n in range(1, 1001)),
           *((RESPONSE | ENQUIRE, 0, n) for n in range(1, 1001))),
    # Sequence numbers.
    *_both("sequence 0", frame(ENQUIRE, sequence=0), (RESPONSE | ENQUIRE, 0, 0)),
    *_both("sequence 0x7FFFFFFF", frame(ENQUIRE, sequence=0x7FFFFFFF), (RESPONSE | ENQUIRE, 0, 0x7FFFFFFF)),
    *_both("sequence 0xFFFFFFFF", frame(ENQUIRE, sequence=0xFFFFFFFF), (RESPONSE | ENQUIRE, 0, 0xFFFFFFFF)),
    *_both("the same sequence twice", frame(ENQUIRE) * 2, (RESPONSE | ENQUIRE, 0, 7), (RESPONSE | ENQUIRE, 0, 7)),
    Behaviour("responses of every kind to nothing", "esme", b"".join(
        frame(RESPONSE | command, b"x\0", sequence=n)
        for command in (1, 2, 3, 4, 7, 8, 9, 0x15, 0x21, 0x103) for n in (0, 99, 0x7FFFFFFF)
    )),
    # Bodies.
    Behaviour("no NUL in the source address", "smsc", frame(SUBMIT, b"\0\1\1" + b"5" * 40),
              ((RESPONSE | SUBMIT, s.ESME_RINVSRCADR, 7),)),
    Behaviour("no NUL anywhere", "esme", frame(DELIVER, b"\xff" * 60), ((RESPONSE | DELIVER, 0, 7),)),
    Behaviour("sm_length beyond the body", "smsc", frame(SUBMIT, ADDRESSES + b"\0" * 9 + b"\5hell"),
              ((RESPONSE | SUBMIT, s.ESME_RINVMSGLEN, 7),)),
    Behaviour("sm_length beyond the body", "esme", frame(DELIVER, ADDRESSES + b"\0" * 9 + b"\xffhell"),
              ((RESPONSE | DELIVER, 0, 7),)),
    Behaviour("a TLV that is cut short", "smsc", frame(SUBMIT, MESSAGE + b"\2\4\0\2\0"),
              ((RESPONSE | SUBMIT, s.ESME_RINVOPTPARSTREAM, 7),)),
    Behaviour("a TLV that is cut short", "esme", frame(DELIVER, RECEIPT + b"\2\4\xff\xff\0"),
              ((RESPONSE | DELIVER, 0, 7),)),
    Behaviour("the same TLV a thousand times", "smsc", frame(SUBMIT, MESSAGE + b"\2\4\0\2\0\1" * 1000),
              ((RESPONSE | SUBMIT, 0, 7),)),
    Behaviour("the same TLV a thousand times", "esme", frame(DELIVER, RECEIPT + b"\x04\x27\0\1\2" * 1000),
              ((RESPONSE | DELIVER, 0, 7),)),
    Behaviour("a TLV of 64 KB", "smsc", frame(SUBMIT, MESSAGE + b"\4\x24" + TLV_FULL.to_bytes(2, "big")
                                              + b"x" * TLV_FULL), ((RESPONSE | SUBMIT, 0, 7),), slice=4096),
    Behaviour("a password of 60 characters", "smsc", frame(BIND_TRX, b"us\0" + b"p" * 60 + b"\0\0\x34\0\0\0"),
              ((RESPONSE | BIND_TRX, s.ESME_RALYBND, 7),)),
    Behaviour("submit_multi with a list of nothing", "smsc", frame(0x21, b"\0\0\0s\0\xff"),
              ((RESPONSE | 0x21, s.ESME_RINVCMDLEN, 7),)),
    Behaviour("query_sm with rubbish", "smsc", frame(3, b"x"), ((RESPONSE | 3, s.ESME_RINVCMDLEN, 7),)),
    Behaviour("data_sm with rubbish", "esme", frame(DATA, b"\xff" * 6), ((RESPONSE | DATA, 0, 7),)),
]  # fmt: skip

_PIECES = [
    *(one.octets for one in LIST if len(one.octets) < 2000 and one.ends is not End.PEER_CLOSED),
    encode(p.SubmitSm(source_addr="1", destination_addr="2", short_message=b"hi"), 3),
    encode(p.DeliverSm(source_addr="1", destination_addr="2", esm_class=4, short_message=b"id:1 stat:DELIVRD"), 4),
    encode(p.DeliverSmResp(5)),
    encode(p.SubmitSmResp(6, 0, "id")),
]
_FRAMES = [piece for piece in _PIECES if int.from_bytes(piece[:4], "big") == len(piece)]
_COMMANDS = [*range(0x0C), 0x15, 0x21, 0x102, 0x103, 0x111, 0x7FFFFFFF]


def sentence(chance: random.Random) -> bytes:
    """A few PDUs of a small grammar: good ones, ones of the list, and either with octets or the length changed."""
    return b"".join(_word(chance) for _ in range(chance.randint(1, 4)))


def _word(chance: random.Random) -> bytes:
    kind = chance.randrange(6)
    piece = chance.choice(_PIECES if kind in (0, 5) else _FRAMES)
    if kind == 0:
        return piece
    if kind == 1:  # a body of anything behind a right length
        body = chance.randbytes(chance.choice((0, 1, 7, 40, 300)))
        command_id = chance.choice(_COMMANDS) | (RESPONSE if chance.random() < 0.3 else 0)
        return frame(command_id, body, chance.choice((0, 1, 7, 0x7FFFFFFF, 0xFFFFFFFF)), chance.choice((0, 8, 0x58)))
    changed = bytearray(piece)
    if kind == 2 and len(changed) > 20:  # octets of the body, the length stays right
        for _ in range(chance.randint(1, 6)):
            changed[chance.randrange(16, len(changed))] = chance.randrange(256)
    elif kind == 3:  # cut or drawn out, the length is put right
        tail = chance.randbytes(chance.randrange(30))
        changed = changed[: chance.randrange(16, len(changed) + 1)] + bytearray(tail)
        changed[:4] = len(changed).to_bytes(4, "big")
    elif kind == 4:  # TLVs
        for _ in range(chance.randint(1, 5)):
            value = chance.randbytes(chance.choice((0, 1, 2, 70)))
            stated = max(0, len(value) + chance.choice((0, 0, 0, -1, 1, 300)))
            changed += chance.choice((0x1E, 0x427, 0x424, 0x204, 0x1400)).to_bytes(2, "big") + stated.to_bytes(2, "big")
            changed += value
        changed[:4] = len(changed).to_bytes(4, "big")
    elif kind == 5 and chance.random() < 0.1:  # rarely, since it ends the link: a length that is wrong
        changed[: min(4, len(changed))] = chance.randbytes(min(4, len(changed)))
    return bytes(changed)
