"""§7: a plan may restrict `callbackUrl` to listed origins; refused at acceptance, in the words of every refusal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from api_rig import OTHER, PLAN, Rig

from trunkline.domain.callback import REFUSAL

ALLOWED = frozenset({"https://client.example.com:443", "https://client.example.com:8443"})


@pytest.fixture(autouse=True)
def _restricted(rig: Rig) -> Iterator[None]:
    assert rig.picture is not None
    picture = rig.picture
    plan = replace(picture.plans_by_public_id[PLAN], callback_origins=ALLOWED)
    rig.picture = replace(picture, plans_by_public_id={**picture.plans_by_public_id, PLAN: plan})
    yield
    rig.picture = picture


@pytest.mark.parametrize(
    "url",
    [
        "https://client.example.com/sms?x=1",
        "https://CLIENT.example.com.:443/",
        "https://client.example.com:8443/a/b",
    ],
)
def test_urls_of_listed_origins_are_accepted(rig: Rig, url: str) -> None:
    assert rig.send(callbackUrl=url).status == 202


@pytest.mark.parametrize(
    "url",
    [
        "https://client.example.com:444/",
        "https://example.com/",
        "https://client.example.com.evil.example.net/",
        "https://evil.example.net/client.example.com:443",
        "https://evil.example.net/#https://client.example.com:443",
    ],
)
def test_others_are_refused_as_every_url_that_cannot_be(rig: Rig, url: str) -> None:
    reply = rig.send(callbackUrl=url)
    assert (reply.status, reply.code) == (400, "callback_url_refused")
    inside = rig.send(callbackUrl="https://10.0.0.1/")
    assert reply.json["errors"] == inside.json["errors"]
    assert reply.json["errors"] == [{"field": "callbackUrl", "code": "callback_url_refused", "message": REFUSAL}]
    tried = rig.send(path="/v1/sendsms?dryRun=true", callbackUrl=url)
    assert tried.json["problem"]["code"] == "callback_url_refused"


def test_without_a_url_and_for_other_plans_nothing_is_restricted(rig: Rig) -> None:
    assert rig.send().status == 202
    assert rig.send(servicePlanId=OTHER, callbackUrl="https://example.com/").status == 202


def test_a_plan_that_allows_none_refuses_each(rig: Rig) -> None:
    assert rig.picture is not None
    plan = replace(rig.picture.plans_by_public_id[PLAN], callback_origins=frozenset())
    rig.picture = replace(rig.picture, plans_by_public_id={PLAN: plan})
    assert rig.send(callbackUrl="https://client.example.com/").code == "callback_url_refused"
    assert rig.send().status == 202


def test_a_foreign_plan_is_not_found_before_its_origins_are_looked_at(rig: Rig) -> None:
    assert rig.send(servicePlanId="f" * 24, callbackUrl="https://example.com/").status == 404
