"""Docker's json-file logs on disk: the live file, and older ones beside it with the endings .1, .2 and so on.

They are read here because Docker 20.10 was seen to lose lines to a follower while it rotates, and because they can be
read while the daemon is away.
"""

import mmap
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import msgspec

STREAMS = {"All": ("stdout", "stderr"), "Stdout": ("stdout",), "Stderr": ("stderr",)}
_READ = 256 * 1024
_LINE_END = b'\\n","stream":"'
"""In a file, what follows the text of a message that ends its line; quotes within a text are escaped."""


class Message(msgspec.Struct):
    """One message: a line, or 16 KiB of a longer one."""

    log: str
    stream: str
    time: str

    def when(self) -> datetime:
        """Its time, to the microsecond."""
        return datetime.fromisoformat(self.time)

    def stamp(self) -> str:
        """Its time as the kubelet writes it, always to the nanosecond."""
        seconds, _, fraction = self.time.removesuffix("Z").partition(".")
        return f"{seconds}.{fraction:<09}Z"


_decoder = msgspec.json.Decoder(Message)


def files(live: Path) -> list[tuple[int, Path]]:
    """(inode, path) of a log's files, oldest first."""
    found, number = [], 1
    paths = [live]
    while (older := live.with_name(f"{live.name}.{number}")).exists():
        paths.append(older)
        number += 1
    for path in reversed(paths):
        try:
            found.append((path.stat().st_ino, path))
        except FileNotFoundError:
            continue  # rotated meanwhile: it has its new name in this list, or in the next
    return found


class Reader:
    """Reads a log from a place to what is its end now, again and again, through every rotation."""

    def __init__(self, live: Path) -> None:
        self._live = live
        self._file: BinaryIO | None = None
        self._inode = 0
        self._rest = b""

    def seek_tail(self, lines: int, stream: str) -> None:
        """Begin with the last ``lines`` lines of these streams."""
        missing = lines
        for inode, path in reversed(files(self._live)):
            file = self._open(inode, path)
            if file is None:
                self.seek_tail(lines, stream)
                return
            offset, missing = _back(file, missing, stream)
            file.seek(offset)
            if offset:
                return

    def read(self) -> Iterator[list[Message]]:
        """What has come since, in pieces. Raises FileNotFoundError without a log."""
        file = self._file or self._next()
        while file:
            while data := file.read(_READ):
                *whole, self._rest = (self._rest + data).split(b"\n")
                yield [_decoder.decode(line) for line in whole]
            file = self._next()

    def _next(self) -> BinaryIO | None:
        """The file to read on: the one after the file read so far; None at the end of the live one."""
        while True:
            known = files(self._live)
            if not known:
                raise FileNotFoundError(f"there is no log at {self._live}")
            inodes = [inode for inode, _ in known]
            growth = os.fstat(self._file.fileno()).st_size - self._file.tell() if self._file else 0
            if self._file and growth < 0:
                self._rest = b""
                self._file.seek(0)  # somebody cut it, as logrotate's copytruncate does
                return self._file
            if self._inode == inodes[-1]:
                return None
            if self._file and growth:
                return self._file  # it grew between our last read and its rotation
            following = inodes.index(self._inode) + 1 if self._inode in inodes else 0
            if file := self._open(*known[following]):
                return file

    def _open(self, inode: int, path: Path) -> BinaryIO | None:
        """Go on with that file; None when the path is another file's by now."""
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return None
        if os.fstat(file.fileno()).st_ino != inode:
            file.close()
            return None
        self.close()
        self._file, self._inode, self._rest = file, inode, b""
        return file

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _back(file: BinaryIO, lines: int, stream: str) -> tuple[int, int]:
    """(where the last ``lines`` lines of the file begin, how many it lacks)."""
    size = os.fstat(file.fileno()).st_size
    if size == 0:
        return 0, lines
    marks = [_LINE_END + name.encode() for name in STREAMS[stream]]
    with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as text:
        end = text.rfind(b"\n") + 1
        while end:
            begin = text.rfind(b"\n", 0, end - 1) + 1
            line = text[begin:end]
            if any(mark in line for mark in marks):
                if lines == 0:
                    return end, 0
                lines -= 1
            end = begin
    return 0, lines
