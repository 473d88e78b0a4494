"""Questions about a pod's spec and status. Pure."""

from collections.abc import Iterator

from timonel.api.types import core_v1


def container_specs(pod: core_v1.Pod) -> Iterator[core_v1.Container]:
    """All containers of the pod: init, main, ephemeral."""
    yield from pod.spec.initContainers
    yield from pod.spec.containers
    yield from (from_ephemeral(c) for c in pod.spec.ephemeralContainers)


def all_statuses(status: core_v1.PodStatus) -> Iterator[core_v1.ContainerStatus]:
    """The statuses of all containers: init, main, ephemeral."""
    yield from status.initContainerStatuses
    yield from status.containerStatuses
    yield from status.ephemeralContainerStatuses


def find_spec(pod: core_v1.Pod, name: str) -> core_v1.Container | None:
    """The container of that name."""
    return next((c for c in container_specs(pod) if c.name == name), None)


def from_ephemeral(ephemeral: core_v1.EphemeralContainer) -> core_v1.Container:
    """An ephemeral container as a container that is never started again."""
    shared = {name: getattr(ephemeral, name) for name in core_v1.Container.__struct_fields__}
    return core_v1.Container(**(shared | {"restartPolicy": "Never"}))


def uses_pod_address(container: core_v1.Container) -> bool:
    """Whether its environment can be known only once the pod has its address."""
    refs = (v.valueFrom.fieldRef for v in container.env if v.valueFrom is not None)
    return any(ref is not None and ref.fieldPath in ("status.podIP", "status.podIPs") for ref in refs)
