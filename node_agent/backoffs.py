"""Which containers have begun to wait for their next start or pull, by two statuses that follow each other. Pure."""

from collections.abc import Iterator

from node_agent.pod_spec import all_statuses, container_specs
from timonel.api.types import core_v1


def backoff_texts(pod: core_v1.Pod, before: core_v1.PodStatus, after: core_v1.PodStatus) -> Iterator[tuple[str, str]]:
    """(container, text) for each container that has begun to wait for its next start or pull."""
    reasons = {s.name: _waiting_reason(s) for s in all_statuses(before)}
    images = {c.name: c.image for c in container_specs(pod)}
    for status in all_statuses(after):
        reason = _waiting_reason(status)
        if reason == reasons.get(status.name, ("", 0)):
            continue
        if reason[0] == "CrashLoopBackOff":
            where = f"{pod.metadata.name}_{pod.metadata.namespace}({pod.metadata.uid})"
            yield status.name, f"Back-off restarting failed container {status.name} in pod {where}"
        elif reason[0] == "ImagePullBackOff":
            yield status.name, f'Back-off pulling image "{images.get(status.name)}"'


def _waiting_reason(status: core_v1.ContainerStatus) -> tuple[str, int]:
    waiting = status.state.waiting
    return (waiting.reason if waiting is not None else "", status.restartCount)
