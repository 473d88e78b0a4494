"""Writes a volume whose files come from the API: what configMap, secret, downwardAPI and projected have in common."""

import asyncio
from datetime import datetime
from pathlib import Path

from node_agent.volumes.atomic import write_payload
from node_agent.volumes.base import Made, Payload, VolumeContext, VolumeFailure, give_to_group
from node_agent.volumes.mounts import mount_tmpfs


async def make_generated(
    context: VolumeContext,
    name: str,
    directory: Path,
    payload: Payload,
    *,
    in_memory: bool = False,
    refresh_at: datetime | None = None,
) -> Made:
    """Write the files, ``in_memory`` when they must not reach a disk. Raises VolumeFailure."""
    try:
        await asyncio.to_thread(_write, directory, payload, context.fs_group, in_memory)
    except (OSError, ValueError) as error:
        raise VolumeFailure(name, str(error)) from error
    return Made(directory, refresh_at)


def _write(directory: Path, payload: Payload, fs_group: int | None, in_memory: bool) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o777)
    if in_memory:
        mount_tmpfs(directory, None, 0o777)
    if fs_group is None:
        write_payload(directory, payload)
    else:
        write_payload(directory, payload, lambda fresh: give_to_group(fresh, fs_group, read_only=True))
