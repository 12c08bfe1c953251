"""Secrets at rest: one key per installation, and values sealed with it (AES-256-GCM, NIST SP 800-38D)."""

from __future__ import annotations

import base64
import os
import stat
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from trunkline.runtime import kinds
from trunkline.runtime.settings import Settings, SettingsError

KEY_FILE = "secret.key"
_FORM = b"\x01"  # nonce (12 bytes), ciphertext, tag
_NONCE_SIZE = 12


class SealBroken(Exception):
    """A sealed value was made with another key, for another place, or was changed."""


def seal(key: bytes, plaintext: bytes, context: str) -> bytes:
    """`plaintext` encrypted under the 32-byte `key`. `context` names the place that it is for (for instance
    `plan 0123…:hook_secret`): a value copied to another place does not open there."""
    nonce = os.urandom(_NONCE_SIZE)
    return _FORM + nonce + AESGCM(key).encrypt(nonce, plaintext, context.encode())


def unseal(key: bytes, sealed: bytes, context: str) -> bytes:
    """What `seal` was given. Raises SealBroken."""
    start = len(_FORM) + _NONCE_SIZE
    if sealed[: len(_FORM)] == _FORM and len(sealed) >= start:
        try:
            return AESGCM(key).decrypt(sealed[len(_FORM) : start], sealed[start:], context.encode())
        except InvalidTag:
            pass
    raise SealBroken(f"{context} cannot be decrypted: it was stored under another secret_key")


def secret_key(settings: Settings) -> bytes:
    """The key of this installation: the setting, else `secret.key` of the data folder, made here if there is none.

    Raises SettingsError for a key file that cannot be used.
    """
    if settings.secret_key is not None:
        return settings.secret_key
    path = settings.data_dir / KEY_FILE
    try:
        if not path.exists():
            _make(path)
        return _read(path)
    except OSError as error:
        raise SettingsError(f"cannot use the key file {path}: {error.strerror}") from None


def _make(path: Path) -> None:
    """Writes a new key, whole or not at all: of two processes that start together, the first to link wins."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{KEY_FILE}.{os.getpid()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(base64.b64encode(os.urandom(32)) + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
        _sync_folder(path.parent)
    finally:
        draft.unlink()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read(path: Path) -> bytes:
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SettingsError(f"the key file {path} can be read by others: chmod 600 it")
    try:
        return bytes(kinds.KEY.read(path.read_text("utf-8")))
    except ValueError as error:
        raise SettingsError(f"the key file {path} must hold {error}") from None
