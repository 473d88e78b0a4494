"""The hostPath volume, a path of the node itself, which is never removed; with its checks of what is there."""

import asyncio
import stat
from collections.abc import Callable
from pathlib import Path

from node_agent.volumes.base import Made, VolumeContext, VolumeFailure
from timonel.api.types import core_v1

_CHECKS: dict[str, tuple[Callable[[int], bool], str]] = {
    "Directory": (stat.S_ISDIR, "directory"),
    "DirectoryOrCreate": (stat.S_ISDIR, "directory"),
    "File": (stat.S_ISREG, "file"),
    "FileOrCreate": (stat.S_ISREG, "file"),
    "Socket": (stat.S_ISSOCK, "socket file"),
    "CharDevice": (stat.S_ISCHR, "character device"),
    "BlockDevice": (stat.S_ISBLK, "block device"),
}


async def set_up(context: VolumeContext, volume: core_v1.Volume, directory: Path) -> Made:
    """Check the path, and make it where its type says so. Raises VolumeFailure."""
    source = volume.hostPath or core_v1.HostPathVolumeSource()
    path = Path(source.path)
    if ".." in path.parts or not path.is_absolute():
        raise VolumeFailure(volume.name, f"hostPath must be absolute and without '..': {source.path}")
    try:
        await asyncio.to_thread(_check, path, source.type or "")
    except OSError as error:
        raise VolumeFailure(volume.name, f"hostPath {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise VolumeFailure(volume.name, str(error)) from error
    return Made(path)


def _check(path: Path, kind: str) -> None:
    if kind == "":
        return
    if kind not in _CHECKS:
        raise ValueError(f"{kind} is an invalid volume type")
    if not path.exists():
        if kind == "DirectoryOrCreate":
            path.mkdir(parents=True, mode=0o755)
        elif kind == "FileOrCreate":
            path.touch(mode=0o644)
    is_right, called = _CHECKS[kind]
    if not path.exists() or not is_right(path.stat().st_mode):
        raise ValueError(f"hostPath type check failed: {path} is not a {called}")
