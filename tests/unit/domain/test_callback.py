"""Callback URLs and addresses against the two corpora, and what holds for all of them."""

import json
import timeit
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.domain import callback
from trunkline.domain.callback import FORBIDDEN_V4, FORBIDDEN_V6, Policy, check, is_forbidden

CORPUS = Path(__file__).parents[2] / "corpus"
ADDRESSES = json.loads((CORPUS / "ssrf.json").read_text())["rows"]
URLS = json.loads((CORPUS / "callback_urls.json").read_text())["rows"]
PUBLIC = Policy()
SANDBOX = Policy(allow_http=True, allowed_networks=(ip_network("127.0.0.0/8"),))
POLICIES = {"public": PUBLIC, "sandbox": SANDBOX}


@pytest.mark.parametrize("row", ADDRESSES, ids=lambda row: row["id"])
def test_address(row):
    assert is_forbidden(ip_address(row["address"]), ()) is row["forbidden"], row.get("why")


@pytest.mark.parametrize("row", URLS, ids=lambda row: row["id"])
def test_url(row):
    got = check(row["url"], policy=POLICIES[row["under"]])
    assert (got is not None) is row["accepted"], row.get("why")
    if got is not None:
        assert (got.url, got.origin, got.path) == (row["url"], row["origin"], row["path"])
        assert got.origin == f"{got.scheme}://{f'[{got.host}]' if ':' in got.host else got.host}:{got.port}"


def test_corpora_are_large_enough():
    assert sum(row["forbidden"] for row in ADDRESSES) >= 60
    assert sum(not row["forbidden"] for row in ADDRESSES) >= 20
    assert sum(not row["accepted"] for row in URLS) >= 60
    assert sum(row["accepted"] for row in URLS) >= 20


def test_a_refusal_says_nothing_about_its_reason():
    # One value for all: nothing to tell a closed port, an internal address and a typing error apart by.
    assert {check(row["url"], policy=PUBLIC) for row in URLS if not row["accepted"] and row["under"] == "public"} == {
        None
    }


def test_the_memory_of_origins_does_not_mix_policies():
    for url in ("http://127.0.0.1/", "http://localhost/", "http://example.com/"):
        assert check(url, policy=SANDBOX) is not None
        assert check(url, policy=PUBLIC) is None
        assert check(url, policy=SANDBOX) is not None


def test_memory_is_bounded():
    for n in range(5000):
        check(f"https://h{n}.example.com/", policy=PUBLIC)
        check(f"https://h{n}_.{'x' * 240}/", policy=PUBLIC)
    assert callback._place.cache_info().currsize <= 2048


def test_allowed_networks_open_only_themselves_also_when_mapped():
    allowed = (ip_network("10.20.0.0/16"), ip_network("fd00:1::/32"))
    assert not is_forbidden(ip_address("10.20.3.4"), allowed)
    assert not is_forbidden(ip_address("::ffff:10.20.3.4"), allowed)
    assert not is_forbidden(ip_address("fd00:1::5"), allowed)
    assert is_forbidden(ip_address("10.21.0.0"), allowed)
    assert is_forbidden(ip_address("fd00:2::5"), allowed)


@given(st.one_of(st.ip_addresses(), *(st.ip_addresses(network=net) for net in FORBIDDEN_V4 + FORBIDDEN_V6)))
def test_ranges_agree_with_the_networks_they_are_made_of(ip):
    inner = ip
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is not None:
            inner = ip.ipv4_mapped
        elif ip in IPv6Network("64:ff9b::/96"):
            inner = IPv4Address(int(ip) & 0xFFFFFFFF)
    nets = map(IPv4Network, FORBIDDEN_V4) if inner.version == 4 else map(IPv6Network, FORBIDDEN_V6)
    assert is_forbidden(ip, ()) is any(inner in net for net in nets)


@given(st.text(max_size=60).map(lambda text: "https://" + text) | st.text(max_size=30))
def test_never_raises_and_what_passes_is_plain_ascii(url):
    got = check(url, policy=SANDBOX)
    if got is not None:
        assert got.path.isascii()
        assert got.path.isprintable()
        assert " " not in got.path
        assert set(got.host) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-:")


@given(st.integers(0, 2**32 - 1), st.sampled_from(["{:d}", "0x{:x}", "0{:o}"]))
def test_no_single_number_is_a_host(number, notation):
    assert check(f"https://{notation.format(number)}/", policy=PUBLIC) is None


@pytest.mark.bench
def test_check_takes_less_than_five_microseconds():
    url = "https://hooks.example.com:8443/dlr/0192f6c0-0000-7000-8000-000000000000?x=1"
    assert min(timeit.repeat(lambda: check(url, policy=PUBLIC), number=10_000)) / 10_000 < 5e-6
