"""Replaces a volume's files all at once, as the kubelet's atomic_writer does, for programs that watch ``..data``.

``<name>`` links to ``..data/<name>``, and ``..data`` links to a dated directory with the files; renaming a new
``..data`` over the old one switches all files at once.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from node_agent.volumes.base import File, Payload

_DATA = "..data"
_NEW_DATA = "..data_tmp"
_LONGEST_PATH = 4096
_LONGEST_NAME = 255


def write_payload(directory: Path, payload: Payload, adjust: Callable[[Path], None] = lambda _: None) -> bool:
    """Make ``directory`` hold exactly the payload; whether anything changed.

    ``adjust`` is given the new files' directory before they are seen, to set owners. Raises ValueError for a path that
    leaves the volume, OSError.
    """
    for path in payload:
        check_path(path)
    current = _current(directory)
    if current is not None and _holds(current, payload):
        _link_names(directory, payload)
        return False
    fresh = _write_files(directory, payload)
    adjust(fresh)
    link = directory / _NEW_DATA
    link.unlink(missing_ok=True)
    link.symlink_to(fresh.name)
    link.rename(directory / _DATA)
    _link_names(directory, payload)
    if current is not None:
        shutil.rmtree(current, ignore_errors=True)
    return True


def check_path(path: str) -> None:
    """Raises ValueError unless the path is relative and stays inside."""
    parts = PurePosixPath(path).parts
    if not path or path.startswith("/"):
        raise ValueError(f"invalid path: must be relative: {path!r}")
    if len(path) > _LONGEST_PATH or any(len(part) > _LONGEST_NAME for part in parts):
        raise ValueError("invalid path: too long")
    if ".." in parts:
        raise ValueError(f"invalid path: must not contain '..': {path!r}")
    if parts[0].startswith(".."):
        raise ValueError(f"invalid path: must not start with '..': {path!r}")


def _current(directory: Path) -> Path | None:
    try:
        current = directory / (directory / _DATA).readlink()
    except OSError:
        return None
    return current if current.is_dir() else None


def _holds(current: Path, payload: Payload) -> bool:
    present = {str(f.relative_to(current)) for f in current.rglob("*") if not f.is_dir()}
    return present == {str(PurePosixPath(p)) for p in payload} and all(
        _same(current / path, file) for path, file in payload.items()
    )


def _same(path: Path, file: File) -> bool:
    """Modes may have gained bits by an fsGroup, so only the contents and the asked bits count."""
    return path.stat().st_mode & file.mode == file.mode and path.read_bytes() == file.data


def _write_files(directory: Path, payload: Payload) -> Path:
    stamp = datetime.now(UTC).strftime("..%Y_%m_%d_%H_%M_%S.")
    fresh = Path(tempfile.mkdtemp(prefix=stamp, dir=directory))
    fresh.chmod(0o755)
    for path, file in payload.items():
        target = fresh / path
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        target.write_bytes(file.data)
        target.chmod(file.mode)
        if file.user is not None:
            os.chown(target, file.user, -1)
    return fresh


def _link_names(directory: Path, payload: Payload) -> None:
    wanted = {PurePosixPath(path).parts[0] for path in payload}
    for name in wanted:
        link = directory / name
        if not link.is_symlink():
            link.symlink_to(f"{_DATA}/{name}")
    for entry in directory.iterdir():
        if entry.is_symlink() and entry.name not in wanted and entry.name not in (_DATA, _NEW_DATA):
            entry.unlink()
