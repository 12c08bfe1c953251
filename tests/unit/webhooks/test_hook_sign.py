"""Signatures, verified with the reference package and with the example of the specification."""

import base64
import json
import time
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from trunkline.webhooks.sign import Signer, new_secret, secret_key

ID = "01956e3a-7c00-7000-8000-0123456789ab-2"


def _secret(raw: bytes) -> str:
    return "whsec_" + base64.b64encode(raw).decode()


def _headers(lines: bytes) -> dict[str, str]:
    assert lines.endswith(b"\r\n")
    return dict(line.split(": ", 1) for line in lines.decode().removesuffix("\r\n").split("\r\n"))


def _now() -> int:
    # The reference refuses what is older than five minutes, by its own clock.
    return int(time.clock_gettime(time.CLOCK_REALTIME))


@given(st.binary(min_size=24, max_size=64), st.text(st.characters(codec="utf-8")), st.integers(0, 4_000_000_000))
def test_signature_equals_the_reference(raw, text, at):
    expected = Webhook(raw).sign(ID, datetime(1970, 1, 1) + timedelta(seconds=at), text)
    assert Signer([_secret(raw)]).signature(ID, at, text.encode()) == expected


def test_example_of_the_specification():
    signer = Signer(["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
    got = signer.signature("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert got == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_header_lines_are_verified_by_the_reference():
    secret = new_secret()
    body = json.dumps({"body": "Grüße \U0001f44b"}, ensure_ascii=False).encode()
    headers = _headers(Signer([secret]).header_lines(ID, _now(), body))
    assert headers["webhook-id"] == ID
    Webhook(secret).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body + b" ", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(body, headers)


def test_both_secrets_are_good_during_rotation():
    old, new = new_secret(), new_secret()
    headers = _headers(Signer([new, old]).header_lines(ID, _now(), b"{}"))
    assert len(headers["webhook-signature"].split(" ")) == 2
    Webhook(old).verify(b"{}", headers)
    Webhook(new).verify(b"{}", headers)


def test_one_signer_signs_many():
    # The hash states are copied, never used up.
    signer, secret = Signer([s := new_secret()]), s
    for n in range(3):
        Webhook(secret).verify(b"%d" % n, _headers(signer.header_lines(ID, _now(), b"%d" % n)))


def test_new_secrets_differ_and_hold_256_bits():
    secrets = {new_secret() for _ in range(20)}
    assert len(secrets) == 20
    assert {len(secret_key(secret)) for secret in secrets} == {32}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "whsec_",
        "abc",
        _secret(b"x" * 23),
        _secret(b"x" * 65),
        "whsec_***",
        "WHSEC_" + "A" * 44,
        _secret(b"x" * 24) + "\n",
    ],
)
def test_bad_secrets_are_refused_without_repeating_them(text):
    with pytest.raises(ValueError) as caught:
        secret_key(text)
    assert not text or text not in str(caught.value) or text == "whsec_"


def test_nothing_to_sign_with():
    with pytest.raises(ValueError):
        Signer([])
