"""The mount system calls. Already done is success."""

import ctypes
import errno
import os
from pathlib import Path

_MS_NOSUID = 2
_MS_NODEV = 4
_MS_BIND = 4096
_MNT_DETACH = 2


def mount_tmpfs(directory: Path, size_bytes: int | None, mode: int) -> None:
    """Mount a tmpfs, unless one is mounted there. Raises OSError."""
    if directory.is_mount():
        return
    options = f"mode={mode:o}" + (f",size={size_bytes}" if size_bytes else "")
    _call("mount", directory, b"tmpfs", bytes(directory), b"tmpfs", _MS_NOSUID | _MS_NODEV, options.encode())


def mount_bind(source: str, target: Path) -> None:
    """Mount a file or directory at another place. Raises OSError."""
    _call("mount", target, source.encode(), bytes(target), b"", _MS_BIND, None)


def unmount(path: Path, *, lazily: bool = False) -> None:
    """Unmount; what is not mounted or not there is left. Raises OSError when it is in use."""
    try:
        _call("umount2", path, bytes(path), _MNT_DETACH if lazily else 0)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOENT):
            raise


def unmount_all_under(root: Path) -> None:
    """Unmount everything at or below a directory, the deepest first. Raises OSError when something is in use."""
    for point in sorted(mount_points_under(root), key=lambda p: len(p.parts), reverse=True):
        unmount(point)


def mount_points_under(root: Path) -> list[Path]:
    """What is mounted at or below a directory."""
    prefix = str(root.resolve())
    found = []
    with Path("/proc/self/mountinfo").open(encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            point = _unescape(line.split(" ", 5)[4])
            if point == prefix or point.startswith(prefix + "/"):
                found.append(Path(point))
    return found


def _unescape(text: str) -> str:
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, char)
    return text


def _call(name: str, path: Path, *arguments: bytes | int | None) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(path))
