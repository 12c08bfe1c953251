"""The error catalogue: every problem that the API answers with and every code that a message can end with.

Published as it stands: the error pages, the OpenAPI document and the JSON list are made from it.
"""

# ruff: noqa: E501  (tables: one entry a line)

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from trunkline.domain.status import Status


class Retry(StrEnum):
    """What to do with a refused request."""

    CHANGE = "change"  # the same request will be refused again
    LATER = "later"  # the same request again, after Retry-After where given
    SAME_KEY = "same_key"  # it may have been accepted: only with the same Idempotency-Key, or look first


@dataclass(frozen=True, slots=True)
class Problem:
    """One HTTP answer of the catalogue (RFC 9457): `code` is stable, `meaning` says what happened and what to change."""

    code: str
    status: int
    title: str
    meaning: str
    retry: Retry


class Advice(StrEnum):
    """Whether to send a failed message again."""

    NONE = "none"  # it will fail again
    LATER = "later"  # the same message may work later
    CHANGE = "change"  # something has to change first
    UNSAFE = "unsafe"  # it may have been delivered: a second one may reach the recipient twice


class Charged(StrEnum):
    """What a message with this code costs."""

    ACCEPTED = "accepted"  # the parts that the carrier accepted (none where it refused at submit)
    NO = "no"
    IF_PROVEN = "if_proven"  # nothing, until a receipt proves that the carrier had accepted it


@dataclass(frozen=True, slots=True)
class DeliveryCode:
    """One `errorCode`. `status` is what the message ends in; 000 stands for QUEUED, SENT and DELIVERED.

    `permanent`: the same message to the same recipient will fail again; None where no failure is certain.
    """

    code: str
    title: str
    status: Status
    permanent: bool | None
    advice: Advice | None
    charged: Charged
    meaning: str


_CHANGE, _LATER, _SAME_KEY = Retry.CHANGE, Retry.LATER, Retry.SAME_KEY

