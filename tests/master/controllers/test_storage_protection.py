"""What is in use of storage stays until it is not."""

from typing import Any

import pytest

from master.controllers.storage_protection import pv_protection, pvc_protection, vac_protection
from master.registry.admission.storageprotection import FINALIZERS
from timonel.api.types import core_v1, meta_v1, storage_v1


def _meta(kind: type[Any], *, deleted: bool = True, namespace: str = "") -> meta_v1.ObjectMeta:
    finalizers = [FINALIZERS[kind]] if deleted else []
    return meta_v1.ObjectMeta(
        name="x",
        namespace=namespace,
        finalizers=finalizers,
        deletionTimestamp="2026-01-01T00:00:00Z" if deleted else None,
    )


def _claim(*, deleted: bool = True, vac: str | None = None) -> core_v1.PersistentVolumeClaim:
    spec = core_v1.PersistentVolumeClaimSpec(volumeAttributesClassName=vac)
    return core_v1.PersistentVolumeClaim(
        metadata=_meta(core_v1.PersistentVolumeClaim, deleted=deleted, namespace="default"), spec=spec
    )


def _pod(node: str) -> core_v1.Pod:
    source = core_v1.PersistentVolumeClaimVolumeSource(claimName="x")
    return core_v1.Pod(
        metadata=meta_v1.ObjectMeta(name="p", namespace="default"),
        spec=core_v1.PodSpec(nodeName=node, volumes=[core_v1.Volume(name="v", persistentVolumeClaim=source)]),
    )


@pytest.mark.parametrize(("node", "kept"), [("n", [FINALIZERS[core_v1.PersistentVolumeClaim]]), ("", [])])
def test_a_claim_stays_while_a_pod_on_a_node_has_it(world: Any, node: str, kept: list[str]) -> None:
    world.add(_claim())
    pod = world.add(_pod(node))
    world.settle(pvc_protection, kinds=[core_v1.PersistentVolumeClaim])
    assert _finalizers(world, core_v1.PersistentVolumeClaim, "default") == kept
    world.remove(pod)
    world.settle(pvc_protection, kinds=[core_v1.PersistentVolumeClaim])
    assert not _finalizers(world, core_v1.PersistentVolumeClaim, "default")


@pytest.mark.parametrize(("phase", "kept"), [("Bound", True), ("Released", False)])
def test_a_volume_stays_while_it_is_bound(world: Any, phase: str, kept: bool) -> None:
    status = core_v1.PersistentVolumeStatus(phase=phase)
    world.add(core_v1.PersistentVolume(metadata=_meta(core_v1.PersistentVolume), status=status))
    world.settle(pv_protection, kinds=[core_v1.PersistentVolume])
    assert bool(_finalizers(world, core_v1.PersistentVolume)) is kept


@pytest.mark.parametrize(("named", "kept"), [("x", True), ("other", False)])
def test_a_class_stays_while_a_claim_names_it(world: Any, named: str, kept: bool) -> None:
    world.add(storage_v1.VolumeAttributesClass(metadata=_meta(storage_v1.VolumeAttributesClass), driverName="d"))
    world.add(_claim(deleted=False, vac=named))
    world.settle(vac_protection, kinds=[storage_v1.VolumeAttributesClass])
    assert bool(_finalizers(world, storage_v1.VolumeAttributesClass)) is kept


def test_what_was_made_without_protection_gets_it(world: Any) -> None:
    world.add(_claim(deleted=False))
    world.settle(pvc_protection, kinds=[core_v1.PersistentVolumeClaim])
    assert _finalizers(world, core_v1.PersistentVolumeClaim, "default")


def _finalizers(world: Any, kind: type[Any], namespace: str = "") -> list[str]:
    found = world.get(kind, namespace, "x")
    return found.metadata.finalizers if found else []
