"""The settings of a process, as one frozen tree: file < environment < flags, each with its own documentation."""

# ruff: noqa: RUF009 (`_setting` makes a dataclass field)

from __future__ import annotations

import os
import socket
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from trunkline.runtime import kinds
from trunkline.runtime.kinds import IpNetwork, Kind

ENVIRONMENT_PREFIX = "TRUNKLINE_"
DEFAULT_FILE = Path("trunkline.toml")
# Read by the client commands, or (the last) before there are settings; none of them is a setting.
NOT_SETTINGS = frozenset({"TRUNKLINE_URL", "TRUNKLINE_TOKEN", "TRUNKLINE_SERVICE_PLAN", "TRUNKLINE_CONFIG"})


class SettingsError(Exception):
    """A setting is unknown or wrong. One sentence that names the setting and where it was given."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its name in file, environment and flags, and what its documentation says."""

    name: str
    path: tuple[str, ...]  # the attributes that lead to it in the tree
    kind: Kind
    default: Any
    shown_default: str
    unit: str
    sentence: str

    @property
    def variable(self) -> str:
        """The environment variable that gives it."""
        return ENVIRONMENT_PREFIX + self.name.upper()


def _setting(
    kind: Kind, default: Any, sentence: str, *, name: str = "", unit: str = "", shown: str = "", secret: bool = False
) -> Any:
    """A field of the tree. `name` where it is not `SECTION_FIELD`; a callable `default` is asked at each load."""
    metadata = {"kind": kind, "sentence": sentence, "name": name, "unit": unit, "shown": shown}
    if callable(default):
        return field(default_factory=default, repr=not secret, metadata=metadata)
    return field(default=default, repr=not secret, metadata=metadata)


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    url: str | None = _setting(
        kinds.TEXT,
        None,
        "PostgreSQL to use instead of the embedded one, direct or session-pooled; `DATABASE_URL` sets it too.",
        shown="the embedded PostgreSQL",
        secret=True,
    )
    port: int = _setting(
        kinds.integer(0, 32767), 0, "Loopback TCP port of the embedded PostgreSQL, beside its socket; 0: none."
    )
    allow_unsafe: bool = _setting(
        kinds.FLAG,
        False,
        "Start although fsync, full_page_writes or synchronous_commit is off, which loses messages at a crash.",
        name="allow_unsafe_database",
    )
    rls: bool = _setting(
        kinds.FLAG,
        True,
        "Read customers' data through row-level security; `off` where the login may not create roles.",
        name="rls",
    )


@dataclass(frozen=True, slots=True)
class HttpSettings:
    host: str = _setting(kinds.TEXT, "127.0.0.1", "Address that the REST API listens on.")
    port: int = _setting(kinds.integer(0, 65535), 3000, "Port of the REST API; 0 takes any free one.")
    tls_cert: Path | None = _setting(
        kinds.PATH, None, "PEM file with the certificate chain; with it the API speaks HTTPS.", name="tls_cert"
    )
    tls_key: Path | None = _setting(kinds.PATH, None, "PEM file with the key of `tls_cert`.", name="tls_key")
    allow_plain: bool = _setting(
        kinds.FLAG,
        False,
        "Speak plain HTTP beyond loopback, for instance behind a proxy that ends TLS.",
        name="allow_plain_http",
    )
    trusted_proxies: tuple[IpNetwork, ...] = _setting(
        kinds.NETWORKS, (), "Networks whose `X-Forwarded-For` is believed.", name="trusted_proxies"
    )


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    host: str = _setting(kinds.TEXT, "127.0.0.1", "Address that `/metrics` is served on.")
    port: int = _setting(kinds.integer(-1, 65535), 9464, "Port of `/metrics`; 0 takes any free one, -1 serves none.")


@dataclass(frozen=True, slots=True)
class CallbackSettings:
    allow_http: bool = _setting(kinds.FLAG, False, "Let webhooks go to `http://` URLs as well.")
    allowed_networks: tuple[IpNetwork, ...] = _setting(
        kinds.NETWORKS, (), "Internal networks that webhooks may be sent to, which are refused otherwise."
    )
    origin_concurrency: int = _setting(
        kinds.integer(1, 1000), 32, "Webhooks under way at one time to one origin of one plan."
    )
    dead_letter_days: int = _setting(
        kinds.integer(1, 75), 30, "How long webhooks that were given up can be replayed.", unit="days"
    )


