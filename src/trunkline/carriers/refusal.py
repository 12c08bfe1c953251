"""What a command_status in submit_sm_resp means for the message: the table, as data (SMPP 3.4 §5.1.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType


class Action(StrEnum):
    """What to do with a message that a carrier answered so."""

    SENT = "sent"
    FINAL = "final"
    OTHER_CARRIER = "other_carrier"  # never again at this carrier; at once at the next of the route, else final
    RETRY_3 = "retry_3"  # again after 30 s, 2 min and 10 min, then final
    RETRY_1 = "retry_1"  # again after 60 s, then final
    SLOW_DOWN = "slow_down"  # the carrier is sent less a second; not a try; final at the end of validity
    OTHER_BIND_ONCE = "other_bind_once"  # again at once on another bind, then final
    LINK_STATE = "link_state"  # this link counts as down and the message waits; final at the end of validity
    # Our configuration may be wrong and not the message: final where the next one is accepted; five in a row without
    # an accepted one pause the carrier, and the messages wait or take another route.
    FINAL_OR_PAUSE = "final_or_pause"
    WITHOUT_TLVS_ONCE = "without_tlvs_once"  # again at once without optional TLVs, then as FINAL_OR_PAUSE


# Seconds to wait before each further try. Only these actions use up tries.
RETRY_AFTER_S: Mapping[Action, tuple[int, ...]] = MappingProxyType(
    {Action.RETRY_3: (30, 120, 600), Action.RETRY_1: (60,)}
)
PAUSE_AFTER_COUNT = 5


@dataclass(frozen=True, slots=True)
class Refusal:
    """The meaning of one command_status.

    `final_code` is the delivery code once the message is final by it; `alarm`: an operator must hear of one such
    answer; `field`: the field of submit_sm that the carrier objects to, for the alarm of a paused carrier.
    """

    action: Action
    final_code: str
    name: str | None = None
    alarm: bool = False
    field: str | None = None

    @property
    def retry_after_s(self) -> tuple[int, ...]:
        """Seconds before each further try; empty where there is none."""
        return RETRY_AFTER_S.get(self.action, ())


def _table() -> dict[int, Refusal]:
    def rows(action: Action, code: str, *statuses: tuple[int, str], alarm: bool = False) -> dict[int, Refusal]:
        return {status: Refusal(action, code, f"ESME_{name}", alarm) for status, name in statuses}

    def objections(action: Action, *statuses: tuple[int, str, str]) -> dict[int, Refusal]:
        return {status: Refusal(action, "455", f"ESME_{name}", field=field) for status, name, field in statuses}

    return {
        **rows(Action.SENT, "000", (0x00, "ROK")),
        **rows(Action.FINAL, "454", (0x01, "RINVMSGLEN")),
        **rows(Action.OTHER_BIND_ONCE, "463", (0x02, "RINVCMDLEN"), (0x03, "RINVCMDID"), alarm=True),
        **rows(
            Action.LINK_STATE,
            "461",
            (0x04, "RINVBNDSTS"),
            (0x05, "RALYBND"),
            (0x0D, "RBINDFAIL"),
            (0x0E, "RINVPASWD"),
            (0x0F, "RINVSYSID"),
            (0x53, "RINVSYSTYP"),
        ),
        **objections(
            Action.FINAL_OR_PAUSE,
            (0x06, "RINVPRTFLG", "priority_flag"),
            (0x07, "RINVREGDLVFLG", "registered_delivery"),
            (0x15, "RINVSERTYP", "service_type"),
            (0x43, "RINVESMCLASS", "esm_class"),
            (0x54, "RINVREPFLAG", "replace_if_present_flag"),
            (0x55, "RINVNUMMSGS", "number_of_messages"),
            (0x63, "RINVDFTMSGID", "sm_default_msg_id"),
        ),
        **objections(
            Action.WITHOUT_TLVS_ONCE,
            (0xC0, "RINVOPTPARSTREAM", "optional parameters"),
            (0xC1, "ROPTPARNOTALLWD", "optional parameters"),
            (0xC2, "RINVPARLEN", "optional parameters"),
            (0xC3, "RMISSINGOPTPARAM", "optional parameters"),
            (0xC4, "RINVOPTPARAMVAL", "optional parameters"),
        ),
        **rows(Action.RETRY_3, "460", (0x08, "RSYSERR"), (0x45, "RSUBMITFAIL"), (0x64, "RX_T_APPN")),
        **rows(Action.FINAL, "452", (0x0A, "RINVSRCADR")),
        **rows(Action.FINAL, "451", (0x0B, "RINVDSTADR")),
        # Answers to other operations than submit_sm.
        **rows(
            Action.FINAL,
            "463",
            (0x0C, "RINVMSGID"),
            (0x11, "RCANCELFAIL"),
            (0x13, "RREPLACEFAIL"),
            (0x33, "RINVNUMDESTS"),
            (0x34, "RINVDLNAME"),
            (0x40, "RINVDESTFLAG"),
            (0x42, "RINVSUBREP"),
            (0x44, "RCNTSUBDL"),
            (0x67, "RQUERYFAIL"),
            alarm=True,
        ),
        **rows(Action.SLOW_DOWN, "458", (0x14, "RMSGQFUL")),
        **rows(Action.SLOW_DOWN, "459", (0x58, "RTHROTTLED")),
        **rows(
            Action.FINAL,
            "453",
            (0x48, "RINVSRCTON"),
            (0x49, "RINVSRCNPI"),
            (0x50, "RINVDSTTON"),
            (0x51, "RINVDSTNPI"),
        ),
        **rows(Action.FINAL, "456", (0x61, "RINVSCHED"), (0x62, "RINVEXPIRY")),
        **rows(Action.FINAL, "457", (0x65, "RX_P_APPN"), (0x66, "RX_R_APPN")),
        **rows(Action.FINAL, "306", (0xFE, "RDELIVERYFAILURE")),
        **rows(Action.RETRY_1, "462", (0xFF, "RUNKNOWNERR")),
    }


TABLE: Mapping[int, Refusal] = MappingProxyType(_table())

# Reserved by the specification, or a carrier's own (0x100-0x3FF, 0x400-0x4FF and beyond) that its dialect leaves out.
OTHER = Refusal(Action.FINAL, "310")
GENERIC_NACK = Refusal(Action.OTHER_BIND_ONCE, "463", "generic_nack", alarm=True)

_NO_OWN: Mapping[int, Refusal] = MappingProxyType({})


def meaning(command_status: int, generic_nack: bool = False, own: Mapping[int, Refusal] = _NO_OWN) -> Refusal:
    """What an answer means for the message it answers.

    `command_status` is the raw value, 0 to 0xFFFFFFFF; `own` are the carrier's own statuses (its dialect's
    `refusals`), which go before the table. A generic_nack (SMPP 3.4 §4.3.1) has one meaning whatever its status.
    """
    if generic_nack:
        return GENERIC_NACK
    return own.get(command_status) or TABLE.get(command_status, OTHER)


def own_refusal(command_status: int, action: Action, final_code: str) -> Refusal:
    """A carrier's own meaning of a status; the specification's name is kept where there is one."""
    known = TABLE.get(command_status, OTHER)
    return replace(known, action=action, final_code=final_code, alarm=False)
