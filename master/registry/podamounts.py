"""What a pod asks for in all, exactly: the totals that limit ranges and quotas go by.

The scheduler's totals, in whole units, are `timonel.api.podresources`'.
"""

from collections.abc import Iterable, Mapping

from timonel.api.podresources import is_sidecar
from timonel.api.quantity import Quantity
from timonel.api.types import core_v1

REQUESTS, LIMITS = "requests", "limits"
Amounts = dict[str, Quantity]


def asked(container: core_v1.Container, field: str) -> Mapping[str, Quantity]:
    """A container's requests or limits."""
    amounts: Mapping[str, Quantity] = getattr(container.resources, field)
    return amounts


def container_totals(spec: core_v1.PodSpec, field: str) -> Amounts:
    """The sum over containers and sidecars, or what the greatest init container needs beside the sidecars started
    before it, whichever is more. Source: Kubernetes' resource.AggregateContainerRequests and -Limits.
    """
    running = added(asked(container, field) for container in spec.containers)
    sidecars: Amounts = {}
    starting: Amounts = {}
    for container in spec.initContainers:
        needed = added([sidecars, asked(container, field)])
        starting = greatest(starting, needed)
        if is_sidecar(container):
            sidecars = needed
    return greatest(added([running, sidecars]), starting)


def pod_totals(spec: core_v1.PodSpec, field: str) -> Amounts:
    """`container_totals`, replaced by what the pod itself says, and its overhead; limits only where there are any."""
    totals = container_totals(spec, field)
    if spec.resources:
        totals |= getattr(spec.resources, field)
    if field == REQUESTS:
        return added([totals, spec.overhead])
    return added([totals, {name: amount for name, amount in spec.overhead.items() if name in totals}])


def added(parts: Iterable[Mapping[str, Quantity]]) -> Amounts:
    """The sum, by name."""
    total: Amounts = {}
    for part in parts:
        for name, amount in part.items():
            total[name] = total[name].plus(amount) if name in total else amount
    return total


def greatest(left: Mapping[str, Quantity], right: Mapping[str, Quantity]) -> Amounts:
    """The greater of each."""
    more = {name: amount for name, amount in right.items() if name not in left or amount.compare(left[name]) > 0}
    return {**left, **more}
