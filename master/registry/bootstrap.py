"""What every cluster has from its first start on; made again where it is missing, left alone where it is there."""

import base64
import hashlib
import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from master.registry.admission.namespaces import IMMORTAL
from master.registry.base import component
from master.registry.flow_bootstrap import bootstrap_flow_control
from master.registry.kinds.priorityclass import PREEMPT, SYSTEM
from master.registry.rbac_bootstrap import bootstrap_rbac
from master.registry.validation.service import NETWORK
from master.registry.verbs import Registry
from timonel.api import codec
from timonel.api import time as api_time
from timonel.api.errors import AlreadyExists, NotFound
from timonel.api.types import coordination_v1, core_v1, discovery_v1, meta_v1, networking_v1, scheduling_v1

log = logging.getLogger(__name__)

API_SERVICE = "kubernetes"
KUBERNETES_SERVICE_IP = str(NETWORK[1])
"""The address by which pods reach the API: the first of the services' network."""
FRONT_PROXY = "front-proxy-client"
"""The name in the certificate by which extension servers know the API server."""
IDENTITY = "apiserver.kubernetes.io/identity"
"""The label of the leases by which API servers say that they are there."""
IDENTITY_SECONDS = 3600
TRACKING = "kube-apiserver-legacy-service-account-token-tracking"
"""The ConfigMap that says since when the use of tokens in Secrets is noted."""
HTTPS = 443
API_PORT = 6443
DESCRIPTIONS = {
    "system-cluster-critical": "Used for system critical pods that must run in the cluster, "
    "but can be moved to another node if necessary.",
    "system-node-critical": "Used for system critical pods that must not be moved from their current node.",
}
LABELS = {"component": "apiserver", "provider": "kubernetes"}
SLICE_LABELS = {"kubernetes.io/service-name": API_SERVICE}


async def bootstrap(registry: Registry, ca_pem: bytes, front_proxy_ca_pem: bytes = b"") -> None:
    """Make the system's namespaces, priority classes, roles, flow schemas and ``kubernetes`` service; publish the CA.

    ``ca_pem`` is the certificate of the authority that signed the API's own; a controller brings it to every namespace.
    ``front_proxy_ca_pem`` is that of the authority by which extension servers know the API server.
    """
    for name in sorted(IMMORTAL):
        await _ensure(registry, "", core_v1.Namespace(metadata=meta_v1.ObjectMeta(name=name)))
    for name, value in SYSTEM.items():
        await _ensure(
            registry,
            "",
            scheduling_v1.PriorityClass(
                metadata=meta_v1.ObjectMeta(name=name),
                value=value,
                description=DESCRIPTIONS[name],
                preemptionPolicy=PREEMPT,
            ),
        )
    await _ensure(registry, "default", _service())
    await _show_network(registry, _service_network())
    await _write(registry, "kube-system", _authority(ca_pem, front_proxy_ca_pem), "data")
    await _ensure(registry, "kube-system", _tracking(registry.core.clock()))
    await bootstrap_rbac(registry)
    await bootstrap_flow_control(registry)


async def publish_api(registry: Registry, addresses: Sequence[str], port: int) -> None:
    """Say where the API is, behind the ``kubernetes`` service: IPv4 addresses that pods can reach, and the port."""
    await _write(registry, "default", _slice(addresses, port), "endpoints", "ports")
    await _write(registry, "default", _endpoints(addresses, port), "subsets")


async def publish_identity(registry: Registry, host: str) -> str:
    """Say in a lease that an API server is on this host, under a name that it has at each start; gives the name."""
    name = f"apiserver-{base64.b32encode(hashlib.sha256(host.encode()).digest()[:16]).decode().lower().rstrip('=')}"
    labels = {IDENTITY: "kube-apiserver", "kubernetes.io/hostname": host}
    spec = coordination_v1.LeaseSpec(
        holderIdentity=f"{name}_{registry.core.uid()}",
        leaseDurationSeconds=IDENTITY_SECONDS,
        renewTime=api_time.micro_text(registry.core.clock()),
    )
    metadata = meta_v1.ObjectMeta(name=name, namespace="kube-system", labels=labels)
    await _write(registry, "kube-system", coordination_v1.Lease(metadata=metadata, spec=spec), "spec")
    return name


def _tracking(now: datetime) -> core_v1.ConfigMap:
    metadata = meta_v1.ObjectMeta(name=TRACKING, namespace="kube-system")
    return core_v1.ConfigMap(metadata=metadata, data={"since": f"{now:%Y-%m-%d}"})


