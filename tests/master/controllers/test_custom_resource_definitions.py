"""Which definition gets a name, and when a definition that is being deleted may go."""

from __future__ import annotations

from typing import Any

import pytest

from master.controllers.actions import RequeueAfter
from master.controllers.custom_resource_definition import custom_resource_definition
from master.registry.kinds.customresourcedefinition import CLEANUP
from timonel.api.types import apiextensions_v1 as v1
from timonel.api.types import meta_v1


def definition(plural: str, kind: str, *short: str, group: str = "example.com") -> v1.CustomResourceDefinition:
    names = v1.CustomResourceDefinitionNames(
        plural=plural, kind=kind, singular=kind.lower(), listKind=f"{kind}List", shortNames=list(short)
    )
    version = v1.CustomResourceDefinitionVersion(name="v1", served=True, storage=True)
    spec = v1.CustomResourceDefinitionSpec(group=group, names=names, scope="Namespaced", versions=[version])
    return v1.CustomResourceDefinition(metadata=meta_v1.ObjectMeta(name=f"{plural}.{group}"), spec=spec)


def settle(world: Any) -> None:
    world.settle(custom_resource_definition, kinds=[v1.CustomResourceDefinition])


def conditions(world: Any, name: str) -> dict[str, tuple[str, str | None]]:
    found = world.get(v1.CustomResourceDefinition, "", name)
    return {each.type: (each.status, each.reason) for each in found.status.conditions}


def test_free_names_are_granted(world: Any) -> None:
    made = world.add(definition("widgets", "Widget", "wd"))
    settle(world)
    assert conditions(world, "widgets.example.com") == {
        "NamesAccepted": ("True", "NoConflicts"),
        "Established": ("True", "InitialNamesAccepted"),
    }
    granted = world.get(v1.CustomResourceDefinition, "", made.metadata.name).status.acceptedNames
    assert granted == made.spec.names


def test_taken_names_are_not_granted_until_they_are_free(world: Any) -> None:
    first = world.add(definition("widgets", "Widget", "wd"))
    settle(world)
    world.add(definition("gadgets", "Gadget", "wd"))
    world.add(definition("things", "Widget"))
    world.add(definition("widgets", "Widget", "wd", group="other.com"))
    settle(world)
    assert conditions(world, "gadgets.example.com")["NamesAccepted"] == ("False", "ShortNamesConflict")
    assert conditions(world, "things.example.com")["NamesAccepted"] == ("False", "ListKindConflict")
    assert conditions(world, "things.example.com")["Established"] == ("False", "NotAccepted")
    assert conditions(world, "widgets.other.com")["Established"] == ("True", "InitialNamesAccepted")
    world.remove(first)
    settle(world)
    assert conditions(world, "gadgets.example.com")["Established"] == ("True", "InitialNamesAccepted")


def test_a_served_definition_waits_until_its_objects_are_known(world: Any) -> None:
    made = definition("widgets", "Widget")
    made.metadata.finalizers = [CLEANUP]
    made = world.add(made)
    settle(world)
    world.remove(made)
    settle(world)
    going = world.get(v1.CustomResourceDefinition, "", made.metadata.name)
    assert conditions(world, made.metadata.name)["Terminating"][0] == "True"
    assert list(custom_resource_definition(going, world, world.now)) == [RequeueAfter(0.5)]


def test_a_definition_that_was_never_served_goes_at_once(world: Any) -> None:
    world.add(definition("widgets", "Widget", "wd"))
    settle(world)
    made = definition("gadgets", "Gadget", "wd")
    made.metadata.finalizers = [CLEANUP]
    world.remove(world.add(made))
    settle(world)
    left = world.get(v1.CustomResourceDefinition, "", made.metadata.name)
    assert left is None or not left.metadata.finalizers


@pytest.mark.parametrize(
    ("approval", "status", "reason"),
    [
        ("", "False", "MissingAnnotation"),
        ("unapproved, experimental", "False", "UnapprovedAnnotation"),
        ("https://github.com/kubernetes/enhancements/pull/1111", "True", "ApprovedAnnotation"),
    ],
)
def test_groups_of_kubernetes_need_its_approval(world: Any, approval: str, status: str, reason: str) -> None:
    made = definition("widgets", "Widget", group="a.k8s.io")
    made.metadata.annotations = {"api-approved.kubernetes.io": approval} if approval else {}
    world.add(made)
    settle(world)
    assert conditions(world, "widgets.a.k8s.io")["KubernetesAPIApprovalPolicyConformant"] == (status, reason)
