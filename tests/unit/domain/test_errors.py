"""The error catalogue is whole and agrees with itself."""

import re

import pytest

from trunkline.domain.errors import (
    DELIVERY_CODES,
    PROBLEMS,
    Advice,
    Charged,
    Retry,
    error_message,
)
from trunkline.domain.status import Status

# Code by code: status (F, U, D), permanent (y, n, -), advice, charged (y, n, p: if proven).
EXPECTED = """
000 D - - y
101 F n later y | 102 F n later y | 103 F y none y | 104 F n later y | 105 F y none y | 106 F y none y
107 F n later y | 108 F y none y | 109 F n later y | 110 F n later y
201 F y change y | 202 F y change y | 203 F y change y | 204 F y change y | 206 F n later y | 207 F y change y
301 F n later y | 302 F n later y | 303 F n later y | 304 F y change n | 305 F y none y | 306 F y none y
307 F y none y | 310 F n later y
451 F y none n | 452 F y change n | 453 F y change n | 454 F y change n | 455 F y none n | 456 F y change n
457 F y none n | 458 F n later n | 459 F n later n | 460 F n later n | 461 F n later n | 462 F n later n
463 F n later n | 464 F y change y
601 F n change n | 602 F n none n | 603 F y change n | 604 F y change n | 605 F y none n | 606 F n later n
607 F y change n | 608 F n later n | 609 F y none n | 610 F y none n
701 F n later y | 702 F n later n | 703 U - unsafe y | 704 U - unsafe y
801 F y unsafe y | 802 U - unsafe y
901 U - unsafe p | 902 U - unsafe p | 903 F n later n | 904 F y change n | 905 U - unsafe y | 999 F n later y
"""

STATUSES = {
    400: "malformed_json validation_failed unknown_field single_message_only callback_url_refused filter_required"
    " window_too_large bad_cursor plan_incomplete_route plan_incomplete_price",
    401: "unauthenticated token_revoked token_expired plan_inactive",
    403: "scope_missing plan_not_allowed network_not_allowed sender_not_authorized destination_not_allowed",
    404: "plan_not_provisioned message_not_found not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    409: "sender_pending_approval not_cancellable idempotency_key_in_use",
    413: "payload_too_large record_too_large",
    414: "uri_too_long",
    415: "unsupported_media_type",
    422: "sender_status_unrecognized idempotency_key_reused",
    429: "rate_limited",
    431: "headers_too_large",
    503: "unavailable outcome_unknown",
}


def test_delivery_codes_are_the_catalogues():
    letters = {"F": Status.FAILED, "U": Status.UNKNOWN, "D": Status.DELIVERED}
    permanent = {"y": True, "n": False, "-": None}
    charged = {"y": Charged.ACCEPTED, "n": Charged.NO, "p": Charged.IF_PROVEN}
    expected = {}
    for entry in filter(str.strip, re.split(r"[|\n]", EXPECTED)):
        code, status, lasts, advice, cost = entry.split()
        expected[code] = (
            letters[status],
            permanent[lasts],
            None if advice == "-" else Advice(advice),
            charged[cost],
        )
    found = {code: (e.status, e.permanent, e.advice, e.charged) for code, e in DELIVERY_CODES.items()}
    assert found == expected


def test_problems_and_their_statuses():
    expected = {code: status for status, codes in STATUSES.items() for code in codes.split()}
    assert {code: problem.status for code, problem in PROBLEMS.items()} == expected


def test_every_entry_explains_itself_once():
    for catalogue in (PROBLEMS, DELIVERY_CODES):
        entries = list(catalogue.values())
        assert [entry.code for entry in entries] == list(catalogue)
        assert len({entry.title for entry in entries}) == len(entries)
        for entry in entries:
            assert entry.meaning.endswith(".")
            assert not entry.title.endswith(".")
            assert entry.meaning != entry.title
    assert all(re.fullmatch("[0-9]{3}", code) for code in DELIVERY_CODES)
    assert all(re.fullmatch("[a-z]+(_[a-z]+)*", code) for code in PROBLEMS)


def test_unsafe_to_resend_is_what_may_have_been_delivered():
    unsafe = {code for code, entry in DELIVERY_CODES.items() if entry.advice is Advice.UNSAFE}
    unknown = {code for code, entry in DELIVERY_CODES.items() if entry.status is Status.UNKNOWN}
    assert unsafe == unknown | {"801"}
    assert PROBLEMS["outcome_unknown"].retry is Retry.SAME_KEY


def test_error_message_is_the_title():
    assert error_message("000") == "No error"
    assert error_message("103") == "Unknown subscriber"
    with pytest.raises(KeyError):
        error_message("100")


def test_catalogue_cannot_be_changed():
    with pytest.raises(TypeError):
        DELIVERY_CODES["000"] = DELIVERY_CODES["999"]
    with pytest.raises(AttributeError):
        PROBLEMS["not_found"].status = 200
