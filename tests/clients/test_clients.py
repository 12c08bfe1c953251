"""Clients that generators make of the description work: one in Python, one in TypeScript, against the running API."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from api_rig import PLAN, Rig

HERE = Path(__file__).parent


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """The output of a command that has to succeed."""
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def is_stored(rig: Rig, msg_id: str, body: str) -> bool:
    return bool(rig.sql("SELECT FROM msg WHERE msg_id = $1 AND body = $2", uuid.UUID(msg_id), body))


def test_a_python_client(rig: Rig, tmp_path: Path) -> None:
    base_url = f"http://127.0.0.1:{rig.port}"
    config = tmp_path / "config.json"
    config.write_text('{"post_hooks": []}')
    generator = Path(sys.executable).with_name("openapi-python-client")
    made = run(
        generator, "generate", "--url", f"{base_url}/openapi/sms.json", "--meta", "none", "--output-path", "client",
        "--config", config, "--fail-on-warning", cwd=tmp_path,
    )  # fmt: skip
    assert "Warning" not in made
    program = [sys.executable, HERE / "send.py", base_url, rig.tokens["full"], PLAN]
    told: dict[str, Any] = json.loads(run(*program, cwd=tmp_path, PYTHONPATH=str(tmp_path)))
    assert is_stored(rig, told.pop("msgId"), "From Python")
    assert told == {"status": "QUEUED", "cancelled": "610", "problem": "not_cancellable"}


@pytest.fixture(scope="module")
def node_modules() -> Path:
    """The generator and its compiler, as the lock file has them; installed once a checkout."""
    if shutil.which("npm") is None:
        pytest.skip("there is no npm here")
    lock, folder = HERE / "package-lock.json", HERE / "node_modules"
    installed = folder / "installed-from.json"
    if not installed.exists() or installed.read_bytes() != lock.read_bytes():
        command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=100, check=False)
        if any(word in done.stderr for word in ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT")):
            pytest.skip("the npm registry cannot be reached from here")
        assert done.returncode == 0, done.stderr
        shutil.copyfile(lock, installed)
    return folder


def test_a_typescript_client(rig: Rig, node_modules: Path, tmp_path: Path) -> None:
    base_url = f"http://127.0.0.1:{rig.port}"
    for name in ("send.ts", "tsconfig.json", "package.json"):
        shutil.copyfile(HERE / name, tmp_path / name)
    (tmp_path / "node_modules").symlink_to(node_modules)
    tools = node_modules / ".bin"
    run(tools / "openapi-typescript", f"{base_url}/openapi/sms.json", "--output", "sms.ts", cwd=tmp_path)
    run(tools / "tsc", "--project", ".", cwd=tmp_path)
    told = json.loads(run("node", "built/send.js", base_url, rig.tokens["full"], PLAN, cwd=tmp_path))
    assert is_stored(rig, told.pop("msgId"), "From TypeScript")
    assert told == {"status": "QUEUED", "problem": "validation_failed"}
