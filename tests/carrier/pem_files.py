"""Certificates for tests, made on the spot: a CA, whom it signed, and one that nobody did."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

BORN = datetime(2020, 1, 1, tzinfo=UTC)


def certificate(folder: Path, name: str, issuer: Any = None, *, names: Any = ()) -> Any:
    """Writes NAME.pem and NAME.key; returns both as objects, to sign others with."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    issuer_name, issuer_key = (issuer[0].subject, issuer[1]) if issuer else (subject, key)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(BORN)
        .not_valid_after(BORN + timedelta(days=36500))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(list(names) or [x509.DNSName(name)]), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    (folder / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return made, key


def certificates(folder: Path) -> Path:
    """`server` (127.0.0.1), `elsewhere` and `client`, signed by `ca`, and `stranger`, signed by itself."""
    ca = certificate(folder, "ca")
    certificate(folder, "server", ca, names=[x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate(folder, "elsewhere", ca)
    certificate(folder, "client", ca)
    certificate(folder, "stranger")
    return folder
