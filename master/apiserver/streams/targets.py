"""Which container of which pod a stream is for."""

from collections.abc import Sequence

from master.registry.streams import Target
from timonel.api.errors import BadRequest
from timonel.api.types import core_v1


def container_of(pod: core_v1.Pod, asked: str) -> str:
    """The container's name; the only one when none is asked for.

    Raises:
        BadRequest: there is none of that name, or there are several to choose from.
    """
    name, spec = pod.metadata.name, pod.spec
    if asked:
        known = {*_names(spec.containers), *_names(spec.initContainers), *_names(spec.ephemeralContainers)}
        if asked not in known:
            raise BadRequest(f"container {asked} is not valid for pod {name}")
        return asked
    if len(spec.containers) == 1:
        return spec.containers[0].name
    message = f"a container name must be specified for pod {name}, choose one of: [{' '.join(_names(spec.containers))}]"
    if spec.initContainers:
        message += f" or one of the init containers: [{' '.join(_names(spec.initContainers))}]"
    raise BadRequest(message)


def target_of(pod: core_v1.Pod, container: str = "") -> Target:
    """The pod, and the container in it, as nodes are told."""
    meta = pod.metadata
    return Target(meta.namespace or "", meta.name or "", meta.uid or "", container)


def node_of(pod: core_v1.Pod) -> str:
    """The node that runs the pod.

    Raises:
        BadRequest: it is not scheduled.
    """
    if not pod.spec.nodeName:
        raise BadRequest(f"pod {pod.metadata.name} does not have a host assigned")
    return pod.spec.nodeName


def _names(containers: Sequence[core_v1.Container | core_v1.EphemeralContainer]) -> list[str]:
    return [container.name for container in containers]
