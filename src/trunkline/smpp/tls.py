"""TLS contexts for links: the server's certificate is checked by default, the client's where there is a CA for it."""

from __future__ import annotations

import ssl
from pathlib import Path


def client_context(
    ca: Path | str | None = None,
    certificate: Path | str | None = None,
    key: Path | str | None = None,
    *,
    key_password: str | None = None,
    check_hostname: bool = True,
) -> ssl.SSLContext:
    """For an ESME: PEM files of the CA to trust (default: the system's) and of the client certificate and its key.

    Without `check_hostname` the certificate must still be signed by the CA. TLS 1.2 or newer. Raises OSError.
    """
    context = ssl.create_default_context(cafile=ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = check_hostname
    if certificate is not None:
        context.load_cert_chain(certificate, key, key_password)
    return context


def server_context(
    certificate: Path | str, key: Path | str | None = None, *, client_ca: Path | str | None = None
) -> ssl.SSLContext:
    """For an SMSC: PEM files of its certificate and key, and of the CA whose client certificates it asks for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    if client_ca is not None:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
