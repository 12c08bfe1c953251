"""What can go wrong with a PDU, a request or a bind: one root, few classes; a refused submit is a value, no error."""

from __future__ import annotations

from trunkline.smpp.status import status_name


class SmppError(Exception):
    """Root of everything this package raises on purpose."""


class EncodeError(SmppError):
    """A field's value cannot be put on the wire; nothing was sent."""


class DecodeError(SmppError):
    """The octets of one PDU do not hold what its command id promises; the framing is intact."""

    def __init__(self, command_status: int, reason: str) -> None:
        """`command_status` is what to answer the sender."""
        super().__init__(reason)
        self.command_status = command_status
        self.reason = reason


class Refused(SmppError):
    """The other side answered a request with a status other than ESME_ROK, or with generic_nack."""

    def __init__(self, command_status: int) -> None:
        super().__init__(status_name(command_status))
        self.command_status = command_status


class BindRefused(Refused):
    """The SMSC answered the bind with a status other than ESME_ROK."""


class ConnectFailed(SmppError):
    """No bound session came of it: TCP or TLS failed, or the SMSC hung up before it answered the bind."""


class NotSent(SmppError):
    """No octet of the request was handed to the transport: it may be sent again elsewhere."""


class NoResponse(SmppError):
    """The response timer ended (for a bind: the bind timer); the other side may have done what it was asked."""


class Lost(SmppError):
    """The request was written, then the link died: the other side may have done what it was asked."""
