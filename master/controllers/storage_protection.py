"""Claims, volumes and classes of volumes' attributes: deleted ones stay until nothing uses them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from master.controllers.actions import Action, Update
from master.controllers.controller import Key, Wake, controller, key_of
from master.controllers.view import Index, View
from master.registry.admission.storageprotection import FINALIZERS
from master.registry.podreferences import claims_of
from timonel.api import codec
from timonel.api.types import core_v1, storage_v1

Protected = core_v1.PersistentVolumeClaim | core_v1.PersistentVolume | storage_v1.VolumeAttributesClass


def _claims(pod: core_v1.Pod) -> list[str]:
    """The keys of the claims that a pod uses: none before it has a node, which starts none with a deleted one."""
    return [f"{pod.metadata.namespace}/{name}" for name in claims_of(pod)] if pod.spec.nodeName else []


def _classes_of_claim(claim: core_v1.PersistentVolumeClaim) -> set[str]:
    modified = claim.status.modifyVolumeStatus
    names = (
        claim.spec.volumeAttributesClassName,
        claim.status.currentVolumeAttributesClassName,
        modified.targetVolumeAttributesClassName if modified else "",
    )
    return {name for name in names if name}


def _classes_of_volume(volume: core_v1.PersistentVolume) -> set[str]:
    return {volume.spec.volumeAttributesClassName} if volume.spec.volumeAttributesClassName else set()


_PODS = Index(core_v1.Pod, _claims)
_CLAIMS = Index(core_v1.PersistentVolumeClaim, _classes_of_claim)
_VOLUMES = Index(core_v1.PersistentVolume, _classes_of_volume)


def _wakes_claims(pod: core_v1.Pod, view: View) -> Iterator[Key]:
    return (Key(core_v1.PersistentVolumeClaim, pod.metadata.namespace, name) for name in claims_of(pod) if name)


def _class(name: str) -> Key:
    return Key(storage_v1.VolumeAttributesClass, "", name)


@controller(core_v1.PersistentVolumeClaim, wakes_on=[Wake(core_v1.Pod, _wakes_claims)])
def pvc_protection(claim: core_v1.PersistentVolumeClaim, view: View, now: datetime) -> Iterator[Action]:
    """A claim is in use while there is a pod with it, ended or not."""
    key = key_of(claim)
    yield from _protect(claim, used=bool(view.by(_PODS, f"{key.namespace}/{key.name}")))


@controller(core_v1.PersistentVolume)
def pv_protection(volume: core_v1.PersistentVolume, view: View, now: datetime) -> Iterator[Action]:
    """A volume is in use while it is bound."""
    yield from _protect(volume, used=volume.status.phase == "Bound")


@controller(
    storage_v1.VolumeAttributesClass,
    wakes_on=[
        Wake(core_v1.PersistentVolumeClaim, lambda claim, view: map(_class, _classes_of_claim(claim))),
        Wake(core_v1.PersistentVolume, lambda volume, view: map(_class, _classes_of_volume(volume))),
    ],
    account="volumeattributesclass-protection-controller",
)
def vac_protection(vac: storage_v1.VolumeAttributesClass, view: View, now: datetime) -> Iterator[Action]:
    """A class is in use while a claim or a volume names it."""
    name = vac.metadata.name
    yield from _protect(vac, used=bool(view.by(_CLAIMS, name) or view.by(_VOLUMES, name)))


def _protect(obj: Protected, *, used: bool) -> Iterator[Action]:
    """Give the object its finalizer; take it away when the object is deleted and not used."""
    finalizer, deleted = FINALIZERS[type(obj)], obj.metadata.deletionTimestamp is not None
    if (finalizer in obj.metadata.finalizers) != deleted or (deleted and used):
        return
    changed = codec.copy(obj)
    if deleted:
        changed.metadata.finalizers.remove(finalizer)
    else:
        changed.metadata.finalizers.append(finalizer)
    yield Update(changed)
