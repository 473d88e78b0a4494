"""What an update may change of a pod that exists: little, for its containers run already."""

from collections.abc import Iterator
from typing import Any

import msgspec

from master.registry.validation.podspec import SPEC
from timonel.api import codec
from timonel.api.fields import FieldError, forbidden, invalid
from timonel.api.types import core_v1

FIXED = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def validate_pod_update(new: core_v1.Pod, old: core_v1.Pod) -> Iterator[FieldError]:
    """The faults of a pod's new spec, seen beside the old one."""
    for name in ("containers", "initContainers"):
        theirs, ours = getattr(new.spec, name), getattr(old.spec, name)
        if len(theirs) != len(ours):
            yield forbidden(SPEC.child(name), "pod updates may not add or remove containers")
            return
    yield from _deadline(new.spec.activeDeadlineSeconds, old.spec.activeDeadlineSeconds)
    yield from _tolerations(new.spec, old.spec)
    yield from _gates(new.spec, old.spec)
    if not _same_but_for_what_may_change(new.spec, old.spec):
        yield forbidden(SPEC, f"{FIXED}\n{_difference(new.spec, old.spec)}")


def _deadline(new: int | None, old: int | None) -> Iterator[FieldError]:
    path = SPEC.child("activeDeadlineSeconds")
    if old is not None and new is None:
        yield invalid(path, new, "must not update from a positive integer to nil value")
    elif old is not None and new is not None and new > old:
        yield invalid(path, new, "must be less than or equal to previous value")


def _tolerations(new: core_v1.PodSpec, old: core_v1.PodSpec) -> Iterator[FieldError]:
    path = SPEC.child("tolerations")
    if new.tolerations == old.tolerations:
        return
    times_aside = [_timeless(toleration) for toleration in new.tolerations]
    if any(_timeless(toleration) not in times_aside for toleration in old.tolerations):
        yield forbidden(path, "existing toleration can not be modified except its tolerationSeconds")


def _timeless(toleration: core_v1.Toleration) -> core_v1.Toleration:
    return msgspec.structs.replace(toleration, tolerationSeconds=None)


def _gates(new: core_v1.PodSpec, old: core_v1.PodSpec) -> Iterator[FieldError]:
    """Gates go, and never come; while there are some, placement may still be narrowed."""
    before = {gate.name for gate in old.schedulingGates}
    for index, gate in enumerate(new.schedulingGates):
        if gate.name not in before:
            path = SPEC.child("schedulingGates").index(index).child("name")
            yield forbidden(path, f"only deletion is allowed, but found new scheduling gate {gate.name!r}")
    for key, value in old.nodeSelector.items() if before else ():
        if new.nodeSelector.get(key) != value:
            shown = codec.to_dict(new.nodeSelector)
            yield invalid(SPEC.child("nodeSelector"), shown, "only additions to spec.nodeSelector are allowed")
            return


def _same_but_for_what_may_change(new: core_v1.PodSpec, old: core_v1.PodSpec) -> bool:
    return _fixed_part(new, old) == _fixed_part(old, old)


def _fixed_part(spec: core_v1.PodSpec, old: core_v1.PodSpec) -> core_v1.PodSpec:
    """The spec with all that may change left out."""
    changes: dict[str, Any] = {
        "containers": [msgspec.structs.replace(container, image="") for container in spec.containers],
        "initContainers": [msgspec.structs.replace(container, image="") for container in spec.initContainers],
        "activeDeadlineSeconds": None,
        "tolerations": [],
        "schedulingGates": [],
    }
    if (old.terminationGracePeriodSeconds or 0) < 0 and spec.terminationGracePeriodSeconds == 1:
        changes["terminationGracePeriodSeconds"] = old.terminationGracePeriodSeconds
    if old.schedulingGates:
        changes |= {"nodeSelector": {}, "affinity": None}
    return msgspec.structs.replace(spec, **changes)


def _difference(new: core_v1.PodSpec, old: core_v1.PodSpec) -> str:
    """The changed fields, old and new, a line each."""
    theirs, ours = _fixed_part(new, old), _fixed_part(old, old)
    changed = [name for name in theirs.__struct_fields__ if getattr(theirs, name) != getattr(ours, name)]
    sides = (("-", ours), ("+", theirs))
    return "\n".join(
        f"{sign} {name}: {codec.encode(getattr(spec, name)).decode()}" for name in changed for sign, spec in sides
    )
