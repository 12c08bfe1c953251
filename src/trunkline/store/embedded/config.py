"""The configuration of the embedded PostgreSQL: a small fast machine that must not lose a committed row."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from trunkline.store.embedded.refusal import EmbeddedRefused

MANAGED = "postgresql.trunkline.conf"
USER = "postgresql.user.conf"
HBA_USER = "pg_hba.user.conf"

# Appended once to the file that initdb writes. Later lines win, so the operator's file comes last.
INCLUDES = f"""
# Trunkline's settings, written anew at every start; yours go into {USER}, which wins.
include_if_exists '{MANAGED}'
include_if_exists '{USER}'
"""

# Host lines let nobody in while listen_addresses is empty.
HBA = f"""# Written by Trunkline at every start; yours go into {HBA_USER}, which is read first.
include_if_exists {HBA_USER}
local   all   all                  scram-sha-256
host    all   all   127.0.0.1/32   scram-sha-256
host    all   all   ::1/128        scram-sha-256
"""

_UNSAFE = ("fsync", "full_page_writes", "synchronous_commit")
_OFF = ("off", "false", "no", "0")


@dataclass(frozen=True, slots=True)
class Listen:
    """Where the server listens: its socket's folder, the port that names the socket, and whether on TCP as well."""

    socket_dir: Path
    port: int
    tcp: bool


def check(settings: Mapping[str, str], *, fsync: bool) -> None:
    """Raises EmbeddedRefused for settings that lose accepted messages, unless `fsync` was switched off openly."""
    for name in _UNSAFE:
        if fsync and settings.get(name, "on").lower() in _OFF:
            raise EmbeddedRefused(f"{name} = off loses accepted messages in a crash: remove it, or pass fsync=False")


def managed(listen: Listen, settings: Mapping[str, str], *, fsync: bool, lz4: bool, version: str) -> str:
    """The text of the managed file. Same input, same text: a start compares it with that of a running server."""
    memory_mb = memory_limit_bytes() // 2**20
    chosen = {
        "cluster_name": "trunkline",
        "listen_addresses": "127.0.0.1" if listen.tcp else "",
        "port": str(listen.port),
        "unix_socket_directories": _in_list(str(listen.socket_dir)),
        "unix_socket_permissions": "0700",
        "password_encryption": "scram-sha-256",
        # An answer 202 means that the row is on disk.
        "fsync": "on" if fsync else "off",
        "full_page_writes": "on" if fsync else "off",
        "synchronous_commit": "on",
        "data_sync_retry": "off",
        # Memory: the queue and the newest partitions fit; the rest is the page cache's.
        "shared_buffers": f"{_clamp(memory_mb // 16, 32, 256)}MB",
        "effective_cache_size": f"{max(memory_mb // 2, 128)}MB",
        "work_mem": "8MB",
        "maintenance_work_mem": f"{_clamp(memory_mb // 32, 16, 128)}MB",
        "huge_pages": "try",
        # The write-ahead log: few, spread checkpoints, since each one makes the next writes larger. pglz costs
        # more CPU than it saves (a third more in pgbench -N), so compression is lz4 or none.
        "wal_buffers": "16MB",
        "wal_compression": "lz4" if lz4 else "off",
        "min_wal_size": "256MB",
        "max_wal_size": "4GB",
        "checkpoint_timeout": "15min",
        "checkpoint_completion_target": "0.9",
        # Statements are short and bounded by keys: no compiling, no parallel workers.
        "jit": "off",
        "max_parallel_workers_per_gather": "0",
        "max_parallel_maintenance_workers": "0",
        "random_page_cost": "1.1",
        "max_connections": "100",
        "max_locks_per_transaction": "512",  # a statement over a parent locks each partition and each index
        # Queue tables turn over completely many times a minute: look often, work without long pauses.
        "autovacuum_naptime": "5s",
        "autovacuum_max_workers": "3",
        "autovacuum_vacuum_cost_limit": "2000",
        "tcp_keepalives_idle": "5",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
        "timezone": "UTC",
        # A week of logs. Values of rows and parameters stay out: they are people's messages and numbers.
        "logging_collector": "on",
        "log_destination": "stderr",
        "log_directory": "../log",
        "log_filename": "postgresql-%a.log",
        "log_file_mode": "0600",
        "log_rotation_age": "1d",
        "log_rotation_size": "0",
        "log_truncate_on_rotation": "on",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] %q%u@%d ",
        "log_error_verbosity": "terse",
        "log_parameter_max_length": "0",
        "log_parameter_max_length_on_error": "0",
        "log_min_duration_statement": "1s",
        "log_lock_waits": "on",
        **settings,
    }
    lines = (f"{name} = {_quoted(value)}" for name, value in chosen.items())
    return f"# Written by Trunkline at every start, for PostgreSQL {version}; yours go into {USER}.\n" + "".join(
        f"{line}\n" for line in lines
    )


def memory_limit_bytes() -> int:
    """The machine's memory, or the limit of our control group where that is less."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return total
    return min(total, int(limit)) if limit.isdigit() else total


def _clamp(value: int, low: int, high: int) -> int:
    return max(low, min(value, high))


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def _in_list(path: str) -> str:
    """A path as one member of a list setting, where commas and blanks would part it."""
    return '"' + path.replace('"', '""') + '"'
