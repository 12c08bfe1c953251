"""The values of command_status by name (SMPP 3.4 §5.1.3); a status itself stays a raw integer everywhere."""

from __future__ import annotations

ESME_ROK = 0x00
ESME_RINVMSGLEN = 0x01
ESME_RINVCMDLEN = 0x02
ESME_RINVCMDID = 0x03
ESME_RINVBNDSTS = 0x04
ESME_RALYBND = 0x05
ESME_RINVPRTFLG = 0x06
ESME_RINVREGDLVFLG = 0x07
ESME_RSYSERR = 0x08
ESME_RINVSRCADR = 0x0A
ESME_RINVDSTADR = 0x0B
ESME_RINVMSGID = 0x0C
ESME_RBINDFAIL = 0x0D
ESME_RINVPASWD = 0x0E
ESME_RINVSYSID = 0x0F
ESME_RCANCELFAIL = 0x11
ESME_RREPLACEFAIL = 0x13
ESME_RMSGQFUL = 0x14
ESME_RINVSERTYP = 0x15
ESME_RINVNUMDESTS = 0x33
ESME_RINVDLNAME = 0x34
ESME_RINVDESTFLAG = 0x40
ESME_RINVSUBREP = 0x42
ESME_RINVESMCLASS = 0x43
ESME_RCNTSUBDL = 0x44
ESME_RSUBMITFAIL = 0x45
ESME_RINVSRCTON = 0x48
ESME_RINVSRCNPI = 0x49
ESME_RINVDSTTON = 0x50
ESME_RINVDSTNPI = 0x51
ESME_RINVSYSTYP = 0x53
ESME_RINVREPFLAG = 0x54
ESME_RINVNUMMSGS = 0x55
ESME_RTHROTTLED = 0x58
ESME_RINVSCHED = 0x61
ESME_RINVEXPIRY = 0x62
ESME_RINVDFTMSGID = 0x63
ESME_RX_T_APPN = 0x64
ESME_RX_P_APPN = 0x65
ESME_RX_R_APPN = 0x66
ESME_RQUERYFAIL = 0x67
ESME_RINVOPTPARSTREAM = 0xC0
ESME_ROPTPARNOTALLWD = 0xC1
ESME_RINVPARLEN = 0xC2
ESME_RMISSINGOPTPARAM = 0xC3
ESME_RINVOPTPARAMVAL = 0xC4
ESME_RDELIVERYFAILURE = 0xFE
ESME_RUNKNOWNERR = 0xFF

