"""T39, T40: the real client with the system's resolver, where every forbidden address is there and listens."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent
CORPUS = json.loads((FOLDER.parent / "corpus" / "ssrf.json").read_text())["rows"]
FORBIDDEN = {row["address"] for row in CORPUS if row["forbidden"]}
UNSHARE = ["unshare", "--user", "--map-root-user", "--net", "--mount", "--kill-child"]
HERE, HERE_6 = "8.8.8.8", "2606:4700:4700::1111"


def has_namespaces() -> bool:
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return False
    tried = subprocess.run([*UNSHARE, "ip", "link", "set", "lo", "up"], capture_output=True, check=False)
    return tried.returncode == 0


@pytest.fixture(scope="module", autouse=True)
def _namespaces() -> None:
    if not has_namespaces():
        pytest.skip("no namespaces here (unshare, ip)")


def enclosed(scenario: str) -> tuple[Any, list[str]]:
    """What a scenario answers, and the addresses that were connected to."""
    done = subprocess.run(
        [*UNSHARE, sys.executable, "-m", "rig.enclave", scenario],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(FOLDER), *sys.path])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert not FORBIDDEN & set(found["connected"])
    assert not any(address.startswith("127.") for address in found["connected"])
    return found["answers"], found["connected"]


def test_no_forbidden_address_is_connected_to_by_any_way_of_naming_it() -> None:
    answers, connected = enclosed("forbidden")
    assert len(answers["literal"]) == len(FORBIDDEN) >= 60
    assert len(answers["names"]) >= 3 * (len(FORBIDDEN) - 2)
    assert set(answers["literal"]) | set(answers["names"]) == {"egress"}  # one word for all
    assert connected == []


def test_good_addresses_pass() -> None:
    answers, connected = enclosed("good")
    assert set(answers) == {200}
    assert len(answers) >= 2 * (14 + 8)
    assert len(connected) == len(answers)


def test_a_name_that_is_bound_anew_is_seen() -> None:
    answers, connected = enclosed("rebinding")
    assert answers == [200, "egress", "egress", 200]
    assert connected == [HERE, HERE]


def test_whatever_a_name_server_answers() -> None:
    answers, connected = enclosed("names")
    passing = {"public.example", "public6.example", "alias.example", "many.example"}
    assert {name for name, answer in answers.items() if answer == 200} == passing
    assert {answer for name, answer in answers.items() if name not in passing} == {"egress"}
    assert len(answers) == 16
    assert connected == [HERE, HERE_6, HERE, HERE]


def test_notations_that_resolvers_understand() -> None:
    answers, connected = enclosed("notations")
    assert set(answers) == {"egress"}
    assert connected == []


def test_redirects_lead_nowhere() -> None:
    answers, connected = enclosed("redirects")
    assert answers == [status for status in (301, 302, 303, 307, 308) for _ in range(4)]
    assert set(connected) == {HERE}


def test_a_kept_connection_is_not_used_past_its_time() -> None:
    answers, connected = enclosed("kept")
    within, connections_within, after, connections_after, asked = answers
    assert (within, connections_within) == ([200] * 3, 1)
    assert (after, connections_after) == ([200] * 3, 3)
    assert asked == 2  # an answer is kept for 60 s, once for each client
    assert set(connected) == {HERE}
