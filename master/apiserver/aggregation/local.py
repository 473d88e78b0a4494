"""The APIServices of what this server serves itself: which there should be, and what is to be done about it.

Source: Kubernetes' automatic registration, and the priorities that its own API servers give.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from timonel.api.types import apiregistration_v1 as v1
from timonel.api.types import meta_v1

AUTOMANAGED = "kube-aggregator.kubernetes.io/automanaged"
AT_START, ALWAYS = "onstart", "true"
"""Built-in versions are registered once; those of custom resources come and go with these."""

OWN_GROUP = v1.APIService.gvk.group
"""The aggregator's own group is no APIService, and comes first."""
FIRST = 20_000

_GROUPS = {
    "": 18000,
    "apps": 17800,
    "events.k8s.io": 17750,
    "authentication.k8s.io": 17700,
    "authorization.k8s.io": 17600,
    "autoscaling": 17500,
    "batch": 17400,
    "certificates.k8s.io": 17300,
    "networking.k8s.io": 17200,
    "policy": 17100,
    "rbac.authorization.k8s.io": 17000,
    "storage.k8s.io": 16800,
    "apiextensions.k8s.io": 16700,
    "admissionregistration.k8s.io": 16700,
    "scheduling.k8s.io": 16600,
    "coordination.k8s.io": 16500,
    "node.k8s.io": 16300,
    "discovery.k8s.io": 16200,
    "resource.k8s.io": 16200,
    "flowcontrol.apiserver.k8s.io": 16100,
    "internal.apiserver.k8s.io": 16000,
    "metrics.k8s.io": 100,
}
_VERSIONS = {
    ("", "v1"): 1,
    ("autoscaling", "v2"): 30,
    ("flowcontrol.apiserver.k8s.io", "v1"): 21,
    ("resource.k8s.io", "v1"): 21,
    ("metrics.k8s.io", "v1beta1"): 100,
}
_STABLE, _BETA, _ALPHA = 15, 12, 9
CUSTOM_GROUP, CUSTOM_VERSION = 1000, 100
"""The priorities of custom resources' groups and versions."""

GroupVersionName = tuple[str, str]
"""A group and a version."""


def name_of(group: str, version: str) -> str:
    """The name of a version's APIService."""
    return f"{version}.{group}"


def wanted(served: Iterable[GroupVersionName]) -> dict[str, v1.APIService]:
    """The APIServices of the versions that are served, by name."""
    return {name_of(group, version): _api_service(group, version) for group, version in served if group != OWN_GROUP}


def _api_service(group: str, version: str) -> v1.APIService:
    custom = group not in _GROUPS
    stage = _ALPHA if "alpha" in version else _BETA if "beta" in version else _STABLE
    return v1.APIService(
        metadata=meta_v1.ObjectMeta(name=name_of(group, version), labels={AUTOMANAGED: ALWAYS if custom else AT_START}),
        spec=v1.APIServiceSpec(
            group=group,
            version=version,
            groupPriorityMinimum=_GROUPS.get(group, CUSTOM_GROUP),
            versionPriority=CUSTOM_VERSION if custom else _VERSIONS.get((group, version), stage),
        ),
    )


def missing(want: Mapping[str, v1.APIService], present: Mapping[str, v1.APIService]) -> list[v1.APIService]:
    """What is to be created. One that is there is left as it is: it may name another server."""
    return [api for name, api in want.items() if name not in present]


def superfluous(want: Mapping[str, v1.APIService], present: Mapping[str, v1.APIService]) -> list[v1.APIService]:
    """What was registered here for custom resources that are no more."""
    return [
        api
        for name, api in present.items()
        if name not in want and api.spec.service is None and (api.metadata.labels or {}).get(AUTOMANAGED) == ALWAYS
    ]
