"""TLS on a link: the server's certificate is checked, a client's is asked for, and traffic is as without."""

from __future__ import annotations

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from smpp_ends import BIND, CALM, MESSAGE, RECEIPT, Esme, Smsc, run

from trunkline.smpp.errors import ConnectFailed
from trunkline.smpp.esme import connect
from trunkline.smpp.smsc import serve
from trunkline.smpp.tls import client_context, server_context

BORN = datetime(2020, 1, 1, tzinfo=UTC)


def _certificate(folder, name, issuer=None, *, names=()):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    issuer_name, issuer_key = (issuer[0].subject, issuer[1]) if issuer else (subject, key)
    certificate = (
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
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, key


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    ca = _certificate(folder, "ca")
    _certificate(folder, "server", ca, names=[x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    _certificate(folder, "elsewhere", ca)
    _certificate(folder, "client", ca)
    _certificate(folder, "stranger")
    return folder


def _pair(folder, name):
    return folder / f"{name}.pem", folder / f"{name}.key"


def _exchange(server_tls, client_tls, **options):
    """A message and a receipt each way; what connect() raises comes out."""

    async def main():
        smsc, esme = Smsc(), Esme()
        server = await serve("127.0.0.1", 0, lambda: smsc, timers=CALM, tls=server_tls)
        try:
            session = await connect("127.0.0.1", server.port, BIND, esme, timers=CALM, tls=client_tls, **options)
            for token in range(500):
                session.submit(MESSAGE, token)
                smsc.session.deliver(RECEIPT, token)
            await esme.until("answered", 500)
            await smsc.until("delivered_answered", 500)
            assert session._transport.get_extra_info("ssl_object").version() in ("TLSv1.2", "TLSv1.3")
            await session.unbind()
        finally:
            await server.close()

    run(main)


def test_tls(certificates):
    _exchange(server_context(*_pair(certificates, "server")), client_context(certificates / "ca.pem"))


def test_client_certificate(certificates):
    _exchange(
        server_context(*_pair(certificates, "server"), client_ca=certificates / "ca.pem"),
        client_context(certificates / "ca.pem", *_pair(certificates, "client")),
    )


@pytest.mark.parametrize("name", [None, "stranger"])
def test_client_without_the_right_certificate(certificates, name):
    client = client_context(certificates / "ca.pem", *(_pair(certificates, name) if name else ()))
    with pytest.raises(ConnectFailed):
        _exchange(server_context(*_pair(certificates, "server"), client_ca=certificates / "ca.pem"), client)


def test_server_that_is_somebody_else(certificates):
    server = server_context(*_pair(certificates, "elsewhere"))
    with pytest.raises(ConnectFailed, match=r"(?i)certificate"):
        _exchange(server, client_context(certificates / "ca.pem"))
    _exchange(server, client_context(certificates / "ca.pem"), server_hostname="elsewhere")
    _exchange(server, client_context(certificates / "ca.pem", check_hostname=False))


def test_server_with_a_certificate_of_nobody_known(certificates):
    with pytest.raises(ConnectFailed, match=r"(?i)certificate"):
        _exchange(server_context(*_pair(certificates, "stranger")), client_context(certificates / "ca.pem"))


def test_plain_against_tls(certificates):
    with pytest.raises(ConnectFailed):
        _exchange(server_context(*_pair(certificates, "server")), None)


def test_tls_against_plain(certificates):
    with pytest.raises(ConnectFailed):
        _exchange(None, client_context(certificates / "ca.pem"))


def test_contexts_are_strict(certificates):
    client = client_context()
    assert (client.verify_mode, client.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert client.minimum_version == ssl.TLSVersion.TLSv1_2
    server = server_context(*_pair(certificates, "server"), client_ca=certificates / "ca.pem")
    assert (server.verify_mode, server.minimum_version) == (ssl.CERT_REQUIRED, ssl.TLSVersion.TLSv1_2)
