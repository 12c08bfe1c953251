"""Why the embedded PostgreSQL does not start, as one line that says what to do about it."""

from __future__ import annotations

import errno
import re
from pathlib import Path

DOCS = "docs/embedded-postgresql.md"


class EmbeddedRefused(Exception):
    """The embedded PostgreSQL cannot be started or kept; the text is one line, fit to be shown to the operator."""


_CORRECT = "a setting is wrong: correct postgresql.user.conf (or postgresql.auto.conf) in its folder"

# What PostgreSQL or initdb writes last → what the operator can do. First match wins.
_ADVICE: tuple[tuple[str, str], ...] = (
    (r"No space left on device|Disk quota exceeded", "the disk is full: free some space and start again"),
    (r"Read-only file system", "the file system is read-only: mount it writable, or give another data folder"),
    (r"could not bind .*: Address already in use", "the port is taken: free it, or ask for another"),
    (r"Input/output error|invalid page|checksum verification failed", "the disk gave wrong data: restore a backup"),
    (r"could not map anonymous shared memory|Cannot allocate memory", "memory is short: lower shared_buffers"),
    (r"pre-existing shared memory block", "processes of a dead server still hold its memory: end them"),
    (r"could not look up effective user ID", "this uid is no user of the system: give it an entry in /etc/passwd"),
    (r"could not locate a valid checkpoint|invalid checkpoint record", "its log is damaged: restore a backup"),
    (r"unrecognized configuration parameter|invalid value for parameter|syntax error in file", _CORRECT),
    (r"configuration file .* contains errors", _CORRECT),
    (r"incompatible with server|not compatible with this version",
     f"its files are of another version: see {DOCS}"),
)  # fmt: skip

_TROUBLE = re.compile(r"\b(?:FATAL|PANIC|LOG|ERROR|error):\s+(.*)")


def why(output: str) -> str:
    """The one line of a failed program's output that tells why, with advice where there is any."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    for pattern, advice in _ADVICE:
        for line in reversed(lines):
            if re.search(pattern, line):
                return f"{_bare(line)}; {advice}"
    worst = [line for line in lines if re.search(r"\b(?:FATAL|PANIC|error):", line)]
    return _bare((worst or lines or ["no output"])[-1])


def _bare(line: str) -> str:
    found = _TROUBLE.search(line)
    return found.group(1) if found else line


def of_os_error(trouble: OSError, path: Path) -> EmbeddedRefused:
    """The refusal for an operating system's error about `path` while the data folder is prepared."""
    match trouble.errno:
        case errno.EROFS:
            advice = "it is on a read-only file system: mount it writable, or give another data folder"
        case errno.EACCES | errno.EPERM:
            advice = "no right to write there: give this user the folder, or give another data folder"
        case errno.ENOSPC | errno.EDQUOT:
            advice = "the disk is full: free some space and start again"
        case errno.ENOTDIR | errno.EEXIST:
            advice = "a file is in the way: give another data folder"
        case errno.ENOLCK | errno.EOPNOTSUPP:
            advice = "its file system knows no locks: give a data folder on a local disk"
        case _:
            advice = "give another data folder"
    return EmbeddedRefused(f"cannot use {path} for PostgreSQL ({trouble.strerror or trouble}): {advice}")
