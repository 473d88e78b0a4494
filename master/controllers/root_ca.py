"""Every namespace has a ConfigMap with the certificate of the cluster's CA, which pods mount beside their token."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from master.controllers.actions import Action, Create, Update
from master.controllers.controller import Key, Wake, controller
from master.controllers.view import View
from timonel.api import codec
from timonel.api.types import core_v1, meta_v1

NAME = "kube-root-ca.crt"
SOURCE = ("kube-system", "extension-apiserver-authentication")
"""The ConfigMap in which the master publishes its CA, as Kubernetes' API server does, and the key in it."""
SOURCE_KEY = "client-ca-file"
KEY = "ca.crt"
_ANNOTATIONS = {
    "kubernetes.io/description": "Contains a CA bundle that can be used to verify the API server of this cluster."
}


def _all_namespaces(source: core_v1.ConfigMap, view: View) -> Iterator[Key]:
    if (source.metadata.namespace, source.metadata.name) == SOURCE:
        for ns in view.list(core_v1.Namespace):
            yield Key(core_v1.Namespace, "", ns.metadata.name or "")


def _own_namespace(config: core_v1.ConfigMap, view: View) -> Iterator[Key]:
    if config.metadata.name == NAME:
        yield Key(core_v1.Namespace, "", config.metadata.namespace or "")


@controller(
    core_v1.Namespace,
    wakes_on=[Wake(core_v1.ConfigMap, _own_namespace), Wake(core_v1.ConfigMap, _all_namespaces)],
    account="root-ca-cert-publisher",
)
def root_ca(ns: core_v1.Namespace, view: View, now: datetime) -> Iterator[Action]:
    """Publish the CA into a namespace, and mend what was changed there."""
    source = view.get(core_v1.ConfigMap, *SOURCE)
    if ns.metadata.deletionTimestamp or source is None or SOURCE_KEY not in source.data:
        return
    wanted = {KEY: source.data[SOURCE_KEY]}
    present = view.get(core_v1.ConfigMap, ns.metadata.name or "", NAME)
    if present is None:
        metadata = meta_v1.ObjectMeta(name=NAME, namespace=ns.metadata.name, annotations=dict(_ANNOTATIONS))
        yield Create(core_v1.ConfigMap(metadata=metadata, data=wanted))
    elif present.data != wanted:
        mended = codec.copy(present)
        mended.data = wanted
        yield Update(mended)
