"""What `kill -9` leaves of a launcher or its server: the next start takes it over or clears it away."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "store" / "embedded"))

from embedded_rig import Launcher, ask, end_server_of, home_of, open_folder

from trunkline.store.embedded import Embedded, EmbeddedRefused
from trunkline.store.embedded.account import choose
from trunkline.store.embedded.launcher import RETRY_S
from trunkline.store.embedded.postmaster import PidFile, is_postgres_of

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture(scope="module")
def made_once() -> Iterator[Path]:
    base = open_folder("tl-fault-")
    server = Embedded(base / "data", fsync=False)
    server.start()
    server.stop()
    yield base / "data"
    shutil.rmtree(base)


@pytest.fixture
def data_dir(made_once: Path) -> Iterator[Path]:
    base = open_folder("tl-fault-")
    subprocess.run(["cp", "-a", made_once, base / "data"], check=True)
    yield base / "data"
    end_server_of(base / "data")
    shutil.rmtree(base)


def cluster_of(data_dir: Path) -> Path:
    return home_of(data_dir) / "cluster"


def orphaned(data_dir: Path) -> Launcher:
    """A launcher that was killed; its server lives on."""
    first = Launcher(data_dir)
    first.wait_started()
    ask(first.endpoint["dsn"], "CREATE TABLE kept AS SELECT 42 AS answer")
    first.kill()
    return first


def test_a_server_that_outlived_its_launcher_is_taken_over(data_dir: Path) -> None:
    first = Launcher(data_dir)
    dsn = first.wait_started()["dsn"]

    async def main() -> None:
        before = await asyncpg.connect(dsn)  # a client that outlives the launcher, as its other processes do
        await before.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        first.kill()
        server = Embedded(data_dir, fsync=False)
        endpoint = await asyncio.to_thread(server.start)
        assert endpoint.taken_over
        assert endpoint.pid == first.endpoint["pid"]
        assert endpoint.dsn == dsn
        assert await before.fetchval("SELECT answer FROM kept") == 42
        await before.close()
        assert server.alive()
        await asyncio.to_thread(server.stop)
        assert not server.alive()

    asyncio.run(main())
    assert PidFile.read(cluster_of(data_dir)) is None


def test_a_second_launcher_cannot_take_over_from_a_living_one(data_dir: Path) -> None:
    orphaned(data_dir)
    with Embedded(data_dir, fsync=False):
        second = Launcher(data_dir)
        with pytest.raises(AssertionError, match=f"already in use by process {os.getpid()}"):
            second.wait_started()
        second.kill()


def test_an_orphan_under_other_settings_is_replaced(data_dir: Path) -> None:
    first = orphaned(data_dir)
    with Embedded(data_dir, fsync=False, settings={"max_connections": "20"}) as endpoint:
        assert not endpoint.taken_over
        assert endpoint.pid != first.endpoint["pid"]
        assert ask(endpoint.dsn, "SHOW max_connections") == "20"
        assert ask(endpoint.dsn, "SELECT answer FROM kept") == 42


def test_an_orphan_whose_socket_was_removed_is_replaced(data_dir: Path) -> None:
    first = orphaned(data_dir)
    for path in (home_of(data_dir) / "run").iterdir():
        path.unlink()
    with Embedded(data_dir, fsync=False) as endpoint:
        assert not endpoint.taken_over
        assert endpoint.pid != first.endpoint["pid"]
        assert ask(endpoint.dsn, "SELECT answer FROM kept") == 42


def test_an_orphan_without_its_pid_file_is_ended(data_dir: Path) -> None:
    first = orphaned(data_dir)
    (cluster_of(data_dir) / "postmaster.pid").unlink()
    with Embedded(data_dir, fsync=False) as endpoint:
        assert endpoint.pid != first.endpoint["pid"]
        assert ask(endpoint.dsn, "SELECT answer FROM kept") == 42


def test_a_stale_pid_file_with_the_pid_of_another_program(data_dir: Path) -> None:
    cluster = cluster_of(data_dir)
    user = choose(cluster.stat().st_uid)
    # Of the same user, since PostgreSQL itself sees through a pid that it may not signal.
    bystander = subprocess.Popen(["sleep", "600"], cwd="/", **user.spawn_options())
    try:
        for pid in (bystander.pid, os.getpid(), 1):
            stale = [str(pid), str(cluster), "1700000000", "21000", str(home_of(data_dir) / "run"), "", "1 2", "ready"]
            (cluster / "postmaster.pid").write_text("\n".join(stale) + "\n")
            run = home_of(data_dir) / "run"
            run.mkdir(mode=0o700, exist_ok=True)
            if os.geteuid() == 0:
                os.chown(run, user.uid, user.gid)
            port = json.loads((home_of(data_dir) / "launcher.json").read_text())["port"]
            (run / f".s.PGSQL.{port}.lock").write_text("\n".join(stale[:5]) + "\n")
            with Embedded(data_dir, fsync=False) as endpoint:
                assert not endpoint.taken_over
                assert endpoint.pid != pid
                assert ask(endpoint.dsn, "SELECT 1") == 1
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


@pytest.mark.parametrize("text", ["", "not a number\n", "12\n"])
def test_a_torn_pid_file(data_dir: Path, text: str) -> None:
    """Left by a power cut. PostgreSQL refuses an empty or garbled one; nothing of it is worth keeping."""
    (cluster_of(data_dir) / "postmaster.pid").write_text(text)
    with Embedded(data_dir, fsync=False) as endpoint:
        assert ask(endpoint.dsn, "SELECT 1") == 1


def test_a_killed_server_is_restarted_with_every_committed_row(data_dir: Path) -> None:
    server = Embedded(data_dir, fsync=False)
    endpoint = server.start()
    try:
        ask(endpoint.dsn, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
        os.kill(endpoint.pid, signal.SIGKILL)
        began = time.monotonic()
        again = server.restart()
        assert time.monotonic() - began < RETRY_S
        assert server.alive()
        assert again.pid != endpoint.pid
        assert not again.taken_over
        assert again.dsn == endpoint.dsn
        assert ask(again.dsn, "SELECT count(*) FROM kept") == 1000
    finally:
        server.stop()


@linux
def test_shared_memory_still_held_by_a_process_of_the_dead_server(data_dir: Path) -> None:
    server = Embedded(data_dir, fsync=False)
    endpoint = server.start()

    async def main() -> int:
        connection = await asyncpg.connect(endpoint.dsn)
        backend: int = connection.get_server_pid()
        os.kill(backend, signal.SIGSTOP)  # it cannot notice that its postmaster is gone
        os.kill(endpoint.pid, signal.SIGKILL)
        began = time.monotonic()
        again = await asyncio.to_thread(server.restart)
        assert time.monotonic() - began < RETRY_S
        assert await asyncio.to_thread(ask, again.dsn, "SELECT 1") == 1
        connection.terminate()
        return backend

    try:
        backend = asyncio.run(main())
        assert not is_postgres_of(backend, cluster_of(data_dir), choose(cluster_of(data_dir).stat().st_uid))
    finally:
        server.stop()


def test_both_killed_at_once(data_dir: Path) -> None:
    first = Launcher(data_dir)
    first.wait_started()
    ask(first.endpoint["dsn"], "CREATE TABLE kept AS SELECT 42 AS answer")
    first.kill()
    os.kill(first.endpoint["pid"], signal.SIGKILL)
    with Embedded(data_dir, fsync=False) as endpoint:
        assert not endpoint.taken_over
        assert ask(endpoint.dsn, "SELECT answer FROM kept") == 42


def test_half_an_initdb_is_begun_again(data_dir: Path) -> None:
    cluster = cluster_of(data_dir)
    cluster.rename(cluster.with_name("cluster.new.1234"))  # initdb never came to its end
    cluster.with_name(".initdb.1234").write_text("its password\n")
    with Embedded(data_dir, fsync=False) as endpoint:
        assert ask(endpoint.dsn, "SELECT 1") == 1
    assert not cluster.with_name("cluster.new.1234").exists()
    assert not cluster.with_name(".initdb.1234").exists()


def test_stop_after_the_server_died(data_dir: Path) -> None:
    server = Embedded(data_dir, fsync=False)
    os.kill(server.start().pid, signal.SIGKILL)
    server.stop()
    assert not server.alive()
    with Embedded(data_dir, fsync=False) as endpoint:
        assert ask(endpoint.dsn, "SELECT 1") == 1


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs Linux and root")
def test_root_that_may_not_look_into_other_processes_takes_over_too(data_dir: Path) -> None:
    """Root in a container lacks CAP_SYS_PTRACE, and with it the sight of other users' /proc/PID/exe and cwd."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("no setpriv on this machine")
    first = orphaned(data_dir)
    code = (
        "import sys; from pathlib import Path; from trunkline.store.embedded import Embedded\n"
        "with Embedded(Path(sys.argv[1]), fsync=False) as endpoint: print('taken', endpoint.pid, endpoint.taken_over)\n"
    )
    fewer = [setpriv, "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"]
    shown = subprocess.run([*fewer, sys.executable, "-c", code, data_dir], capture_output=True, text=True, check=False)
    assert f"taken {first.endpoint['pid']} True" in shown.stdout, shown.stderr


