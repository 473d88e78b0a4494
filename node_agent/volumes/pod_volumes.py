"""All volumes of the node's pods: made, refreshed, mounted into containers, and removed."""

import asyncio
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from node_agent.expansion import expand, references
from node_agent.runtimes.base import PRIVATE, Mount
from node_agent.volumes import empty_dir, host_path
from node_agent.volumes.base import SetUp, VolumeContext, VolumeFailure
from node_agent.volumes.generated import GeneratedVolumes
from node_agent.volumes.mounts import unmount_all_under
from node_agent.volumes.subpaths import bind_subpath
from timonel.api.types import core_v1

PROPAGATION = {"HostToContainer": "rslave", "Bidirectional": "rshared"}

GENERATED = ("configMap", "secret", "downwardAPI", "projected")
"""What only the agent may write to: containers get it read-only, and no directory is made in it for a subPath."""


@dataclass(frozen=True, slots=True)
class VolumeSet:
    """A pod's volumes: host paths by name, and when the first of them ages."""

    paths: Mapping[str, Path] = field(default_factory=dict)
    refresh_at: datetime | None = None


class PodVolumes:
    """Volumes under ``<root>/<uid>/volumes/<type>/<name>``, laid out as the kubelet's."""

    def __init__(self, root: Path, *, secrets_in_memory: bool = True) -> None:
        self._root = root
        self._generated = GeneratedVolumes(secrets_in_memory=secrets_in_memory)
        self._types: dict[str, tuple[str, SetUp]] = {
            "emptyDir": ("kubernetes.io~empty-dir", empty_dir.set_up),
            "hostPath": ("kubernetes.io~host-path", host_path.set_up),
        }
        for name in GENERATED:
            folder = "downward-api" if name == "downwardAPI" else name.lower()
            self._types[name] = (f"kubernetes.io~{folder}", self._generated.set_up)

    def directory(self, uid: str) -> Path:
        """The pod's own directory."""
        if not uid or "/" in uid or uid.startswith("."):
            raise ValueError(f"not a pod's uid: {uid!r}")
        return self._root / uid

    async def set_up(self, context: VolumeContext) -> VolumeSet:
        """Make all of the pod's volumes, or bring them up to date. Raises VolumeFailure at the first that fails."""
        base = self.directory(context.pod.metadata.uid) / "volumes"
        paths: dict[str, Path] = {}
        ages: list[datetime] = []
        for volume in context.pod.spec.volumes:
            folder, set_up = self._type_of(volume)
            made = await set_up(context, volume, base / folder / volume.name)
            paths[volume.name] = made.path
            if made.refresh_at is not None:
                ages.append(made.refresh_at)
        return VolumeSet(paths, min(ages, default=None))

    async def mounts(
        self, pod: core_v1.Pod, container: core_v1.Container, attempt: int, volumes: VolumeSet, env: Mapping[str, str]
    ) -> list[Mount]:
        """The container's mounts; subPaths are bound first. Raises VolumeFailure."""
        generated = {v.name for v in pod.spec.volumes if any(getattr(v, kind) is not None for kind in GENERATED)}
        place = self.directory(pod.metadata.uid) / "volume-subpaths"
        return [
            Mount(
                host_path=str(
                    await _host_path(
                        container,
                        mount,
                        volumes,
                        env,
                        place / mount.name / container.name / f"{attempt}-{position}",
                        make=mount.name not in generated,
                    )
                ),
                container_path=mount.mountPath,
                read_only=bool(mount.readOnly) or mount.name in generated,
                propagation=PROPAGATION.get(mount.mountPropagation or "", PRIVATE),
            )
            for position, mount in enumerate(container.volumeMounts)
        ]

    async def tear_down(self, uid: str) -> None:
        """Unmount and remove everything of the pod; what is gone is success. Raises OSError when one is in use."""
        directory = self.directory(uid)
        self._generated.forget(uid)
        await asyncio.to_thread(_remove_tree, directory)

    def _type_of(self, volume: core_v1.Volume) -> tuple[str, SetUp]:
        for name, entry in self._types.items():
            if getattr(volume, name) is not None:
                return entry
        for name in volume.__struct_fields__:
            if name != "name" and getattr(volume, name) is not None:
                raise VolumeFailure(volume.name, f"this node does not know volumes of type {name}")
        return self._types["emptyDir"]


async def _host_path(
    container: core_v1.Container,
    mount: core_v1.VolumeMount,
    volumes: VolumeSet,
    env: Mapping[str, str],
    target: Path,
    *,
    make: bool,
) -> Path:
    """Where the mounted volume is; for a part of it ``target``, to which that is bound."""
    path = volumes.paths.get(mount.name)
    if path is None:
        raise VolumeFailure(
            mount.name, f'container {container.name} mounts volume "{mount.name}", which the pod has not'
        )
    sub_path = mount.subPath
    if mount.subPathExpr:
        missing = next((name for name in references(mount.subPathExpr) if name not in env), None)
        if missing is not None:
            raise VolumeFailure(mount.name, f'missing value for "{missing}"')
        sub_path = expand(mount.subPathExpr, env)
    if not sub_path:
        return path
    try:
        return await asyncio.to_thread(bind_subpath, path, sub_path, target, make=make)
    except (OSError, ValueError) as error:
        raise VolumeFailure(mount.name, f"failed to prepare subPath {sub_path}: {error}") from error


def _remove_tree(directory: Path) -> None:
    if directory.exists():
        unmount_all_under(directory)
        shutil.rmtree(directory)
