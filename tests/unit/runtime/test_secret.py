"""Sealed values and the key file: nothing opens under another key or in another place, and one key wins."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from trunkline.runtime import secret
from trunkline.runtime.secret import SealBroken, seal, secret_key, unseal
from trunkline.runtime.settings import SettingsError, load

KEY = bytes(range(32))


def test_a_sealed_value_opens_again() -> None:
    sealed = seal(KEY, b"password", "link a/b")
    assert b"password" not in sealed
    assert unseal(KEY, sealed, "link a/b") == b"password"
    assert seal(KEY, b"password", "link a/b") != sealed


@pytest.mark.parametrize("bad", ["key", "context", "changed", "short", "empty", "form"])
def test_anything_else_does_not_open(bad: str) -> None:
    sealed = seal(KEY, b"password", "link a/b")
    key, context = KEY, "link a/b"
    match bad:
        case "key":
            key = bytes(32)
        case "context":
            context = "link a/c"
        case "changed":
            sealed = sealed[:-1] + bytes([sealed[-1] ^ 1])
        case "short":
            sealed = sealed[:9]
        case "empty":
            sealed = b""
        case "form":
            sealed = b"\x02" + sealed[1:]
    with pytest.raises(SealBroken, match="cannot be decrypted"):
        unseal(key, sealed, context)


def test_the_key_is_made_once_and_private(tmp_path: Path) -> None:
    settings = load({"data_dir": tmp_path / "new"}, environ={})
    key = secret_key(settings)
    file = tmp_path / "new" / "secret.key"
    assert len(key) == 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert secret_key(settings) == key
    assert os.listdir(file.parent) == ["secret.key"]


def test_of_two_that_start_together_the_first_one_wins(tmp_path: Path) -> None:
    settings = load({"data_dir": tmp_path}, environ={})
    key = secret_key(settings)
    secret._make(tmp_path / "secret.key")  # the other one, which had seen no file a moment before
    assert secret_key(settings) == key
    assert os.listdir(tmp_path) == ["secret.key"]


def test_a_given_key_is_used_and_nothing_is_written(tmp_path: Path) -> None:
    settings = load({"data_dir": tmp_path, "secret_key": KEY.hex()}, environ={})
    assert secret_key(settings) == KEY
    assert os.listdir(tmp_path) == []


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    settings = load({"data_dir": tmp_path}, environ={})
    secret_key(settings)
    (tmp_path / "secret.key").chmod(0o640)
    with pytest.raises(SettingsError, match="chmod 600"):
        secret_key(settings)


def test_a_damaged_key_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "secret.key"
    file.write_text("half a ke")
    file.chmod(0o600)
    with pytest.raises(SettingsError, match="32 bytes"):
        secret_key(load({"data_dir": tmp_path}, environ={}))
