"""Schemathesis reads the description and asks what it allows, what it does not, and one operation after the other.

Nothing may be answered with a fault of ours, with a status, a header or a body that the description lacks, or to a
request without a token.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from api_rig import Rig

FUZZING = Path(__file__).with_name("fuzzing")


def fuzz(rig: Rig, folder: Path, *options: str, token: str | None) -> str:
    """Runs schemathesis against the API and its document; its report, if it found nothing."""
    command = [str(Path(sys.executable).with_name("schemathesis")),
               "--config-file", str(FUZZING / "schemathesis.toml"),
               "run", f"http://127.0.0.1:{rig.port}/openapi/sms.json", "--url", f"http://127.0.0.1:{rig.port}",
               "--no-color", "--continue-on-failure", "--generation-database", "none", *options]  # fmt: skip
    if token is not None:
        command += ["--header", f"Authorization: Bearer {rig.tokens[token]}"]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "addresses", "PYTHONPATH": str(FUZZING)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_little(rig: Rig, tmp_path: Path) -> None:
    report = fuzz(rig, tmp_path, "--phases", "coverage,fuzzing,stateful", "-n", "5", "--seed", "1", token="full")
    assert "4 selected / 4 total" in report


@pytest.mark.fault
@pytest.mark.timeout(900)
@pytest.mark.parametrize("token", ["full", None])
def test_in_full(rig: Rig, tmp_path: Path, token: str | None) -> None:
    before = rig.sql("SELECT count(*) FROM msg")[0][0]
    fuzz(rig, tmp_path, "--phases", "examples,coverage,fuzzing,stateful", "-n", "300", token=token)
    assert (rig.sql("SELECT count(*) FROM msg")[0][0] > before) is (token is not None)
