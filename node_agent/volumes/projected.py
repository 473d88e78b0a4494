"""The projected volume: several sources in one directory, service account tokens among them."""

from datetime import datetime
from pathlib import Path

from node_agent.references import MissingReference
from node_agent.volumes.base import File, Made, VolumeContext, VolumeFailure
from node_agent.volumes.generated import make_generated
from node_agent.volumes.payloads import DEFAULT_MODE, config_map_files, downward_files, secret_files, token_file
from timonel.api.types import core_v1


class ProjectedVolume:
    """A token is asked for once and kept until most of its life has passed."""

    def __init__(self, *, in_memory: bool) -> None:
        self._in_memory = in_memory
        self._tokens: dict[tuple[str, str], tuple[File, datetime]] = {}

    async def set_up(self, context: VolumeContext, volume: core_v1.Volume, directory: Path) -> Made:
        """Write all sources' files. Raises VolumeFailure."""
        source = volume.projected or core_v1.ProjectedVolumeSource()
        mode = DEFAULT_MODE if source.defaultMode is None else source.defaultMode
        files: dict[str, File] = {}
        ages: list[datetime] = []
        for projection in source.sources:
            try:
                files |= _plain_files(context, projection, mode)
                if projection.serviceAccountToken is not None:
                    file, age = await self._token(context, volume.name, projection.serviceAccountToken, mode)
                    files[projection.serviceAccountToken.path] = file
                    ages.append(age)
            except (LookupError, TimeoutError) as error:
                raise VolumeFailure(volume.name, str(error) or "the master gave no token in time") from error
        refresh_at = min(ages, default=None)
        return await make_generated(
            context, volume.name, directory, files, in_memory=self._in_memory, refresh_at=refresh_at
        )

    def forget(self, uid: str) -> None:
        """The pod is gone: drop its tokens."""
        for key in [key for key in self._tokens if key[0] == uid]:
            del self._tokens[key]

    async def _token(
        self, context: VolumeContext, volume: str, projection: core_v1.ServiceAccountTokenProjection, mode: int
    ) -> tuple[File, datetime]:
        key = (context.pod.metadata.uid or "", f"{volume}/{projection.path}")
        known = self._tokens.get(key)
        if known is None or context.now >= known[1]:
            known = self._tokens[key] = await token_file(context, projection, mode)
        return known


def _plain_files(context: VolumeContext, projection: core_v1.VolumeProjection, mode: int) -> dict[str, File]:
    if (config := projection.configMap) is not None:
        return config_map_files(context, config.name or "", config.items, config.optional, mode)
    if (secret := projection.secret) is not None:
        return secret_files(context, secret.name or "", secret.items, secret.optional, mode)
    if (downward := projection.downwardAPI) is not None:
        return downward_files(context, downward.items, mode)
    if projection.clusterTrustBundle is not None or projection.podCertificate is not None:
        raise MissingReference("this node cannot project clusterTrustBundle or podCertificate sources")
    return {}
