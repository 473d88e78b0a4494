"""Custom resource definitions: granting their names, and emptying what is being deleted.

Source: Kubernetes' naming, establishing and finalizing controllers of apiextensions-apiserver.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from master.controllers import conditions
from master.controllers.actions import Action, Delete, Patch, RequeueAfter, SetStatus
from master.controllers.controller import API_SERVER, Key, Wake, controller, key_of
from master.controllers.view import View
from master.registry.custom.serving import served_versions
from master.registry.kinds.customresourcedefinition import CLEANUP
from master.registry.validation.customresourcedefinition import APPROVAL, NEEDS_APPROVAL, PROTECTED, SEE_APPROVAL
from timonel.api import codec
from timonel.api.types import apiextensions_v1 as v1

LOOK_AGAIN = 0.5
"""Seconds between looks while objects of a definition are left, or not known yet."""

_NAMES = (
    ("plural", "Plural", "resources"),
    ("singular", "Singular", "resources"),
    ("shortNames", "ShortNames", "resources"),
    ("kind", "Kind", "kinds"),
    ("listKind", "ListKind", "kinds"),
)
"""Names that must be free: the field, its word in a reason, and among which names; the last conflict is told."""


def _neighbours(definition: v1.CustomResourceDefinition, view: View) -> Iterable[Key]:
    """Names are taken and set free within a group."""
    return [
        key_of(other)
        for other in view.list(v1.CustomResourceDefinition)
        if other.spec.group == definition.spec.group and other.metadata.name != definition.metadata.name
    ]


@controller(v1.CustomResourceDefinition, wakes_on=[Wake(v1.CustomResourceDefinition, _neighbours)], account=API_SERVER)
def custom_resource_definition(definition: v1.CustomResourceDefinition, view: View, now: datetime) -> Iterator[Action]:
    """Grant the names that are free; delete the objects of a definition that goes, then let it go."""
    granted = codec.copy(definition)
    _grant(granted, view, now)
    _say_whether_approved(granted, now)
    if definition.metadata.deletionTimestamp:
        _set(
            granted, now, "Terminating", "True", "InstanceDeletionInProgress", "CustomResource deletion is in progress"
        )
    if granted.status != definition.status:
        yield SetStatus(granted)
        return
    if definition.metadata.deletionTimestamp and CLEANUP in definition.metadata.finalizers:
        yield from _empty(definition, view)


def _grant(definition: v1.CustomResourceDefinition, view: View, now: datetime) -> None:
    """Say in the status which names the definition has."""
    taken = _taken(definition, view)
    wanted = definition.spec.names
    conflicts = [
        (f"{word}Conflict", name)
        for field, word, sort in _NAMES
        for name in _several(getattr(wanted, field))
        if name in taken[sort]
    ]
    if conflicts:
        reason, name = conflicts[-1]
        _set(definition, now, "NamesAccepted", "False", reason, f'"{name}" is already in use')
        if not _holds(definition, "Established"):
            _set(definition, now, "Established", "False", "NotAccepted", "not all names are accepted")
        return
    definition.status.acceptedNames = codec.copy(wanted)
    _set(definition, now, "NamesAccepted", "True", "NoConflicts", "no conflicts found")
    if not _holds(definition, "Established"):
        message = "the initial names have been accepted"
        _set(definition, now, "Established", "True", "InitialNamesAccepted", message)


def _say_whether_approved(definition: v1.CustomResourceDefinition, now: datetime) -> None:
    """Of a definition in one of Kubernetes' own groups: whether its author says that Kubernetes has approved it."""
    if not PROTECTED.fullmatch(definition.spec.group):
        return
    kind, approval = "KubernetesAPIApprovalPolicyConformant", definition.metadata.annotations.get(APPROVAL, "")
    if not approval:
        why = f"{NEEDS_APPROVAL}, {SEE_APPROVAL}"
        _set(definition, now, kind, "False", "MissingAnnotation", why)
    elif approval.startswith("unapproved"):
        _set(definition, now, kind, "False", "UnapprovedAnnotation", f'not approved: "{approval}"')
    else:
        _set(definition, now, kind, "True", "ApprovedAnnotation", f"approved in {approval}")


def _several(names: str | list[str] | None) -> list[str]:
    return names if isinstance(names, list) else [names] if names else []


def _taken(definition: v1.CustomResourceDefinition, view: View) -> dict[str, set[str]]:
    """The names that other definitions of the group have been granted."""
    taken: dict[str, set[str]] = {"resources": set(), "kinds": set()}
    for other in view.list(v1.CustomResourceDefinition):
        names = other.status.acceptedNames
        if other.spec.group != definition.spec.group or other.metadata.uid == definition.metadata.uid:
            continue
        taken["resources"] |= {names.plural, names.singular, *names.shortNames}
        taken["kinds"] |= {names.kind, names.listKind}
    return taken


def _empty(definition: v1.CustomResourceDefinition, view: View) -> Iterator[Action]:
    """Delete what is left; the finalizer goes with the last object."""
    served = served_versions(definition)
    names = definition.status.acceptedNames
    if served and _holds(definition, "Established"):
        version = next((each for each in served if each.storage), served[0])
        kind = view.kind(f"{definition.spec.group}/{version.name}", names.kind)
        if kind is None:
            yield RequeueAfter(LOOK_AGAIN)
            return
        left = view.list(kind)
        yield from (Delete(obj, propagation="Background") for obj in left if not obj.metadata.deletionTimestamp)
        if left:
            yield RequeueAfter(LOOK_AGAIN)
            return
    finalizers = [each for each in definition.metadata.finalizers if each != CLEANUP]
    meta = {"uid": definition.metadata.uid, "finalizers": finalizers or None}
    yield Patch(definition, {"metadata": meta})


def _holds(definition: v1.CustomResourceDefinition, kind: str) -> bool:
    return any(each.type == kind and each.status == "True" for each in definition.status.conditions)


def _set(
    definition: v1.CustomResourceDefinition, now: datetime, kind: str, status: str, reason: str, message: str
) -> None:
    """Put a condition into the status."""
    told = v1.CustomResourceDefinitionCondition(type=kind, status=status, reason=reason, message=message)
    conditions.put(definition.status.conditions, told, now)
