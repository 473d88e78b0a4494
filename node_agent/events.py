"""Events about pods and the node: what the agent did and why, in the kubelet's reasons."""

from collections.abc import Callable
from dataclasses import dataclass

from timonel.api.types import core_v1

NORMAL = "Normal"
WARNING = "Warning"


@dataclass(frozen=True, slots=True)
class AgentEvent:
    """One event, ready to be sent."""

    involved: core_v1.ObjectReference
    type: str
    reason: str
    text: str


EventSink = Callable[[AgentEvent], None]


class PodEvents:
    """Emits events about one pod."""

    def __init__(self, sink: EventSink) -> None:
        self._sink = sink

    def normal(self, pod: core_v1.Pod | None, reason: str, text: str, container: str | None = None) -> None:
        """Something went as it should. Without a known pod nothing is said."""
        self._emit(pod, NORMAL, reason, text, container)

    def warning(self, pod: core_v1.Pod | None, reason: str, text: str, container: str | None = None) -> None:
        """Something went wrong."""
        self._emit(pod, WARNING, reason, text, container)

    def _emit(self, pod: core_v1.Pod | None, type_: str, reason: str, text: str, container: str | None) -> None:
        if pod is not None:
            self._sink(AgentEvent(reference(pod, container), type_, reason, text[:1024]))


def node_event(name: str, reason: str, text: str) -> AgentEvent:
    """An event about the node, whose uid is its name, as with the kubelet's: `kubectl describe node` looks for that."""
    node = core_v1.ObjectReference(apiVersion="v1", kind="Node", name=name, uid=name)
    return AgentEvent(node, NORMAL, reason, text)


def reference(pod: core_v1.Pod, container: str | None) -> core_v1.ObjectReference:
    """The pod, or one container of it."""
    return core_v1.ObjectReference(
        apiVersion="v1",
        kind="Pod",
        namespace=pod.metadata.namespace,
        name=pod.metadata.name,
        uid=pod.metadata.uid,
        resourceVersion=pod.metadata.resourceVersion,
        fieldPath=_field_path(pod, container) if container else "",
    )


def _field_path(pod: core_v1.Pod, container: str) -> str:
    if any(c.name == container for c in pod.spec.initContainers):
        return f"spec.initContainers{{{container}}}"
    if any(c.name == container for c in pod.spec.ephemeralContainers):
        return f"spec.ephemeralContainers{{{container}}}"
    return f"spec.containers{{{container}}}"
