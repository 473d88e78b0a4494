"""What goes with its owners, what stays, and what waits."""

from __future__ import annotations

from typing import Any

from master.controllers.actions import Delete
from master.controllers.garbage_collector import garbage_collector
from master.controllers.namespace import namespace
from timonel.api.meta import owner_reference
from timonel.api.types import apps_v1, core_v1, meta_v1


def config(name: str, *owners: Any, finalizers: list[str] | None = None) -> core_v1.ConfigMap:
    references = [owner_reference(owner) for owner in owners]
    for number, reference in enumerate(references):
        reference.controller = number == 0 or None
    metadata = meta_v1.ObjectMeta(name=name, namespace="d", ownerReferences=references, finalizers=finalizers or [])
    return core_v1.ConfigMap(metadata=metadata)


def collect(world: Any) -> set[str]:
    """Run the collector to its end; the names that are left."""
    kinds = [core_v1.ConfigMap, apps_v1.ReplicaSet]
    world.settle(garbage_collector, garbage_collector, kinds=kinds)
    return {obj.metadata.name for kind in kinds for obj in world.list(kind)}


def test_what_has_lost_its_only_owner_goes_and_what_it_owned_too(world: Any) -> None:
    top = world.add(config("top"))
    middle = world.add(config("middle", top))
    world.add(config("bottom", middle))
    world.add(config("free"))
    assert collect(world) == {"top", "middle", "bottom", "free"}
    world.remove(top)
    assert collect(world) == {"free"}


def test_an_owner_of_the_same_name_but_another_uid_is_no_owner(world: Any) -> None:
    old = world.add(config("top"))
    world.add(config("child", old))
    world.remove(old)
    world.add(config("top"))
    assert collect(world) == {"top"}


def test_one_owner_left_keeps_the_object_and_the_other_reference_goes(world: Any) -> None:
    one, two = world.add(config("one")), world.add(config("two"))
    world.add(config("child", one, two))
    world.remove(one)
    assert collect(world) == {"two", "child"}
    child = world.get(core_v1.ConfigMap, "d", "child")
    assert [reference.name for reference in child.metadata.ownerReferences] == ["two"]


def test_an_owner_of_an_unknown_kind_is_left_alone(world: Any) -> None:
    child = config("child")
    child.metadata.ownerReferences = [meta_v1.OwnerReference(apiVersion="x.io/v1", kind="Thing", name="t", uid="u")]
    world.add(child)
    assert collect(world) == {"child"}


def test_foreground_deletion_waits_for_what_blocks_it(world: Any) -> None:
    top = world.add(config("top"))
    world.add(config("child", top, finalizers=["test/hold"]))
    world.apply([Delete(top, propagation="Foreground")])
    assert collect(world) == {"top", "child"}
    child = world.get(core_v1.ConfigMap, "d", "child")
    assert child.metadata.deletionTimestamp
    world.change(child, lambda c: c.metadata.finalizers.clear())
    world.remove(world.get(core_v1.ConfigMap, "d", "child"))
    assert collect(world) == set()


def test_a_circle_of_owners_that_is_deleted_in_the_foreground_goes(world: Any) -> None:
    names = ["a", "b", "c"]
    made = [world.add(config(name)) for name in names]
    for obj, owner in zip(made, [made[-1], *made], strict=False):
        reference = meta_v1.OwnerReference(
            apiVersion="v1", kind="ConfigMap", name=owner.metadata.name, uid=owner.metadata.uid, blockOwnerDeletion=True
        )
        world.change(obj, lambda o, reference=reference: o.metadata.ownerReferences.append(reference))
    world.apply([Delete(world.get(core_v1.ConfigMap, "d", "a"), propagation="Foreground")])
    assert collect(world) == set()


def test_orphaning_frees_the_dependents(world: Any) -> None:
    top = world.add(config("top"))
    world.add(config("child", top))
    world.apply([Delete(top, propagation="Orphan")])
    assert collect(world) == {"child"}
    assert world.get(core_v1.ConfigMap, "d", "child").metadata.ownerReferences == []


def test_a_namespace_goes_when_it_is_empty(world: Any) -> None:
    ns = core_v1.Namespace(metadata=meta_v1.ObjectMeta(name="d", finalizers=["test/api"]))
    ns.status.conditions.append(core_v1.NamespaceCondition(type="Theirs", status="True"))
    ns.spec.finalizers = ["kubernetes"]
    ns = world.add(ns)
    world.add(config("one"))
    world.add(config("two", finalizers=["test/hold"]))
    world.apply(namespace(ns, world, world.now))
    assert {obj.metadata.name for obj in world.list(core_v1.ConfigMap)} == {"one", "two"}
    world.remove(ns)
    ns = world.get(core_v1.Namespace, "", "d")
    world.apply(namespace(ns, world, world.now))
    assert {obj.metadata.name for obj in world.list(core_v1.ConfigMap)} == {"two"}
    ns = world.get(core_v1.Namespace, "", "d")
    world.apply(namespace(ns, world, world.now))
    ns = world.get(core_v1.Namespace, "", "d")
    told = {c.type: (c.status, c.message) for c in ns.status.conditions}
    assert told.pop("Theirs") == ("True", ""), "the conditions of others stay"
    assert told.pop("NamespaceContentRemaining") == (
        "True",
        "Some resources are remaining: configmaps. has 1 resource instances",
    )
    assert told.pop("NamespaceFinalizersRemaining") == (
        "True",
        "Some content in the namespace has finalizers remaining: test/hold in 1 resource instances",
    )
    assert {kind: status for kind, (status, _) in told.items()} == {
        "NamespaceDeletionDiscoveryFailure": "False",
        "NamespaceDeletionGroupVersionParsingFailure": "False",
        "NamespaceDeletionContentFailure": "False",
    }
    assert ns.spec.finalizers == ["kubernetes"]
    two = world.get(core_v1.ConfigMap, "d", "two")
    world.change(two, lambda c: c.metadata.finalizers.clear())
    world.remove(two)
    world.apply(namespace(world.get(core_v1.Namespace, "", "d"), world, world.now))
    assert world.get(core_v1.Namespace, "", "d").spec.finalizers == []
