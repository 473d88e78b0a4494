"""The audit log's file: lines are appended, and a full file makes room for a new one."""

import errno
import logging
import os
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

log = logging.getLogger(__name__)

DEFAULT_MEGABYTES = 100
DEFAULT_BACKUPS = 10


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """What is written down, where, and how much of it is kept."""

    policy: Path
    path: Path | None
    """The log; None: there is none."""
    megabytes: int = DEFAULT_MEGABYTES
    backups: int = DEFAULT_BACKUPS
    webhook: Path | None = None
    """The kubeconfig of a server that gets it too."""


class AuditFile:
    """Appends lines to ``path`` (0600). A file that would grow beyond ``max_bytes`` is renamed to ``path.1``, that
    before it to ``path.2`` and so on; ``backups`` of them are kept.

    Writing is a short append to the page cache, done in place: a line is in the file before the answer is sent.
    """

    def __init__(self, path: Path, max_bytes: int = DEFAULT_MEGABYTES << 20, backups: int = DEFAULT_BACKUPS) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._backups = backups
        self._file = self._open()
        self._size = self._file.tell()
        self._failing = False

    def write(self, line: bytes) -> None:
        """Append a line, which has no newline yet. A failure is told once in the server's log; requests go on."""
        data = b"\n" + line + b"\n" if self._failing else line + b"\n"  # the last one may have been cut off
        try:
            if self._size and self._size + len(data) > self._max_bytes:
                self._rotate()
            written = self._file.write(data)
            self._size += written
            if written < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            if not self._failing:
                log.error("the audit log %s cannot be written, and lines are lost: %s", self._path, error)
            self._failing = True
            return
        if self._failing:
            log.info("the audit log %s is written again", self._path)
        self._failing = False

    async def start(self) -> None:
        """Nothing: it is open."""

    async def close(self) -> None:
        """Close the file. Idempotent."""
        self._file.close()

    def _rotate(self) -> None:
        for number in range(self._backups - 1, 0, -1):
            older = self._backup(number)
            if older.exists():
                older.replace(self._backup(number + 1))
        if self._backups:
            self._path.replace(self._backup(1))
        else:
            self._path.unlink()
        full, self._file = self._file, self._open()
        full.close()
        self._size = 0

    def _backup(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def _open(self) -> FileIO:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return FileIO(self._path, "ab", opener=_private)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