_PROBLEMS = (
    Problem("malformed_json", 400, "Malformed JSON", "The body is not one JSON value that can be read: a syntax error, a duplicate key, U+0000, an unpaired surrogate or a number out of range. `detail` says where.", _CHANGE),
    Problem("validation_failed", 400, "Validation failed", "More than one field breaks its rule, or one that has no code of its own. `errors` names each field and rule.", _CHANGE),
    Problem("unknown_field", 400, "Unknown field", "The request has a field or query parameter that does not exist. Correct its spelling or leave it out.", _CHANGE),
    Problem("single_message_only", 400, "One message per request", "The body is a list, or `to` is. Send one request for each message.", _CHANGE),
    Problem("callback_url_refused", 400, "Callback URL refused", "`callbackUrl` must be an https URL with a public host name without underscores, and of an origin that the plan allows.", _CHANGE),
    Problem("filter_required", 400, "Filter required", "A list needs at least one filter besides `servicePlanId`.", _CHANGE),
    Problem("window_too_large", 400, "Time window too large", "`fromDate` and `toDate` are more than 31 days apart. Ask for shorter windows, one after the other.", _CHANGE),
    Problem("bad_cursor", 400, "Bad cursor", "The cursor was not issued here, or a filter beside it differs from the one it carries. Start again without a cursor.", _CHANGE),
    Problem("plan_incomplete_route", 400, "Plan incomplete: no route", "No route leads from this service plan to the destination. The operator has to set one up.", _CHANGE),
    Problem("plan_incomplete_price", 400, "Plan incomplete: no price", "Charging is on and the plan's price list has no price for the destination. The operator has to set one.", _CHANGE),
    Problem("unauthenticated", 401, "Not authenticated", "The Authorization header is missing or malformed, or its token is unknown. Send `Authorization: Bearer <token>`; a token in the query string is not read.", _CHANGE),
    Problem("token_revoked", 401, "Token revoked", "The token was revoked. Use another one.", _CHANGE),
    Problem("token_expired", 401, "Token expired", "The token's time is over. Use another one.", _CHANGE),
    Problem("plan_inactive", 401, "Service plan not active", "The service plan exists and is switched off. It can be read; it cannot send until it is active again.", _CHANGE),
    Problem("scope_missing", 403, "Scope missing", "The token lacks the scope that this operation needs (`messages:send` or `messages:read`).", _CHANGE),
    Problem("plan_not_allowed", 403, "Service plan not allowed", "The token may not use this service plan.", _CHANGE),
    Problem("network_not_allowed", 403, "Source network not allowed", "The token may not be used from this network address.", _CHANGE),
    Problem("sender_not_authorized", 403, "Sender not authorised", "`from` is not a sender of this account and service plan.", _CHANGE),
    Problem("destination_not_allowed", 403, "Destination not allowed", "The country of `to` is not open for this service plan.", _CHANGE),
    Problem("plan_not_provisioned", 404, "Service plan not found", "This account has no service plan with this id.", _CHANGE),
    Problem("message_not_found", 404, "Message not found", "This service plan has no message with this id.", _CHANGE),
    Problem("not_found", 404, "Not found", "There is nothing at this path.", _CHANGE),
    Problem("method_not_allowed", 405, "Method not allowed", "The path exists, not with this method. `Allow` lists those that it has.", _CHANGE),
    Problem("request_timeout", 408, "Request timeout", "The request did not arrive in time. Nothing of it was acted upon.", _LATER),
    Problem("sender_pending_approval", 409, "Sender pending approval", "The sender's subscription waits for approval.", _LATER),
    Problem("not_cancellable", 409, "Not cancellable", "The message is on its way to the carrier, or final.", _CHANGE),
    Problem("idempotency_key_in_use", 409, "Idempotency key in use", "A request with this key and body is in work. Repeat it in a moment to get its answer.", _LATER),
    Problem("payload_too_large", 413, "Payload too large", "The body is larger than 64 KiB.", _CHANGE),
    Problem("record_too_large", 413, "Record too large", "The record to store would be larger than 16 KiB. Shorten the text, the URL or the reference.", _CHANGE),
    Problem("uri_too_long", 414, "URI too long", "The request line is longer than 8 KiB.", _CHANGE),
    Problem("unsupported_media_type", 415, "Unsupported media type", "Send the body as `Content-Type: application/json`.", _CHANGE),
    Problem("sender_status_unrecognized", 422, "Sender status not recognised", "The sender's subscription is in a state that is not known here. The operator has to look at it.", _CHANGE),
    Problem("idempotency_key_reused", 422, "Idempotency key reused", "This key came with another body in the last 24 hours. Use a new key for a new message.", _CHANGE),
    Problem("rate_limited", 429, "Too many requests", "The account's or the plan's rate limit is reached. `Retry-After` gives the seconds to wait.", _LATER),
    Problem("headers_too_large", 431, "Headers too large", "The request's headers are larger than 32 KiB.", _CHANGE),
    Problem("unavailable", 503, "Unavailable", "The message could not be stored, and it surely was not. Repeat the request after `Retry-After`.", _LATER),
    Problem("outcome_unknown", 503, "Outcome unknown", "It is not known whether the message was stored, or cancelled. Look `msgId` up, or repeat a send with the same Idempotency-Key.", _SAME_KEY),
)  # fmt: skip

_F, _U = Status.FAILED, Status.UNKNOWN
_NONE, _AGAIN, _OTHER, _UNSAFE = Advice.NONE, Advice.LATER, Advice.CHANGE, Advice.UNSAFE
_PAID, _FREE, _PROVEN = Charged.ACCEPTED, Charged.NO, Charged.IF_PROVEN

