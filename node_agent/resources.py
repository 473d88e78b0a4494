"""From a container's resources to the runtime's limits. Pure, as the kubelet has it (cm/helpers_linux, qos/policy)."""

from node_agent.runtimes.base import Resources
from timonel.api.podresources import amount, qos_class
from timonel.api.types import core_v1

MIN_SHARES = 2
MAX_SHARES = 262144
SHARES_PER_CPU = 1024
PERIOD_MICROSECONDS = 100_000
MIN_QUOTA_MICROSECONDS = 1_000

GUARANTEED_OOM_SCORE = -997
BEST_EFFORT_OOM_SCORE = 1000


def limit(container: core_v1.Container, resource: str) -> int | None:
    """The container's limit in thousandths of a core or whole units; None when it has none."""
    limits = container.resources.limits
    return amount(resource, limits[resource]) if resource in limits else None


def request(container: core_v1.Container, resource: str) -> int | None:
    """The container's request, by default its limit; None when it has neither."""
    requests = container.resources.requests
    return amount(resource, requests[resource]) if resource in requests else limit(container, resource)


def cpu_shares(milli_cpu: int) -> int:
    """The cgroup weight of a cpu request."""
    return min(max(milli_cpu * SHARES_PER_CPU // 1000, MIN_SHARES), MAX_SHARES)


def cpu_quota(milli_cpu: int) -> int:
    """Microseconds of each period that a cpu limit allows."""
    return max(milli_cpu * PERIOD_MICROSECONDS // 1000, MIN_QUOTA_MICROSECONDS)


def oom_score_adj(pod: core_v1.Pod, container: core_v1.Container, node_memory_bytes: int) -> int:
    """How soon the kernel kills the container when memory runs out: the less it asked for, the sooner."""
    qos = qos_class(pod.spec)
    if qos == "Guaranteed":
        return GUARANTEED_OOM_SCORE
    if qos == "BestEffort" or node_memory_bytes <= 0:
        return BEST_EFFORT_OOM_SCORE
    asked = request(container, "memory") or 0
    score = 1000 - 1000 * asked // node_memory_bytes
    if score < 1000 + GUARANTEED_OOM_SCORE:
        return 1000 + GUARANTEED_OOM_SCORE
    return BEST_EFFORT_OOM_SCORE - 1 if score == BEST_EFFORT_OOM_SCORE else score


def container_resources(
    pod: core_v1.Pod, container: core_v1.Container, node_memory_bytes: int, pids_limit: int | None = None
) -> Resources:
    """The container's limits. ``pids_limit`` is the node's limit of processes in a pod; None means none."""
    cpu_limit = limit(container, "cpu")
    return Resources(
        cpu_shares=cpu_shares(request(container, "cpu") or 0),
        cpu_quota=cpu_quota(cpu_limit) if cpu_limit else None,
        cpu_period=PERIOD_MICROSECONDS if cpu_limit else None,
        memory_bytes=limit(container, "memory") or None,
        pids=pids_limit,
        oom_score_adj=oom_score_adj(pod, container, node_memory_bytes),
    )