async def _ensure(registry: Registry, namespace: str, obj: Any) -> None:
    with suppress(AlreadyExists):
        await registry.create(component("apiserver"), type(obj), namespace, obj)
        log.info("created %s %s", type(obj).__name__, obj.metadata.name)


def _service() -> core_v1.Service:
    return core_v1.Service(
        metadata=meta_v1.ObjectMeta(name=API_SERVICE, namespace="default", labels=dict(LABELS)),
        spec=core_v1.ServiceSpec(
            clusterIP=KUBERNETES_SERVICE_IP,
            clusterIPs=[KUBERNETES_SERVICE_IP],
            ports=[core_v1.ServicePort(name="https", port=HTTPS, protocol="TCP", targetPort=API_PORT)],
        ),
    )


def _slice(addresses: Sequence[str], port: int) -> discovery_v1.EndpointSlice:
    ready = discovery_v1.EndpointConditions(ready=True)
    return discovery_v1.EndpointSlice(
        metadata=meta_v1.ObjectMeta(name=API_SERVICE, namespace="default", labels=dict(SLICE_LABELS)),
        addressType="IPv4",
        endpoints=[discovery_v1.Endpoint(addresses=[address], conditions=ready) for address in addresses],
        ports=[discovery_v1.EndpointPort(name="https", port=port, protocol="TCP")],
    )


def _endpoints(addresses: Sequence[str], port: int) -> core_v1.Endpoints:
    """What `_slice` says, for older clients."""
    subset = core_v1.EndpointSubset(
        addresses=[core_v1.EndpointAddress(ip=address) for address in addresses],
        ports=[core_v1.EndpointPort(name="https", port=port, protocol="TCP")],
    )
    labels = {"endpointslice.kubernetes.io/skip-mirror": "true"}
    metadata = meta_v1.ObjectMeta(name=API_SERVICE, namespace="default", labels=labels)
    return core_v1.Endpoints(metadata=metadata, subsets=[subset])


def _service_network() -> networking_v1.ServiceCIDR:
    """Where services' addresses come from. It cannot go, as the API's own service has one of them."""
    ready = meta_v1.Condition(
        type="Ready",
        status="True",
        message="Kubernetes Service CIDR is ready",
        reason="",
        lastTransitionTime=api_time.now(),
    )
    return networking_v1.ServiceCIDR(
        metadata=meta_v1.ObjectMeta(name=API_SERVICE, finalizers=["networking.k8s.io/service-cidr-finalizer"]),
        spec=networking_v1.ServiceCIDRSpec(cidrs=[str(NETWORK)]),
        status=networking_v1.ServiceCIDRStatus(conditions=[ready]),
    )


def _authority(ca_pem: bytes, front_proxy_ca_pem: bytes) -> core_v1.ConfigMap:
    """How extension servers know who asks them, as Kubernetes' API server publishes it: lists are JSON."""
    front_proxy = {
        "requestheader-client-ca-file": front_proxy_ca_pem.decode(),
        "requestheader-allowed-names": f'["{FRONT_PROXY}"]',
        "requestheader-username-headers": '["X-Remote-User"]',
        "requestheader-uid-headers": '["X-Remote-Uid"]',
        "requestheader-group-headers": '["X-Remote-Group"]',
        "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
    }
    return core_v1.ConfigMap(
        metadata=meta_v1.ObjectMeta(name="extension-apiserver-authentication", namespace="kube-system"),
        data={"client-ca-file": ca_pem.decode(), **(front_proxy if front_proxy_ca_pem else {})},
    )


async def _show_network(registry: Registry, network: networking_v1.ServiceCIDR) -> None:
    await _ensure(registry, "", network)
    who, struct = component("apiserver"), networking_v1.ServiceCIDR
    found = codec.decode(struct, (await registry.get(who, struct, "", API_SERVICE)).raw)
    if not found.status.conditions:
        await registry.update(who, struct, "", API_SERVICE, network, subresource="status")


async def _write(registry: Registry, namespace: str, wanted: Any, *fields: str) -> None:
    """Make an object, or give it the wanted fields: they may have changed since the last start."""
    who, struct, name = component("apiserver"), type(wanted), wanted.metadata.name
    try:
        found = await registry.get(who, struct, namespace, name)
    except NotFound:
        await _ensure(registry, namespace, wanted)
        return
    present = codec.decode(struct, found.raw)
    if any(getattr(present, field) != getattr(wanted, field) for field in fields):
        wanted.metadata.resourceVersion = present.metadata.resourceVersion
        await registry.update(who, struct, namespace, name, wanted)
