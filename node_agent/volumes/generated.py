"""Volumes whose files come from the API: configMap, secret, downwardAPI and projected, which is all of them in one."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from node_agent.references import MissingReference
from node_agent.volumes.atomic import write_payload
from node_agent.volumes.base import File, Made, Payload, VolumeContext, VolumeFailure, give_to_group
from node_agent.volumes.mounts import mount_tmpfs
from node_agent.volumes.payloads import DEFAULT_MODE, downward_files, object_files, token_file
from timonel.api.types import core_v1


class GeneratedVolumes:
    """Changes appear while the pod runs. A token is asked for once and kept until most of its life has passed.

    With ``secrets_in_memory`` what may hold a secret never reaches a disk.
    """

    def __init__(self, *, secrets_in_memory: bool) -> None:
        self._secrets_in_memory = secrets_in_memory
        self._tokens: dict[tuple[str, str], tuple[File, datetime]] = {}

    async def set_up(self, context: VolumeContext, volume: core_v1.Volume, directory: Path) -> Made:
        """Write all sources' files. Raises VolumeFailure."""
        sources, mode = _sources(volume)
        mode = DEFAULT_MODE if mode is None else mode
        in_memory = self._secrets_in_memory and (volume.secret is not None or volume.projected is not None)
        files: dict[str, File] = {}
        ages: list[datetime] = []
        try:
            for source in sources:
                files |= _plain_files(context, source, mode)
                if source.serviceAccountToken is not None:
                    file, age = await self._token(context, volume.name, source.serviceAccountToken, mode)
                    files[source.serviceAccountToken.path] = file
                    ages.append(age)
            await asyncio.to_thread(_write, directory, files, context.fs_group, in_memory)
        except TimeoutError as error:
            raise VolumeFailure(volume.name, str(error) or "the master gave no token in time") from error
        except (LookupError, OSError, ValueError) as error:
            raise VolumeFailure(volume.name, str(error)) from error
        return Made(directory, min(ages, default=None))

    def forget(self, uid: str) -> None:
        """The pod is gone: drop its tokens."""
        for key in [key for key in self._tokens if key[0] == uid]:
            del self._tokens[key]

    async def _token(
        self, context: VolumeContext, volume: str, projection: core_v1.ServiceAccountTokenProjection, mode: int
    ) -> tuple[File, datetime]:
        key = (context.pod.metadata.uid, f"{volume}/{projection.path}")
        known = self._tokens.get(key)
        if known is None or context.now >= known[1]:
            known = self._tokens[key] = await token_file(context, projection, mode)
        return known


def _sources(volume: core_v1.Volume) -> tuple[Sequence[core_v1.VolumeProjection], int | None]:
    """What a volume is made of, as projected volumes say it, and its default mode."""
    if (config := volume.configMap) is not None:
        shown = core_v1.ConfigMapProjection(name=config.name, items=config.items, optional=config.optional)
        return [core_v1.VolumeProjection(configMap=shown)], config.defaultMode
    if (secret := volume.secret) is not None:
        hidden = core_v1.SecretProjection(name=secret.secretName, items=secret.items, optional=secret.optional)
        return [core_v1.VolumeProjection(secret=hidden)], secret.defaultMode
    if (downward := volume.downwardAPI) is not None:
        own = core_v1.DownwardAPIProjection(items=downward.items)
        return [core_v1.VolumeProjection(downwardAPI=own)], downward.defaultMode
    projected = volume.projected or core_v1.ProjectedVolumeSource()
    return projected.sources, projected.defaultMode


def _plain_files(context: VolumeContext, source: core_v1.VolumeProjection, mode: int) -> dict[str, File]:
    if source.configMap is not None:
        return object_files(context, "ConfigMap", source.configMap, mode)
    if source.secret is not None:
        return object_files(context, "Secret", source.secret, mode)
    if source.downwardAPI is not None:
        return downward_files(context, source.downwardAPI.items, mode)
    if source.clusterTrustBundle is not None or source.podCertificate is not None:
        raise MissingReference("this node cannot project clusterTrustBundle or podCertificate sources")
    return {}


def _write(directory: Path, payload: Payload, fs_group: int | None, in_memory: bool) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o777)
    if in_memory:
        mount_tmpfs(directory, None, 0o777)
    if fs_group is None:
        write_payload(directory, payload)
    else:
        write_payload(directory, payload, lambda fresh: give_to_group(fresh, fs_group, read_only=True))
