"""How long a session waits for what, and how long an ESME waits before it connects again (SMPP 3.4 §7.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

_RECONNECT_MAX_S = 60.0
_RECONNECT_SPREAD = 0.2


@dataclass(frozen=True, slots=True)
class Timers:
    """All in seconds, all on the event loop's clock, all looked at each `sweep_s`."""

    bind_s: float = 10.0  # for TCP and TLS, then as long for bind_resp; on the SMSC's side for the bind to come
    enquire_link_s: float = 30.0  # without a PDU from the other side; 0: never ask
    enquire_link_resp_s: float = 10.0  # then, still without a PDU, the link is dead
    response_s: float = 60.0  # from the write to the response
    inactivity_s: float = 0.0  # without a PDU other than enquire_link, either way, then we unbind; 0: never
    unbind_s: float = 5.0  # for unbind_resp, and for the last octets to leave
    overdue_s: float = 600.0  # a response that comes this long after its timer is still told apart as late
    sweep_s: float = 0.25


def reconnect_delay_s(attempt: int, random: Callable[[], float]) -> float:
    """Seconds to wait before the attempt (0 = the first after a loss): 1, 2, 4 … 60, each ± 20 %.

    `random` returns a number in [0, 1), as random.random does.
    """
    step = min(_RECONNECT_MAX_S, 2.0 ** min(max(attempt, 0), 6))
    return step * (1 - _RECONNECT_SPREAD + 2 * _RECONNECT_SPREAD * random())
