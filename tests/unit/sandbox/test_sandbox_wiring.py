"""Which webhooks are caught, and that their URLs survive the detour."""

from ipaddress import ip_network

import pytest

from trunkline.domain.callback import Policy
from trunkline.sandbox import wiring
from trunkline.webhooks.target import target_of

POLICY = Policy(allow_http=True, allowed_networks=(ip_network("127.0.0.0/8"), ip_network("::1/128")))
FIND = wiring.catching(target_of(POLICY), 4000)


@pytest.mark.parametrize(
    "url",
    [
        "https://client.example.com/sms/status",
        "https://EXAMPLE.org/a?answer=503&times=2",
        "http://hooks.example.net:8080/",
        "https://shop.test/a/b?x=%2F",
        "https://customer.example/",
        "https://nowhere.invalid//double",
    ],
)
def test_reserved_hosts_are_caught(url):
    target = FIND(url)
    plain = target_of(POLICY)(url)
    assert (target.scheme, target.host, target.port) == ("http", "127.0.0.1", 4000)
    assert (target.url, target.origin) == (plain.url, plain.origin)  # so that each origin keeps its own lane
    path, _, query = target.path.partition("?")
    assert wiring.caught_url(path, query) == url.replace("EXAMPLE", "example")


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:3000/sms/status",
        "http://127.0.0.1:8080/hook",
        "http://[::1]:8080/hook",
        "https://customer.com/hook",
        "https://notexample.com/",
        "https://example.com.customer.nl/",
        "https://test.customer.nl/",
    ],
)
def test_all_others_are_really_called(url):
    assert FIND(url) == target_of(POLICY)(url) is not None


@pytest.mark.parametrize("url", ["http://10.0.0.1/", "ftp://example.com/", "https://user@example.com/"])
def test_what_the_policy_refuses_stays_refused(url):
    assert FIND(url) is None


def test_a_process_learns_it_once(monkeypatch):
    assert wiring.inherited() is None
    for name, value in wiring.environment(4000).items():
        monkeypatch.setenv(name, value)
    assert wiring.inherited() == 4000
    assert wiring.inherited() is None


def test_it_is_told_by_no_setting():
    assert not any(name.startswith("TRUNKLINE_") for name in wiring.environment(1))
