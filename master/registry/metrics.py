"""The types of metrics.k8s.io/v1beta1, which Kubernetes keeps outside of its own schemas."""

from typing import ClassVar

import msgspec

from timonel.api.gvk import GVK
from timonel.api.quantity import Quantity
from timonel.api.struct import Struct
from timonel.api.time import Time
from timonel.api.types import meta_v1

SCHEMA_PREFIX = "io.k8s.metrics.pkg.apis.metrics.v1beta1"
API_VERSION = "metrics.k8s.io/v1beta1"


class ContainerMetrics(Struct, kw_only=True):
    """What a container uses."""

    name: str = ""
    usage: dict[str, Quantity] = msgspec.field(default_factory=dict)


class NodeMetrics(Struct, kw_only=True):
    """What a node uses, averaged over the window that ended at the timestamp."""

    gvk: ClassVar[GVK] = GVK("metrics.k8s.io", "v1beta1", "NodeMetrics")
    apiVersion: str = msgspec.field(default_factory=lambda: API_VERSION)
    kind: str = msgspec.field(default_factory=lambda: "NodeMetrics")
    metadata: meta_v1.ObjectMeta = msgspec.field(default_factory=meta_v1.ObjectMeta)
    timestamp: Time = msgspec.field(default_factory=str)
    window: str = msgspec.field(default_factory=str)
    usage: dict[str, Quantity] = msgspec.field(default_factory=dict)


class PodMetrics(Struct, kw_only=True):
    """What a pod's containers use."""

    gvk: ClassVar[GVK] = GVK("metrics.k8s.io", "v1beta1", "PodMetrics")
    apiVersion: str = msgspec.field(default_factory=lambda: API_VERSION)
    kind: str = msgspec.field(default_factory=lambda: "PodMetrics")
    metadata: meta_v1.ObjectMeta = msgspec.field(default_factory=meta_v1.ObjectMeta)
    timestamp: Time = msgspec.field(default_factory=str)
    window: str = msgspec.field(default_factory=str)
    containers: list[ContainerMetrics] = msgspec.field(default_factory=list)