_DELIVERY_CODES = (
    DeliveryCode("000", "No error", Status.DELIVERED, None, None, _PAID, "Nothing went wrong so far: the message is queued, sent or delivered."),
    # 1xx: the recipient
    DeliveryCode("101", "Subscriber absent or unreachable", _F, False, _AGAIN, _PAID, "The handset was off or out of coverage."),
    DeliveryCode("102", "Handset memory full", _F, False, _AGAIN, _PAID, "The handset had no room for another message."),
    DeliveryCode("103", "Unknown subscriber", _F, True, _NONE, _PAID, "The number is not in use."),
    DeliveryCode("104", "Number ported or portability error", _F, False, _AGAIN, _PAID, "The number moved to another network, or its network could not be found."),
    DeliveryCode("105", "Subscriber barred or suspended", _F, True, _NONE, _PAID, "The subscriber's network does not deliver messages to this line."),
    DeliveryCode("106", "Line cannot receive SMS", _F, True, _NONE, _PAID, "A landline, a data card or a line without the service."),
    DeliveryCode("107", "Subscriber busy", _F, False, _AGAIN, _PAID, "The handset was busy with another message or call."),
    DeliveryCode("108", "Illegal subscriber or equipment", _F, True, _NONE, _PAID, "The network does not serve this subscriber or handset."),
    DeliveryCode("109", "Roaming restriction", _F, False, _AGAIN, _PAID, "The visited network does not deliver messages to this subscriber."),
    DeliveryCode("110", "Handset or delivery protocol error", _F, False, _AGAIN, _PAID, "The handset refused the message or answered with an error."),
    # 2xx: the sender or the content
    DeliveryCode("201", "Sender refused by carrier", _F, True, _OTHER, _PAID, "The carrier does not take messages from this sender."),
    DeliveryCode("202", "Sender not registered for destination", _F, True, _OTHER, _PAID, "The destination requires senders to be registered, and this one is not."),
    DeliveryCode("203", "Content filtered", _F, True, _OTHER, _PAID, "The carrier's filter stopped the text."),
    DeliveryCode("204", "Length or encoding refused in network", _F, True, _OTHER, _PAID, "A network on the way does not carry this length or alphabet."),
    DeliveryCode("206", "Flooding or repeated content refused", _F, False, _AGAIN, _PAID, "Too many equal messages, or too many to one recipient, in a short time."),
    DeliveryCode("207", "Sender type not supported", _F, True, _OTHER, _PAID, "The destination does not take this kind of sender (alphanumeric, short code or number)."),
    # 3xx: the network
    DeliveryCode("301", "Network failure", _F, False, _AGAIN, _PAID, "A network on the way failed."),
    DeliveryCode("302", "Carrier system failure", _F, False, _AGAIN, _PAID, "The carrier's message centre failed."),
    DeliveryCode("303", "Congestion", _F, False, _AGAIN, _PAID, "A network on the way was overloaded."),
    DeliveryCode("304", "No route", _F, True, _OTHER, _FREE, "No carrier serves the destination."),
    DeliveryCode("305", "Rejected, no reason", _F, True, _NONE, _PAID, "The carrier rejected the message and gave no reason."),
    DeliveryCode("306", "Undeliverable, no reason", _F, True, _NONE, _PAID, "The carrier could not deliver the message and gave no reason."),
    DeliveryCode("307", "Deleted at carrier", _F, True, _NONE, _PAID, "The message was deleted at the carrier before it was delivered."),
    DeliveryCode("310", "Carrier-specific error", _F, False, _AGAIN, _PAID, "The carrier gave an error of its own."),
    # 45x-46x: submission
    DeliveryCode("451", "Submit: invalid destination", _F, True, _NONE, _FREE, "The carrier refused the recipient's number."),
    DeliveryCode("452", "Submit: invalid source", _F, True, _OTHER, _FREE, "The carrier refused the sender."),
    DeliveryCode("453", "Submit: TON or NPI", _F, True, _OTHER, _FREE, "The carrier refused the type of an address."),
    DeliveryCode("454", "Submit: message length", _F, True, _OTHER, _FREE, "The carrier refused the length of the message."),
    DeliveryCode("455", "Submit: parameter", _F, True, _NONE, _FREE, "The carrier refused a setting of its connection; the operator has to change it."),
    DeliveryCode("456", "Submit: schedule or validity", _F, True, _OTHER, _FREE, "The carrier refused the time of sending or the validity."),
    DeliveryCode("457", "Submit: refused by carrier application", _F, True, _NONE, _FREE, "The carrier's application refused the message."),
    DeliveryCode("458", "Carrier queue full until expiry", _F, False, _AGAIN, _FREE, "The carrier's queue was full for the whole validity."),
    DeliveryCode("459", "Throttled until expiry", _F, False, _AGAIN, _FREE, "The carrier's rate limit left no place within the validity."),
    DeliveryCode("460", "Carrier temporary error, tries used up", _F, False, _AGAIN, _FREE, "The carrier answered with a temporary error each time."),
    DeliveryCode("461", "Carrier link down until expiry", _F, False, _AGAIN, _FREE, "No link to the carrier was up within the validity. The message was never sent."),
    DeliveryCode("462", "Carrier unknown error", _F, False, _AGAIN, _FREE, "The carrier refused the message with an unknown error."),
    DeliveryCode("463", "Protocol error from carrier", _F, False, _AGAIN, _FREE, "The carrier answered with an error that does not belong to a submission."),
    DeliveryCode("464", "Some parts refused at submit", _F, True, _OTHER, _PAID, "The carrier accepted some parts of the message and refused another."),
    # 6xx: account and policy
    DeliveryCode("601", "Insufficient balance", _F, False, _OTHER, _FREE, "The balance, or what the service plan may spend, does not cover the message."),
    DeliveryCode("602", "Account or service plan suspended", _F, False, _NONE, _FREE, "The account or service plan was suspended while the message waited."),
    DeliveryCode("603", "Destination not enabled", _F, True, _OTHER, _FREE, "The destination is not open for the service plan."),
    DeliveryCode("604", "Sender approval withdrawn", _F, True, _OTHER, _FREE, "The sender lost its approval while the message waited."),
    DeliveryCode("605", "Recipient opted out", _F, True, _NONE, _FREE, "The recipient asked for no more messages from this sender."),
    DeliveryCode("606", "Quiet hours until expiry", _F, False, _AGAIN, _FREE, "The validity ended within the recipient's quiet hours."),
    DeliveryCode("607", "Fraud guard", _F, True, _OTHER, _FREE, "The message looks like artificial traffic."),
    DeliveryCode("608", "Recipient or prefix velocity", _F, False, _AGAIN, _FREE, "Too many messages to this recipient or number range in a short time."),
    DeliveryCode("609", "Blocked number range", _F, True, _NONE, _FREE, "The operator blocked the recipient's number range."),
    DeliveryCode("610", "Cancelled by the customer", _F, True, _NONE, _FREE, "The message was cancelled before it was sent."),
    # 7xx: expiry
    DeliveryCode("701", "Expired at carrier", _F, False, _AGAIN, _PAID, "The carrier could not deliver the message within its validity."),
    DeliveryCode("702", "Expired in our queue", _F, False, _AGAIN, _FREE, "A link was up, and the message's turn did not come within its validity. It was never sent."),
    DeliveryCode("703", "No final receipt in time", _U, None, _UNSAFE, _PAID, "The carrier accepted the message and never said how it ended."),
    DeliveryCode("704", "Carrier reports unknown", _U, None, _UNSAFE, _PAID, "The carrier says that it does not know how the message ended."),
    # 8xx: partial
    DeliveryCode("801", "Partly delivered", _F, True, _UNSAFE, _PAID, "One part failed after another was delivered."),
    DeliveryCode("802", "Partly unresolved", _U, None, _UNSAFE, _PAID, "Some parts were delivered, and how the others ended is not known."),
    # 9xx: platform
    DeliveryCode("901", "Submit outcome unknown", _U, None, _UNSAFE, _PROVEN, "The link to the carrier was lost before it answered. It may have the message."),
    DeliveryCode("902", "Submit answer never came", _U, None, _UNSAFE, _PROVEN, "The carrier did not answer. It may have the message."),
    DeliveryCode("903", "Internal error, not submitted", _F, False, _AGAIN, _FREE, "The platform failed, and the message surely did not leave it."),
    DeliveryCode("904", "Message quarantined", _F, True, _OTHER, _FREE, "The message could not be put into the carrier's format."),
    DeliveryCode("905", "Receipt not understood", _U, None, _UNSAFE, _PAID, "The only receipts that came have no state that is known, and none came in time that has."),
    DeliveryCode("999", "Unmapped error", _F, False, _AGAIN, _PAID, "An error that has no code of its own yet."),
)  # fmt: skip

PROBLEMS: Mapping[str, Problem] = MappingProxyType({problem.code: problem for problem in _PROBLEMS})
DELIVERY_CODES: Mapping[str, DeliveryCode] = MappingProxyType({entry.code: entry for entry in _DELIVERY_CODES})

_MESSAGES = {entry.code: entry.title for entry in _DELIVERY_CODES}


def error_message(code: str) -> str:
    """The record's `errorMessage` for an `errorCode`. Raises KeyError for a code that the catalogue lacks."""
    return _MESSAGES[code]
