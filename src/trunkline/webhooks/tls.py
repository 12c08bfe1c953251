"""TLS as a client of customers' servers, with a certificate of our own where one asks for it."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager


def tls_context(extra_ca_file: str | None = None, *, certificate: bytes | None = None) -> ssl.SSLContext:
    """Certificates and names are verified against the system's authorities and those in `extra_ca_file` (PEM).

    `certificate`: ours, chain and key in PEM. Raises ssl.SSLError where it is none, or its key has a password.
    """
    context = ssl.create_default_context()
    # Private authorities seldom write all that RFC 5280 asks for, which Python demands as of 3.13.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if extra_ca_file is not None:
        context.load_verify_locations(cafile=extra_ca_file)
    if certificate is not None:
        with _in_memory(certificate) as path:
            context.load_cert_chain(path, password="")  # without one it would ask the terminal
    context.set_alpn_protocols(["http/1.1"])
    return context


@contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    """The path of a file that is on no disk: the ssl module takes keys from files alone."""
    handle = os.memfd_create("certificate")
    try:
        os.write(handle, content)
        yield f"/proc/self/fd/{handle}"
    finally:
        os.close(handle)
