"""Mounts a part of a volume so that no symbolic link in it leads out, now or later, as the kubelet's subpath package.

The part is opened step by step without following links, and bound from the open descriptor to a place of our own; what
the runtime then mounts cannot be swapped by a container that writes to the volume.
"""

import os
from pathlib import Path, PurePosixPath

from node_agent.volumes.mounts import mount_bind


def bind_subpath(volume: Path, sub_path: str, target: Path, *, make: bool) -> Path:
    """Bind ``volume/sub_path`` to ``target`` and return that.

    With ``make`` a missing directory is made first. Raises ValueError when the path leaves the volume, OSError.
    """
    parts = PurePosixPath(sub_path).parts
    if ".." in parts or sub_path.startswith("/"):
        raise ValueError(f"subPath must be relative and without '..': {sub_path}")
    root = volume.resolve(strict=True)
    if make and not (root / sub_path).exists():
        _make_inside(root, parts)
    real = (root / sub_path).resolve(strict=True)
    if not real.is_relative_to(root):
        raise ValueError(f"subPath leads out of the volume: {sub_path}")
    descriptor = _open_inside(root, real.relative_to(root).parts)
    try:
        _bind(descriptor, target, is_directory=real.is_dir())
    finally:
        os.close(descriptor)
    return target


def _make_inside(root: Path, parts: tuple[str, ...]) -> None:
    """Make the missing directories, with the volume's own mode, starting from what exists inside of the root."""
    here = root
    mode = root.stat().st_mode & 0o7777
    for part in parts:
        here = (here / part).resolve()
        if not here.is_relative_to(root):
            raise ValueError(f"subPath leads out of the volume: {'/'.join(parts)}")
        if not here.exists():
            here.mkdir()
            here.chmod(mode)


def _open_inside(root: Path, parts: tuple[str, ...]) -> int:
    descriptor = os.open(root, os.O_PATH | os.O_DIRECTORY)
    for part in parts:
        try:
            deeper = os.open(part, os.O_PATH | os.O_NOFOLLOW, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = deeper
    return descriptor


def _bind(descriptor: int, target: Path, *, is_directory: bool) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_mount():
        return
    if is_directory:
        target.mkdir(exist_ok=True)
    else:
        target.touch()
    mount_bind(f"/proc/self/fd/{descriptor}", target)
