"""The objects that the master sent along with the pods, by name."""

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Literal, Protocol

from timonel.api.types import core_v1, node_v1

DataKind = Literal["ConfigMap", "Secret"]


class MissingReference(LookupError):
    """A pod names a ConfigMap, Secret or key that does not exist; the message is the kubelet's."""


class References(Protocol):
    """What pods refer to. None means that there is no such object."""

    def config_map(self, namespace: str, name: str) -> core_v1.ConfigMap | None:
        """The ConfigMap of that name."""

    def secret(self, namespace: str, name: str) -> core_v1.Secret | None:
        """The Secret of that name."""

    def runtime_class(self, name: str) -> node_v1.RuntimeClass | None:
        """The RuntimeClass of that name."""

    def services(self, namespace: str) -> Iterable[core_v1.Service]:
        """The Services of the namespace."""


def data_of(refs: References, kind: DataKind, namespace: str, name: str) -> Mapping[str, bytes]:
    """What a ConfigMap or Secret holds. Raises MissingReference when there is none."""
    found = refs.config_map(namespace, name) if kind == "ConfigMap" else refs.secret(namespace, name)
    if found is None:
        raise MissingReference(f'{kind.lower()} "{name}" not found')
    if isinstance(found, core_v1.Secret):
        return {k: _decoded(v) for k, v in found.data.items()}
    return {k: v.encode() for k, v in found.data.items()} | {k: _decoded(v) for k, v in found.binaryData.items()}


def runtime_handler(refs: References, pod: core_v1.Pod) -> str:
    """The name that the pod's RuntimeClass has for a runtime; empty is the usual one. Raises MissingReference."""
    name = pod.spec.runtimeClassName
    if not name:
        return ""
    found = refs.runtime_class(name)
    if found is None:
        raise MissingReference(f'RuntimeClass "{name}" not found')
    return found.handler


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except binascii.Error as error:
        raise MissingReference(f"the value is not base64: {error}") from error
