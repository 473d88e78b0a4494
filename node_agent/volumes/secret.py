"""The secret volume."""

from pathlib import Path

from node_agent.references import MissingReference
from node_agent.volumes.base import Made, VolumeContext, VolumeFailure
from node_agent.volumes.generated import make_generated
from node_agent.volumes.payloads import DEFAULT_MODE, secret_files
from timonel.api.types import core_v1


class SecretVolume:
    """Each key is a file, ``in_memory`` only; changes appear while the pod runs."""

    def __init__(self, *, in_memory: bool) -> None:
        self._in_memory = in_memory

    async def set_up(self, context: VolumeContext, volume: core_v1.Volume, directory: Path) -> Made:
        """Write the Secret's files. Raises VolumeFailure."""
        source = volume.secret or core_v1.SecretVolumeSource()
        mode = DEFAULT_MODE if source.defaultMode is None else source.defaultMode
        try:
            files = secret_files(context, source.secretName or "", source.items, source.optional, mode)
        except MissingReference as error:
            raise VolumeFailure(volume.name, str(error)) from error
        return await make_generated(context, volume.name, directory, files, in_memory=self._in_memory)
