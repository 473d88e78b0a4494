"""The downwardAPI volume."""

from pathlib import Path

from node_agent.references import MissingReference
from node_agent.volumes.base import Made, VolumeContext, VolumeFailure
from node_agent.volumes.generated import make_generated
from node_agent.volumes.payloads import DEFAULT_MODE, downward_files
from timonel.api.types import core_v1


class DownwardAPIVolume:
    """The pod's own labels, annotations, names and resources as files."""

    async def set_up(self, context: VolumeContext, volume: core_v1.Volume, directory: Path) -> Made:
        """Write the fields' files. Raises VolumeFailure."""
        source = volume.downwardAPI or core_v1.DownwardAPIVolumeSource()
        mode = DEFAULT_MODE if source.defaultMode is None else source.defaultMode
        try:
            files = downward_files(context, source.items, mode)
        except MissingReference as error:
            raise VolumeFailure(volume.name, str(error)) from error
        return await make_generated(context, volume.name, directory, files)
