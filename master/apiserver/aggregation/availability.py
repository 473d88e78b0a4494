"""Whether an extension server can be asked: the condition Available, in Kubernetes' words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from master.registry import endpoints
from timonel.api.fields import quoted
from timonel.api.types import apiregistration_v1 as v1
from timonel.api.types import core_v1, discovery_v1

AVAILABLE = "Available"
CLUSTER_IP = "ClusterIP"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A condition without its time."""

    status: str
    reason: str
    message: str


PASSED = Verdict("True", "Passed", "all checks passed")


def failed_discovery(message: str) -> Verdict:
    """The server was asked what it serves, and did not say."""
    return Verdict("False", "FailedDiscoveryCheck", message)


def before_asking(
    reference: v1.ServiceReference, service: core_v1.Service | None, slices: Sequence[discovery_v1.EndpointSlice]
) -> Verdict | None:
    """What can be said without asking the server; None when it should be asked.

    Args:
        reference: the APIService's.
        service: the service that it names; None when there is none.
        slices: that service's.
    """
    where = f"service/{reference.name} in {quoted(reference.namespace or '')}"
    if service is None:
        return Verdict("False", "ServiceNotFound", f"{where} is not present")
    if service.spec.type != CLUSTER_IP:
        return None
    port = endpoints.service_port(service, reference.port or 0)
    if port is None:
        return Verdict("False", "ServicePortError", f"{where} is not listening on port {reference.port}")
    if not slices:
        return Verdict("False", "EndpointsNotFound", f"cannot find endpointslices for {where}")
    if not endpoints.endpoints(slices, port):
        message = f"endpointslices for {where} have no addresses with port name {quoted(port)}"
        return Verdict("False", "MissingEndpoints", message)
    return None


def is_available(api: v1.APIService) -> bool:
    """What an APIService's status says."""
    return any(each.type == AVAILABLE and each.status == "True" for each in api.status.conditions)


def with_verdict(api: v1.APIService, verdict: Verdict, now: str) -> list[v1.APIServiceCondition] | None:
    """The conditions with the verdict among them, since its status last changed; None when they say so already."""
    known = next((each for each in api.status.conditions if each.type == AVAILABLE), None)
    if known and (known.status, known.reason, known.message) == (verdict.status, verdict.reason, verdict.message):
        return None
    since = known.lastTransitionTime if known and known.status == verdict.status else now
    condition = v1.APIServiceCondition(
        type=AVAILABLE,
        status=verdict.status,
        reason=verdict.reason,
        message=verdict.message,
        lastTransitionTime=since,
    )
    return [*(each for each in api.status.conditions if each.type != AVAILABLE), condition]
