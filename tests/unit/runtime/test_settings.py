"""Settings: what wins over what, what is refused and how it is named, and the way to a child process and back."""

from __future__ import annotations

import base64
from ipaddress import ip_network
from pathlib import Path

import pytest

from trunkline.runtime.settings import (
    SETTINGS,
    Settings,
    SettingsError,
    as_environment,
    check_listeners,
    load,
    value_of,
)


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "trunkline.toml"
    file.write_text(text)
    return file


def test_nothing_given_is_the_defaults() -> None:
    settings = load(environ={})
    assert settings.http.port == 3000
    assert settings.metrics.port == 9464
    assert settings.data_dir == Path(".trunkline")
    assert settings.database.url is None
    assert settings == Settings()


def test_flag_beats_environment_beats_file(tmp_path: Path) -> None:
    file = written(tmp_path, 'http_port = 1\nmetrics_port = 2\nlease_s = 20\nnode = "file"\n')
    environ = {"TRUNKLINE_HTTP_PORT": "11", "TRUNKLINE_METRICS_PORT": "12"}
    settings = load({"http_port": 111, "node": None}, environ=environ, file=file)
    assert (settings.http.port, settings.metrics.port, settings.lease_s, settings.node) == (111, 12, 20.0, "file")


def test_the_file_may_be_named_by_the_environment_or_lie_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, "http_port = 5\n")
    assert load(environ={}).http.port == 5
    other = tmp_path / "other.toml"
    other.write_text("http_port = 6\n")
    assert load(environ={"TRUNKLINE_CONFIG": str(other)}).http.port == 6


def test_database_url_is_read_and_ours_is_stronger() -> None:
    assert load(environ={"DATABASE_URL": "postgresql://a"}).database.url == "postgresql://a"
    both = {"DATABASE_URL": "postgresql://a", "TRUNKLINE_DATABASE_URL": "postgresql://b"}
    assert load(environ=both).database.url == "postgresql://b"


def test_client_variables_are_no_settings() -> None:
    load(environ={"TRUNKLINE_URL": "x", "TRUNKLINE_TOKEN": "x", "TRUNKLINE_SERVICE_PLAN": "x"})


@pytest.mark.parametrize(
    ("environ", "flags", "text", "says"),
    [
        (
            {"TRUNKLINE_HTP_PORT": "1"},
            {},
            "",
            "TRUNKLINE_HTP_PORT in the environment; did you mean TRUNKLINE_HTTP_PORT?",
        ),
        ({}, {"log_levle": "info"}, "", "--log-levle on the command line; did you mean --log-level?"),
        ({}, {}, "trusted_proxy = 1", "trusted_proxy in {file}; did you mean trusted_proxies?"),
        ({}, {}, "qqqqqqqq = 1", "unknown setting qqqqqqqq in {file}"),
        ({}, {}, "http_port = ", "{file} is not TOML"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(
    tmp_path: Path, environ: dict[str, str], flags: dict[str, str], text: str, says: str
) -> None:
    file = written(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        load(flags, environ=environ, file=file)
    assert says.format(file=file) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("http_port", "70000"),
        ("http_port", "3000 or so"),
        ("http_port", True),
        ("http_port", 3000.5),
        ("lease_s", "nan"),
        ("lease_s", "4.9"),
        ("rls", "perhaps"),
        ("rls", 1),
        ("log_level", "loud"),
        ("trusted_proxies", "10.0.0.1/8"),
        ("trusted_proxies", [1]),
        ("secret_key", "abcd"),
        ("node", ""),
    ],
)
def test_wrong_values_are_refused_and_not_quoted(name: str, value: object) -> None:
    with pytest.raises(SettingsError) as caught:
        load({name: value}, environ={})
    assert f"setting {name} on the command line must be " in str(caught.value)
    assert "abcd" not in str(caught.value)


def test_values_are_read_from_text_and_from_toml(tmp_path: Path) -> None:
    file = written(tmp_path, 'rls = false\ntrusted_proxies = ["10.0.0.0/8", "::1"]\nlabels = ["a", "b"]\n')
    from_file = load(environ={}, file=file)
    from_text = load(
        environ={"TRUNKLINE_RLS": "off", "TRUNKLINE_TRUSTED_PROXIES": "10.0.0.0/8, ::1", "TRUNKLINE_LABELS": "a,b"}
    )
    assert from_file == from_text
    assert from_text.http.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("::1/128"))


def test_a_key_is_read_in_both_spellings() -> None:
    key = bytes(range(224, 256))
    for text in (key.hex(), base64.b64encode(key).decode(), base64.urlsafe_b64encode(key).decode()):
        assert load(environ={"TRUNKLINE_SECRET_KEY": text}).secret_key == key


def test_secrets_are_not_shown() -> None:
    shown = repr(load({"secret_key": "ab" * 32, "database_url": "postgresql://u:pw@h/d"}, environ={}))
    assert "pw" not in shown
    assert "abab" not in shown
    assert "secret_key" not in shown


def test_a_child_gets_the_same_settings(tmp_path: Path) -> None:
    flags = {
        "data_dir": str(tmp_path),
        "secret_key": "ab" * 32,
        "database_url": "postgresql://x",
        "rls": "off",
        "lease_s": "7.5",
        "trusted_proxies": "10.0.0.0/8,fd00::/8",
        "labels": "a,b",
        "tls_cert": "/c.pem",
        "log_format": "console",
        "metrics_port": "-1",
    }
    settings = load(flags, environ={})
    environ = as_environment(settings)
    assert load(environ=environ) == settings
    assert "TRUNKLINE_HTTP_PORT" not in environ


def test_every_setting_survives_writing_and_reading() -> None:
    settings = load(environ={})
    for setting in SETTINGS.values():
        value = value_of(settings, setting)
        if value is not None:
            assert setting.kind.read(setting.kind.write(value)) == value, setting.name
        assert setting.sentence.endswith("."), setting.name


@pytest.mark.parametrize(
    ("flags", "allowed"),
    [
        ({}, True),
        ({"http_host": "::1"}, True),
        ({"http_host": "localhost"}, True),
        ({"http_host": "0.0.0.0"}, False),
        ({"http_host": "::"}, False),
        ({"http_host": "0.0.0.0", "allow_plain_http": "on"}, True),
        ({"http_host": "0.0.0.0", "tls_cert": "c", "tls_key": "k"}, True),
        ({"tls_cert": "c"}, False),
        ({"tls_key": "k"}, False),
    ],
)
def test_plain_http_stays_on_loopback(flags: dict[str, str], allowed: bool) -> None:
    settings = load(flags, environ={})
    if allowed:
        check_listeners(settings)
    else:
        with pytest.raises(SettingsError):
            check_listeners(settings)
