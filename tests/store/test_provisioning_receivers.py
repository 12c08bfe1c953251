"""[[receiver]] of a set-up file: what it may say, what is stored of it, and every mistake with its line."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from trunkline.admin import declared
from trunkline.admin.declared import Mistaken, Outcome, Surroundings
from trunkline.domain.callback import Policy
from trunkline.runtime.secret import SealBroken
from trunkline.store import db, provisioning
from trunkline.store.db import Connection

KEY = bytes(range(32))
ENVIRON = {"TOKEN": "t0ken", "OTHER": "other", "BAD": "two\nlines", "PW": "pw"}
PLANS = """\
[[account]]
name = "acme"
[[account]]
name = "other"
[[plan]]
name = "otp"
account = "acme"
callback_origins = ["https://Hooks.example.com", "https://hooks.example.com:443/", "https://b.example.com:8443"]
"""


def pair() -> tuple[str, str]:
    """A certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "trunkline")])
    start = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=36500))
        .sign(key, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8
    return (
        certificate.public_bytes(serialization.Encoding.PEM).decode(),
        key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode(),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "api-key").write_text("k3y\n")
    for name in ("ours", "theirs"):
        certificate, key = pair()
        (tmp_path / f"{name}.pem").write_text(certificate)
        (tmp_path / f"{name}.key").write_text(key)
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    return tmp_path


def connected(dsn: str, work: Callable[[Connection], Awaitable[None]]) -> None:
    async def main() -> None:
        conn = await db.connect(dsn, name="test")
        try:
            await work(conn)
        finally:
            await conn.close()

    asyncio.run(main())


async def apply(conn: Connection, text: str, folder: Path, **environ: str) -> Outcome:
    around = Surroundings(KEY, Policy(), {**ENVIRON, **environ}, folder, "test")
    return await declared.apply(conn, declared.read(text, "set-up.toml"), around)


WHOLE = (
    PLANS
    + """\
[[receiver]]
account = "acme"
origin = "https://HOOKS.example.com."
headers = { X-Tenant = "acme" }
headers_file = { X-Api-Key = "api-key" }
bearer_env = "TOKEN"
[[receiver]]
account = "acme"
plan = "otp"
origin = "https://hooks.example.com:8443"
client_cert_file = "ours.pem"
client_key_file = "ours.key"
"""
)


def test_it_is_stored_sealed_and_a_second_time_changes_nothing(database: str, folder: Path) -> None:
    async def work(conn: Connection) -> None:
        outcome = await apply(conn, WHOLE, folder)
        assert {change.what for change in outcome.changes} == {"created"}
        version = await conn.fetchval("SELECT provisioning_version FROM installation")
        picture = await provisioning.load(conn, KEY)
        (plan,) = picture.plans.values()
        assert plan.callback_origins == {"https://hooks.example.com:443", "https://b.example.com:8443"}
        first = picture.receiver(plan, "https://hooks.example.com:443")
        second = picture.receiver(plan, "https://hooks.example.com:8443")
        assert first is not None
        assert second is not None
        assert first.head == b"X-Tenant: acme\r\nX-Api-Key: k3y\r\nAuthorization: Bearer t0ken\r\n"
        assert (first.certificate, second.head) == (None, b"")
        both = (folder / "ours.pem").read_bytes() + b"\n" + (folder / "ours.key").read_bytes()
        assert (second.certificate or b"").split() == both.split()
        with pytest.raises(SealBroken):
            await provisioning.load(conn, bytes(32))

        outcome = await apply(conn, WHOLE, folder)
        assert {change.what for change in outcome.changes} == {"unchanged"}
        assert await conn.fetchval("SELECT provisioning_version FROM installation") == version
        outcome = await apply(conn, WHOLE, folder, TOKEN="new")
        changed = [(change.kind, change.fields) for change in outcome.changes if change.what == "changed"]
        assert changed == [("receiver", ("credentials",))]

    connected(database, work)


def test_credentials_that_were_copied_to_another_origin_do_not_open(database: str, folder: Path) -> None:
    async def work(conn: Connection) -> None:
        await apply(conn, WHOLE, folder)
        await conn.execute("UPDATE receiver SET origin = 'https://evil.example.com:443' WHERE receiver_id = 1")
        with pytest.raises(SealBroken):
            await provisioning.load(conn, KEY)

    connected(database, work)


# Lines of a receiver, and what is said of them.
MISTAKES = [
    ('origin = "https://10.0.0.1"', "origin must be an https origin such as https://example.com, with a public"),
    ('origin = "http://example.com"', "origin must be an https origin"),
    ('origin = "https://example.com/path"', "origin must be an https origin"),
    ('origin = "https://example.com?x"', "origin must be an https origin"),
    ('origin = "https://example.com#x"', "origin must be an https origin"),
    ('origin = "https://u:p@example.com"', "origin must be an https origin"),
    ("", "receiver has no origin"),
    ('plan = "otpp"', "there is no plan otpp; did you mean otp?"),
    ('headers = { Authorization = "x" }', "Authorization is a secret: point to it in headers_env or headers_file"),
    ('headers = { Host = "x" }', "header 'Host' cannot be sent"),
    ('headers = { "X A" = "x" }', "header 'X A' cannot be sent"),
    ('headers_env = { webhook-signature = "TOKEN" }', "header 'webhook-signature' cannot be sent"),
    ('headers_env = { X-A = "BAD" }', "header 'X-A' cannot be sent"),
    ('headers_env = { X-A = "NONE" }', "the environment has no NONE"),
    ('headers_file = { X-A = "none" }', "cannot read none: No such file or directory"),
    ('headers_file = { X-A = "bytes" }', "bytes is not UTF-8"),
    ("headers = { X-A = 1 }", "headers must be a table of texts by header"),
    ('headers = { X-A = "1" }\nheaders_env = { x-a = "TOKEN" }', "receiver gives the header x-a more than once"),
    ('user = "u"', "user goes with password_env or password_file"),
    ('password_env = "PW"', "user goes with password_env or password_file"),
    ('user = "a:b"\npassword_env = "PW"', "user must not hold a colon (RFC 7617)"),
    (
        'user = "u"\npassword_env = "PW"\nbearer_env = "TOKEN"',
        "receiver gives the header authorization more than once",
    ),
    ('bearer_env = "TOKEN"\nbearer_file = "api-key"', "receiver has bearer_env already"),
    ('bearer_env = "BAD"', "header 'Authorization' cannot be sent"),
    ('client_cert_file = "ours.pem"', "client_cert_file goes with client_key_env or client_key_file"),
    (
        'client_cert_file = "ours.pem"\nclient_key_file = "theirs.key"',
        "client_cert_file and its key must be PEM, go together, and have no password",
    ),
    ('client_cert_file = "api-key"\nclient_key_file = "ours.key"', "client_cert_file and its key must be PEM"),
    ('bearer = "t0ken"', "receiver has no key bearer; did you mean"),
]


def test_every_mistake_has_its_line_and_changes_nothing(database: str, folder: Path) -> None:
    async def work(conn: Connection) -> None:
        for lines, says in MISTAKES:
            origin = "" if not lines or lines.startswith("origin") else 'origin = "https://a.example.com"\n'
            with pytest.raises(Mistaken) as caught:
                await apply(conn, f'{PLANS}[[receiver]]\naccount = "acme"\n{origin}{lines}\n', folder)
            (line,) = caught.value.lines
            assert line.split(": ", 1)[1].startswith(says), lines
            for secret in ("t0ken", "lines", "k3y"):
                assert secret not in line
        assert await conn.fetchval("SELECT count(*) FROM account") == 0

    connected(database, work)


def test_the_plan_has_to_be_the_accounts_and_a_receiver_is_declared_once(database: str, folder: Path) -> None:
    async def work(conn: Connection) -> None:
        other = '[[receiver]]\naccount = "other"\nplan = "otp"\norigin = "https://a.example.com"\n'
        with pytest.raises(Mistaken) as caught:
            await apply(conn, PLANS + other, folder)
        assert "plan otp belongs to another account" in str(caught.value)
        one = '[[receiver]]\naccount = "acme"\norigin = "https://a.example.com"\n'
        same = '[[receiver]]\naccount = "acme"\norigin = "https://A.example.com:443"\nbearer_env = "TOKEN"\n'
        with pytest.raises(Mistaken) as caught:
            await apply(conn, PLANS + one + same, folder)
        assert "is in the file already" in str(caught.value)

    connected(database, work)


def test_a_plan_may_list_origins_only(database: str, folder: Path) -> None:
    async def work(conn: Connection) -> None:
        for wrong, says in (
            ('["https://a.example.com/x"]', "callback_origins must be an https origin"),
            ('"https://a.example.com"', "callback_origins must be a list of texts"),
        ):
            with pytest.raises(Mistaken) as caught:
                text = f'[[account]]\nname = "a"\n[[plan]]\nname = "p"\naccount = "a"\ncallback_origins = {wrong}\n'
                await apply(conn, text, folder)
            assert says in str(caught.value)
        none = '[[account]]\nname = "a"\n[[plan]]\nname = "p"\naccount = "a"\ncallback_origins = []\n'
        await apply(conn, none, folder)
        assert (await provisioning.load(conn, KEY)).plans[1].callback_origins == frozenset()

    connected(database, work)
