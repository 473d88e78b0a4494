"""The resize of a running pod: other amounts of cpu and memory for its containers, and nothing else."""

from collections.abc import Iterator, Sequence

import msgspec

from master.registry.objects import Call
from master.registry.poddefaults import default_pod
from master.registry.subresources import Part, keep_metadata
from master.registry.validation.podspec import SPEC, validate_spec
from timonel.api.fields import FieldError, forbidden, invalid
from timonel.api.podresources import is_sidecar, qos_class
from timonel.api.types import core_v1

RESIZABLE = ("cpu", "memory")
LISTS = ("containers", "initContainers")


class Resize(Part[core_v1.Pod]):
    """Kubernetes' pods/resize: what else a body changes is passed over."""

    name = "resize"

    def prepare(self, new: core_v1.Pod, old: core_v1.Pod, call: Call) -> None:
        """Keep all but the containers' resources, and their names for the validation to judge."""
        wanted = {name: _resized(getattr(new.spec, name), getattr(old.spec, name)) for name in LISTS}
        new.spec = msgspec.structs.replace(old.spec, **wanted)
        new.status = old.status
        keep_metadata(new, old)
        default_pod(new.spec)

    def validate(self, new: core_v1.Pod, old: core_v1.Pod) -> Iterator[FieldError]:
        """Only cpu and memory of what runs may change, and not so that the pod's quality of service would."""
        yield from validate_spec(new.spec, SPEC)
        for name in LISTS:
            ours, theirs = getattr(old.spec, name), getattr(new.spec, name)
            if len(ours) != len(theirs):
                yield forbidden(SPEC.child(name), f"{name} may not be added or removed on resize")
                return
        if qos_class(new.spec) != qos_class(old.spec):
            yield invalid(SPEC, old.status.qosClass, "Pod QOS Class may not change as a result of resizing")
        for name in LISTS:
            yield from _of_containers(name, getattr(new.spec, name), getattr(old.spec, name))
        if _fixed_part(new.spec) != _fixed_part(old.spec):
            yield forbidden(SPEC, "only cpu and memory resources are mutable")


def _resized(wanted: Sequence[core_v1.Container], present: Sequence[core_v1.Container]) -> list[core_v1.Container]:
    if [container.name for container in wanted] != [container.name for container in present]:
        return list(wanted)
    return [
        msgspec.structs.replace(ours, resources=theirs.resources, resizePolicy=theirs.resizePolicy)
        for ours, theirs in zip(present, wanted, strict=True)
    ]


def _of_containers(
    name: str, wanted: Sequence[core_v1.Container], present: Sequence[core_v1.Container]
) -> Iterator[FieldError]:
    for index, (theirs, ours) in enumerate(zip(wanted, present, strict=True)):
        path = SPEC.child(name).index(index)
        if theirs.name != ours.name:
            yield forbidden(path.child("name"), "containers may not be renamed or reordered on resize")
            return
        before, after = ours.resources, theirs.resources
        if name == "initContainers" and not is_sidecar(ours) and before != after:
            yield forbidden(SPEC, "resources for non-sidecar init containers are immutable")
        for kind, had, has in (("limits", before.limits, after.limits), ("requests", before.requests, after.requests)):
            if any(resource in had and resource not in has for resource in RESIZABLE):
                yield forbidden(path.child("resources").child(kind), f"resource {kind} cannot be removed")


def _fixed_part(spec: core_v1.PodSpec) -> list[core_v1.Container]:
    """The containers with all that may change left out."""
    return [
        msgspec.structs.replace(container, resources=_without_resizable(container.resources))
        for container in (*spec.initContainers, *spec.containers)
    ]


def _without_resizable(resources: core_v1.ResourceRequirements) -> core_v1.ResourceRequirements:
    limits, requests = (
        {name: quantity for name, quantity in amounts.items() if name not in RESIZABLE}
        for amounts in (resources.limits, resources.requests)
    )
    return msgspec.structs.replace(resources, limits=limits, requests=requests)
