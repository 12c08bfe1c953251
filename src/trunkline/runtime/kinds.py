"""The kinds of values that settings have: how each is read from TOML or text, written back, and named."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any

IpNetwork = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Kind:
    """`read` takes a TOML value or the text of a variable or flag; its ValueError says what the value must be.
    `write` gives the text that `read` turns back into the value."""

    title: str
    read: Callable[[Any], Any]
    write: Callable[[Any], str] = str
    unit: str = ""


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a text that is not empty")
    return value


def _path(value: Any) -> Path:
    if isinstance(value, Path):
        return value
    return Path(_text(value)).expanduser()


_FLAGS = {
    **dict.fromkeys(("on", "true", "yes", "1"), True),
    **dict.fromkeys(("off", "false", "no", "0"), False),
}


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _FLAGS:
        return _FLAGS[value.lower()]
    raise ValueError("on or off")


def _texts(value: Any) -> tuple[str, ...]:
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
        raise ValueError("a list of texts (or one text, separated by commas)")
    return tuple(item.strip() for item in items if item.strip())


def _networks(value: Any) -> tuple[IpNetwork, ...]:
    if isinstance(value, tuple) and all(isinstance(item, IPv4Network | IPv6Network) for item in value):
        return value
    try:
        return tuple(ip_network(item) for item in _texts(value))
    except ValueError:
        raise ValueError("a list of networks such as 10.1.0.0/16 or ::1/128") from None


def _key(value: Any) -> bytes:
    if isinstance(value, bytes) and len(value) == 32:
        return value
    if isinstance(value, str):
        for decode in (bytes.fromhex, _base64):
            try:
                key = decode(value.strip())
            except (ValueError, binascii.Error):
                continue
            if len(key) == 32:
                return key
    raise ValueError("32 bytes, written in base64 or in 64 hexadecimal digits")


def _base64(text: str) -> bytes:
    return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)


def integer(low: int, high: int) -> Kind:
    """Whole numbers from `low` to `high`, both included."""

    def read(value: Any) -> int:
        if isinstance(value, str):
            try:
                value = int(value)
            except ValueError:
                value = None
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return value

    return Kind(f"integer, {low} to {high}", read)


def number(low: float, high: float) -> Kind:
    """Numbers from `low` to `high`, both included."""

    def read(value: Any) -> float:
        try:
            result = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else None
        except ValueError:
            result = None
        if result is None or not low <= result <= high:  # NaN fails here too
            raise ValueError(f"a number from {low:g} to {high:g}")
        return result

    return Kind(f"number, {low:g} to {high:g}", read, lambda value: f"{value:g}")


def choice(*words: str) -> Kind:
    """One of a few words."""

    def read(value: Any) -> str:
        if value not in words:
            raise ValueError("one of " + ", ".join(words))
        return str(value)

    return Kind(" or ".join(f"`{word}`" for word in words), read)


def is_loopback(host: str) -> bool:
    """Whether listening on `host` can only be reached from this machine."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _joined(values: Any) -> str:
    return ",".join(str(value) for value in values)


TEXT = Kind("text", _text)
PATH = Kind("path", _path)
FLAG = Kind("on or off", _flag, lambda value: "on" if value else "off")
TEXTS = Kind("list of texts", _texts, _joined)
NETWORKS = Kind("list of networks", _networks, _joined)
KEY = Kind("secret", _key, bytes.hex)