@pytest.mark.fault
def test_launcher_and_server_killed_at_random_times(data_dir: Path) -> None:
    """Twenty rounds: rows are committed one by one while launcher, server or both are killed; none is missing."""
    chance = random.Random(20)
    written = 0
    for round_ in range(20):
        launcher = Launcher(data_dir, fsync=True)
        try:
            endpoint = launcher.wait_started()
        except AssertionError as refused:
            raise AssertionError(f"round {round_}") from refused
        ask(endpoint["dsn"], "CREATE TABLE IF NOT EXISTS kept (n int PRIMARY KEY)")
        assert ask(endpoint["dsn"], "SELECT count(*) FROM kept") >= written
        written = ask(endpoint["dsn"], "SELECT coalesce(max(n), 0) FROM kept")
        written = asyncio.run(_write_until_killed(launcher, written, chance))
    with Embedded(data_dir) as last:
        assert ask(last.dsn, "SELECT count(*) FROM kept") >= written


async def _write_until_killed(launcher: Launcher, written: int, chance: random.Random) -> int:
    """Inserts ascending numbers until the kill; the last one whose commit was answered."""
    loop = asyncio.get_running_loop()
    connection = await asyncpg.connect(launcher.endpoint["dsn"])
    victims = chance.choice([("launcher",), ("server",), ("launcher", "server")])

    def kill() -> None:
        if "server" in victims:
            os.kill(launcher.endpoint["pid"], signal.SIGKILL)
        if "launcher" in victims:
            launcher.process.kill()

    loop.call_later(chance.random() / 2, kill)
    stop_at = loop.time() + 1
    try:
        while loop.time() < stop_at:
            await asyncio.wait_for(connection.execute(f"INSERT INTO kept VALUES ({written + 1})"), 5)
            written += 1
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
        pass
    finally:
        connection.terminate()
        launcher.kill()
    return written


@pytest.mark.fault
def test_launcher_killed_while_it_makes_the_database() -> None:
    chance = random.Random(4)
    base = open_folder("tl-fault-")
    try:
        for _ in range(12):
            launcher = Launcher(base / "data")
            try:
                launcher.process.wait(0.4 + chance.random())
            except subprocess.TimeoutExpired:
                launcher.kill()
            else:
                raise AssertionError(launcher.process.communicate())
        began = time.monotonic()
        with Embedded(base / "data", fsync=False) as endpoint:
            assert ask(endpoint.dsn, "SELECT 1") == 1
        assert time.monotonic() - began < RETRY_S + 5
    except EmbeddedRefused as refused:
        raise AssertionError(str(refused)) from refused
    finally:
        end_server_of(base / "data")
        shutil.rmtree(base)
