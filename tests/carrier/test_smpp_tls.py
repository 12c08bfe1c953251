"""TLS on a link: the server's certificate is checked, a client's is asked for, and traffic is as without."""

from __future__ import annotations

import ssl

import pem_files
import pytest
from smpp_ends import BIND, CALM, MESSAGE, RECEIPT, Esme, Smsc, run

from trunkline.smpp.errors import ConnectFailed
from trunkline.smpp.esme import connect
from trunkline.smpp.smsc import serve
from trunkline.smpp.tls import client_context, server_context


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return pem_files.certificates(tmp_path_factory.mktemp("certificates"))


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