# status -> (name, meaning)
STATUSES: dict[int, tuple[str, str]] = {
    ESME_ROK: ("ESME_ROK", "no error"),
    ESME_RINVMSGLEN: ("ESME_RINVMSGLEN", "message length is invalid"),
    ESME_RINVCMDLEN: ("ESME_RINVCMDLEN", "command length is invalid"),
    ESME_RINVCMDID: ("ESME_RINVCMDID", "invalid command id"),
    ESME_RINVBNDSTS: ("ESME_RINVBNDSTS", "incorrect bind status for the command"),
    ESME_RALYBND: ("ESME_RALYBND", "already bound"),
    ESME_RINVPRTFLG: ("ESME_RINVPRTFLG", "invalid priority flag"),
    ESME_RINVREGDLVFLG: ("ESME_RINVREGDLVFLG", "invalid registered_delivery flag"),
    ESME_RSYSERR: ("ESME_RSYSERR", "system error"),
    ESME_RINVSRCADR: ("ESME_RINVSRCADR", "invalid source address"),
    ESME_RINVDSTADR: ("ESME_RINVDSTADR", "invalid destination address"),
    ESME_RINVMSGID: ("ESME_RINVMSGID", "message id is invalid"),
    ESME_RBINDFAIL: ("ESME_RBINDFAIL", "bind failed"),
    ESME_RINVPASWD: ("ESME_RINVPASWD", "invalid password"),
    ESME_RINVSYSID: ("ESME_RINVSYSID", "invalid system_id"),
    ESME_RCANCELFAIL: ("ESME_RCANCELFAIL", "cancel_sm failed"),
    ESME_RREPLACEFAIL: ("ESME_RREPLACEFAIL", "replace_sm failed"),
    ESME_RMSGQFUL: ("ESME_RMSGQFUL", "message queue full"),
    ESME_RINVSERTYP: ("ESME_RINVSERTYP", "invalid service type"),
    ESME_RINVNUMDESTS: ("ESME_RINVNUMDESTS", "invalid number of destinations"),
    ESME_RINVDLNAME: ("ESME_RINVDLNAME", "invalid distribution list name"),
    ESME_RINVDESTFLAG: ("ESME_RINVDESTFLAG", "invalid destination flag"),
    ESME_RINVSUBREP: ("ESME_RINVSUBREP", "invalid submit with replace"),
    ESME_RINVESMCLASS: ("ESME_RINVESMCLASS", "invalid esm_class"),
    ESME_RCNTSUBDL: ("ESME_RCNTSUBDL", "cannot submit to the distribution list"),
    ESME_RSUBMITFAIL: ("ESME_RSUBMITFAIL", "submit failed"),
    ESME_RINVSRCTON: ("ESME_RINVSRCTON", "invalid source TON"),
    ESME_RINVSRCNPI: ("ESME_RINVSRCNPI", "invalid source NPI"),
    ESME_RINVDSTTON: ("ESME_RINVDSTTON", "invalid destination TON"),
    ESME_RINVDSTNPI: ("ESME_RINVDSTNPI", "invalid destination NPI"),
    ESME_RINVSYSTYP: ("ESME_RINVSYSTYP", "invalid system_type"),
    ESME_RINVREPFLAG: ("ESME_RINVREPFLAG", "invalid replace_if_present flag"),
    ESME_RINVNUMMSGS: ("ESME_RINVNUMMSGS", "invalid number of messages"),
    ESME_RTHROTTLED: ("ESME_RTHROTTLED", "throttled: message limits exceeded"),
    ESME_RINVSCHED: ("ESME_RINVSCHED", "invalid scheduled delivery time"),
    ESME_RINVEXPIRY: ("ESME_RINVEXPIRY", "invalid validity period"),
    ESME_RINVDFTMSGID: ("ESME_RINVDFTMSGID", "predefined message invalid or not found"),
    ESME_RX_T_APPN: ("ESME_RX_T_APPN", "receiver: temporary application error"),
    ESME_RX_P_APPN: ("ESME_RX_P_APPN", "receiver: permanent application error"),
    ESME_RX_R_APPN: ("ESME_RX_R_APPN", "receiver: message rejected"),
    ESME_RQUERYFAIL: ("ESME_RQUERYFAIL", "query_sm failed"),
    ESME_RINVOPTPARSTREAM: ("ESME_RINVOPTPARSTREAM", "error in the optional part of the PDU"),
    ESME_ROPTPARNOTALLWD: ("ESME_ROPTPARNOTALLWD", "optional parameter not allowed"),
    ESME_RINVPARLEN: ("ESME_RINVPARLEN", "invalid parameter length"),
    ESME_RMISSINGOPTPARAM: ("ESME_RMISSINGOPTPARAM", "expected optional parameter missing"),
    ESME_RINVOPTPARAMVAL: ("ESME_RINVOPTPARAMVAL", "invalid optional parameter value"),
    ESME_RDELIVERYFAILURE: ("ESME_RDELIVERYFAILURE", "delivery failure"),
    ESME_RUNKNOWNERR: ("ESME_RUNKNOWNERR", "unknown error"),
}


def status_name(command_status: int) -> str:
    """The name of a status; where the specification gives none, the number (0x400-0x4FF belong to the vendor)."""
    known = STATUSES.get(command_status)
    if known is not None:
        return known[0]
    kind = "vendor" if 0x400 <= command_status <= 0x4FF else "reserved"
    return f"{kind} 0x{command_status:08X}"
