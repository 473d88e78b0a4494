"""Files that hold keys: written whole or not at all, readable by their owner only."""

import contextlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path


def make_private_directory(path: Path) -> None:
    """Make `path`, with its parents, and keep others out of it (0700)."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o700)


def adopt_or_create(path: Path, make: Callable[[], bytes]) -> bytes:
    """The content of `path`; when there is no such file, what `make` gives is written there first (0600).

    Of several processes that do this at once, one wins and all get the winner's content.
    """
    with contextlib.suppress(FileNotFoundError):
        return path.read_bytes()
    scratch = _write_beside(path, make())
    try:
        os.link(scratch, path)
    except FileExistsError:
        pass
    finally:
        scratch.unlink()
    _sync(path.parent)
    return path.read_bytes()


def replace(path: Path, content: bytes) -> None:
    """Write `content` to `path` (0600); a reader sees the old file or the new one, never a part."""
    _write_beside(path, content).replace(path)
    _sync(path.parent)


def _write_beside(path: Path, content: bytes) -> Path:
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return scratch


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
