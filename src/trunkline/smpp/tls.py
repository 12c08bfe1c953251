"""TLS contexts for links: the server's certificate is checked by default, the client's where there is a CA for it."""

from __future__ import annotations

import os
import ssl
import tempfile
from pathlib import Path


def client_context_of(ca: str | None = None, identity: str | None = None) -> ssl.SSLContext:
    """As `client_context`, from PEM texts: of the CA to trust, of the client certificate with its key behind it.

    Raises ssl.SSLError for what is not PEM, or a key that is not the certificate's.
    """
    context = client_context(data=ca)
    if identity is not None:
        # The ssl module reads a key from a file only; this one nobody else can read, and it is gone at once.
        handle, name = tempfile.mkstemp(prefix="trunkline-tls-")
        try:
            with os.fdopen(handle, "w") as file:
                file.write(identity)
            context.load_cert_chain(name)
        finally:
            Path(name).unlink()
    return context


def client_context(
    ca: Path | str | None = None,
    certificate: Path | str | None = None,
    key: Path | str | None = None,
    *,
    key_password: str | None = None,
    check_hostname: bool = True,
    data: str | None = None,
) -> ssl.SSLContext:
    """For an ESME: PEM files of the CA to trust (`data`: its PEM itself; default: the system's) and of the client
    certificate and its key.

    Without `check_hostname` the certificate must still be signed by the CA. TLS 1.2 or newer. Raises OSError.
    """
    context = ssl.create_default_context(cafile=ca, cadata=data)
    # Carriers' own authorities seldom write all that RFC 5280 asks for, which Python demands as of 3.13.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
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
