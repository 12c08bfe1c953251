"""HTTPS by the listener itself (CONTRACT §2): with `tls_cert` and `tls_key` nothing is answered in plain HTTP."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from api_rig import PLAN, Rig, copied
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """Of 127.0.0.1, signed by itself; and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "api")])
    born = datetime(2020, 1, 1, tzinfo=UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(born)
        .not_valid_after(born + timedelta(days=36500))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    key_file.write_bytes(key.private_bytes(*form))
    return cert_file, key_file


@pytest.fixture
def secure(server: str, template: str, certificate: tuple[Path, Path]) -> Iterator[Rig]:
    cert, key = map(str, certificate)
    with copied(server, template) as dsn, Rig(dsn, ssl_certfile=cert, ssl_keyfile=key) as running:
        yield running


def test_https_is_answered_and_plain_http_is_not(secure: Rig, certificate: tuple[Path, Path]) -> None:
    target = f"/v1/messages/sms?servicePlanId={PLAN}&status=QUEUED"
    headers = {"Authorization": f"Bearer {secure.tokens['full']}"}
    context = ssl.create_default_context(cafile=str(certificate[0]))
    connection = http.client.HTTPSConnection("127.0.0.1", secure.port, timeout=10, context=context)
    connection.request("GET", target, headers=headers)
    assert connection.getresponse().status == 200
    connection.close()
    plain = http.client.HTTPConnection("127.0.0.1", secure.port, timeout=10)
    with pytest.raises((http.client.HTTPException, OSError)):
        plain.request("GET", target, headers=headers)
        plain.getresponse()
    plain.close()
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.load_verify_locations(str(certificate[0]))
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    connection = http.client.HTTPSConnection("127.0.0.1", secure.port, timeout=10, context=old)
    connection.request("GET", target, headers=headers)
    assert connection.getresponse().status == 200
    connection.close()