@dataclass(frozen=True, slots=True)
class ProcessSettings:
    api: int = _setting(kinds.integer(1, 64), 1, "Processes that answer the REST API.", name="api_processes")
    dispatcher: int = _setting(
        kinds.integer(1, 64), 1, "Processes that talk to carriers and keep the queue.", name="dispatcher_processes"
    )
    webhooks: int = _setting(
        kinds.integer(0, 64),
        0,
        "Processes that only deliver webhooks; with 0 the dispatcher's process does it.",
        name="webhooks_processes",
    )


@dataclass(frozen=True, slots=True)
class LogSettings:
    level: str = _setting(
        kinds.choice("debug", "info", "warning", "error"), "info", "The least severe events that are logged."
    )
    format: str = _setting(kinds.choice("json", "console"), "json", "How a log line looks, on standard error.")


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set. Never changed after start."""

    data_dir: Path = _setting(
        kinds.PATH,
        Path(".trunkline"),
        "Folder of the secret key and the embedded PostgreSQL; relative to where the command is started.",
    )
    node: str = _setting(
        kinds.TEXT, socket.gethostname, "Name of this machine in logs, leases and metrics.", shown="the host name"
    )
    labels: tuple[str, ...] = _setting(
        kinds.TEXTS, (), "Labels of this machine, which say the carriers that it may connect to."
    )
    secret_key: bytes | None = _setting(
        kinds.KEY,
        None,
        "Key that encrypts passwords and other secrets in the database; the same on every machine.",
        unit="32 bytes in base64 or hexadecimal",
        shown="`secret.key` in `data_dir`, made at the first start",
        secret=True,
    )
    lease_s: float = _setting(
        kinds.number(5, 300), 15.0, "How long a silent dispatcher keeps its carriers.", unit="seconds"
    )
    receipt_grace_s: float = _setting(
        kinds.number(0, 86400),
        43200.0,
        "How long after the end of its validity a message waits for its receipt, before it ends UNKNOWN 703.",
        unit="seconds",
    )
    failover_after_s: float = _setting(
        kinds.number(1, 3600),
        20.0,
        "How long a carrier takes no messages before those that wait for it go to the next of their routes.",
        unit="seconds",
    )
    database: DatabaseSettings = field(default_factory=DatabaseSettings)
    http: HttpSettings = field(default_factory=HttpSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    callback: CallbackSettings = field(default_factory=CallbackSettings)
    processes: ProcessSettings = field(default_factory=ProcessSettings)
    log: LogSettings = field(default_factory=LogSettings)


def _walk(tree: type, path: tuple[str, ...] = ()) -> Iterator[Setting]:
    for one in fields(tree):
        if one.metadata:
            yield _described(one, (*path, one.name))
    for one in fields(tree):
        if not one.metadata:
            yield from _walk(_branch(one), (*path, one.name))


def _branch(one: Field[Any]) -> type:
    branch: Any = one.default_factory
    assert isinstance(branch, type), one.name
    return branch


def _described(one: Field[Any], path: tuple[str, ...]) -> Setting:
    meta = one.metadata
    kind: Kind = meta["kind"]
    dynamic = callable(one.default_factory)
    default = one.default_factory if dynamic else one.default
    shown = meta["shown"] or ("none" if default in (None, ()) else f"`{kind.write(default)}`")
    return Setting(
        meta["name"] or "_".join(path), path, kind, default, shown, meta["unit"] or kind.unit, meta["sentence"]
    )


SETTINGS: dict[str, Setting] = {one.name: one for one in _walk(Settings)}


def load(
    flags: Mapping[str, Any] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Settings:
    """The settings of `file` (else `TRUNKLINE_CONFIG`, else `trunkline.toml` here, if any), under those of the
    environment, under `flags` (by setting name; None is not given; texts are parsed, other values checked).

    Raises SettingsError.
    """
    environ = os.environ if environ is None else environ
    given: dict[str, Any] = {}
    for name, value, place in _all_given(flags or {}, environ, file):
        given[name] = _parsed(SETTINGS[name], value, place)
    settings: Settings = _built(Settings, given)
    return settings


def _all_given(
    flags: Mapping[str, Any], environ: Mapping[str, str], file: Path | None
) -> Iterator[tuple[str, Any, str]]:
    """(name, value, where it was given), the strongest last."""
    if file is None and environ.get("TRUNKLINE_CONFIG"):
        file = Path(environ["TRUNKLINE_CONFIG"])
    if file is None and DEFAULT_FILE.exists():
        file = DEFAULT_FILE
    if file is not None:
        for name, value in _read(file).items():
            _known(name, SETTINGS, f"in {file}", str)
            yield name, value, f"in {file}"
    if environ.get("DATABASE_URL"):
        yield "database_url", environ["DATABASE_URL"], "in the environment (DATABASE_URL)"
    for variable in sorted(environ):
        if variable.startswith(ENVIRONMENT_PREFIX) and variable not in NOT_SETTINGS:
            name = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
            _known(name, SETTINGS, "in the environment", _variable)
            yield name, environ[variable], "in the environment"
    for name, value in flags.items():
        if value is not None:
            _known(name, SETTINGS, "on the command line", _flag)
            yield name, value, "on the command line"


def _variable(name: str) -> str:
    return ENVIRONMENT_PREFIX + name.upper()


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _read(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            return tomllib.load(stream)
    except OSError as error:
        raise SettingsError(f"cannot read the settings file {file}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"the settings file {file} is not TOML: {error}") from None


def _known(name: str, names: Iterable[str], place: str, spelled: Callable[[str], str]) -> None:
    if name in names:
        return
    near = get_close_matches(name, list(names), 1, 0.4)
    hint = f"; did you mean {spelled(near[0])}?" if near else ""
    raise SettingsError(f"unknown setting {spelled(name)} {place}{hint}")


def _parsed(setting: Setting, value: Any, place: str) -> Any:
    try:
        return setting.kind.read(value)
    except ValueError as error:
        # The value itself stays out of the message: it may be a secret that was put in the wrong place.
        raise SettingsError(f"setting {setting.name} {place} must be {error}") from None


def _built(tree: type, given: Mapping[str, Any], path: tuple[str, ...] = ()) -> Any:
    values = {}
    for one in fields(tree):
        here = (*path, one.name)
        if not one.metadata:
            values[one.name] = _built(_branch(one), given, here)
        elif (name := one.metadata["name"] or "_".join(here)) in given:
            values[one.name] = given[name]
    return tree(**values)


def value_of(settings: Settings, setting: Setting) -> Any:
    """The value of one setting in the tree."""
    value: Any = settings
    for name in setting.path:
        value = getattr(value, name)
    return value


def as_environment(settings: Settings) -> dict[str, str]:
    """The environment from which `load` makes the same settings again: how a parent hands them to its children.

    What has its default is left out; paths are made absolute.
    """
    result = {}
    for setting in SETTINGS.values():
        value = value_of(settings, setting)
        if isinstance(value, Path):
            value = value.absolute()
        if value != setting.default:
            result[setting.variable] = setting.kind.write(value)
    return result


def check_listeners(settings: Settings) -> None:
    """Raises SettingsError where the API would listen in a way that is not allowed."""
    http = settings.http
    if (http.tls_cert is None) != (http.tls_key is None):
        missing = "tls_key" if http.tls_key is None else "tls_cert"
        raise SettingsError(f"setting {missing} is missing: a certificate and its key go together")
    if http.tls_cert is None and not http.allow_plain and not kinds.is_loopback(http.host):
        raise SettingsError(
            f"http_host {http.host} is not loopback: give tls_cert and tls_key, or set allow_plain_http"
            " where a proxy in front speaks HTTPS"
        )


def reference() -> str:
    """The table of all settings, in Markdown: the generated part of docs/settings.md."""
    rows = ["| Setting | Type | Default | What it does |", "|---|---|---|---|"]
    for setting in SETTINGS.values():
        type_ = setting.kind.title + (f", {setting.unit}" if setting.unit else "")
        rows.append(f"| `{setting.name}` | {type_} | {setting.shown_default} | {setting.sentence} |")
    return "\n".join(rows) + "\n"
