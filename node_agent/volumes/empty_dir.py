"""The emptyDir volume, on disk or in memory."""

import asyncio
from pathlib import Path

from node_agent.volumes.base import Made, VolumeContext, VolumeFailure, give_to_group
from node_agent.volumes.mounts import mount_tmpfs
from timonel.api.types import core_v1


async def set_up(context: VolumeContext, volume: core_v1.Volume, directory: Path) -> Made:
    """Make the directory, a tmpfs for the medium Memory; it lives as long as the pod. Raises VolumeFailure."""
    source = volume.emptyDir or core_v1.EmptyDirVolumeSource()
    if source.medium not in ("", "Memory"):
        raise VolumeFailure(volume.name, f"this node has no emptyDir medium {source.medium!r}")
    size = source.sizeLimit.to_int() if source.sizeLimit is not None else None
    try:
        await asyncio.to_thread(_make, directory, source.medium == "Memory", size, context.fs_group)
    except OSError as error:
        raise VolumeFailure(volume.name, str(error)) from error
    return Made(directory)


def _make(directory: Path, in_memory: bool, size: int | None, fs_group: int | None) -> None:
    known = directory.is_mount() if in_memory else directory.exists()
    directory.mkdir(parents=True, exist_ok=True)
    if known:
        return
    if in_memory:
        mount_tmpfs(directory, size, 0o777)
    directory.chmod(0o777)
    if fs_group is not None:
        give_to_group(directory, fs_group, read_only=False)
