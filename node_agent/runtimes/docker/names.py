"""What a node's sandboxes and containers are called and labelled: the labels are the agent's journal."""

from collections.abc import Mapping
from dataclasses import dataclass

from node_agent.runtimes.base import PodId

PREFIX = "timonel.io/"
CLUSTER = PREFIX + "cluster"
NODE = PREFIX + "node"
POD_NAMESPACE = PREFIX + "pod-namespace"
POD_NAME = PREFIX + "pod-name"
POD_UID = PREFIX + "pod-uid"
CONTAINER = PREFIX + "container-name"
ATTEMPT = PREFIX + "attempt"
TYPE = PREFIX + "type"
SHARE_PROCESSES = PREFIX + "share-processes"
SANDBOX_TYPE = "sandbox"
CONTAINER_TYPE = "container"


@dataclass(frozen=True, slots=True)
class Scope:
    """One node of one cluster: all that a runtime may see and touch on a daemon that others use too."""

    cluster: str
    node: str

    def filters(self, pod: PodId | None = None) -> list[str]:
        """Label filters for the daemon: everything of this node, or of one of its pods."""
        own = [f"{CLUSTER}={self.cluster}", f"{NODE}={self.node}"]
        return own if pod is None else [*own, f"{POD_UID}={pod.uid}"]

    def labels(self, pod: PodId, attempt: int, *, container: str = "") -> dict[str, str]:
        """The labels of a pod's container, or of its sandbox when ``container`` is empty."""
        return {
            CLUSTER: self.cluster,
            NODE: self.node,
            POD_NAMESPACE: pod.namespace,
            POD_NAME: pod.name,
            POD_UID: pod.uid,
            ATTEMPT: str(attempt),
            TYPE: CONTAINER_TYPE if container else SANDBOX_TYPE,
            **({CONTAINER: container} if container else {}),
        }

    def name(self, pod: PodId, attempt: int, container: str = "POD") -> str:
        """The daemon's unique name, in the form that tools for the dockershim know, this node's scope at its end."""
        pod_part = f"{pod.name}_{pod.namespace}_{pod.uid}"
        return f"k8s_{container}_{pod_part}_{attempt}_{self.cluster}.{self.node}"


def pod_of(labels: Mapping[str, str]) -> PodId | None:
    """The pod that the labels tell of; None when they are not ours."""
    try:
        return PodId(labels[POD_NAMESPACE], labels[POD_NAME], labels[POD_UID])
    except KeyError:
        return None


def attempt_of(labels: Mapping[str, str]) -> int:
    """The attempt that the labels tell of; 0 when somebody spoiled them."""
    text = labels.get(ATTEMPT, "")
    return int(text) if text.isdecimal() else 0
