"""The rules of metadata, the same for every kind (apimachinery's api/validation)."""

from collections.abc import Iterator, Mapping, Sequence

from master.registry.base import Resource
from master.registry.strategy import AnyStrategy
from master.registry.validation.common import is_given, obeys
from timonel.api import codec, names
from timonel.api.fields import FieldError, Path, duplicate, forbidden, invalid, required, too_long
from timonel.api.types.meta_v1 import ObjectMeta, OwnerReference

METADATA = Path("metadata")
ANNOTATIONS_MAX = 256 * 1024
IMMUTABLE = "field is immutable"
STANDARD_FINALIZERS = frozenset({"kubernetes", "orphan", "foregroundDeletion"})


def validate_meta(
    meta: ObjectMeta, resource: Resource, strategy: AnyStrategy, path: Path = METADATA
) -> Iterator[FieldError]:
    """The faults of the metadata of a new object."""
    if meta.generateName:
        for fault in strategy.validate_name(names.prefix(meta.generateName)):
            yield invalid(path.child("generateName"), meta.generateName, fault)
    if meta.name:
        for fault in strategy.validate_name(meta.name):
            yield invalid(path.child("name"), meta.name, fault)
    else:
        yield required(path.child("name"), "name or generateName is required")
    if resource.namespaced:
        yield from is_given(path.child("namespace"), meta.namespace, names.label)
    yield from validate_common(meta, path)


def validate_meta_update(
    new: ObjectMeta, old: ObjectMeta, resource: Resource, strategy: AnyStrategy, path: Path = METADATA
) -> Iterator[FieldError]:
    """The faults of changed metadata; name and namespace are known to be the same."""
    for field in ("uid", "deletionTimestamp", "deletionGracePeriodSeconds"):
        if getattr(new, field) != getattr(old, field):
            yield invalid(path.child(field), getattr(new, field), IMMUTABLE)
    if old.deletionTimestamp:
        added = sorted(set(new.finalizers).difference(old.finalizers))
        if added:
            listed = ", ".join(f'"{finalizer}"' for finalizer in added)
            why = "no new finalizers can be added if the object is being deleted"
            yield forbidden(path.child("finalizers"), f"{why}, found new finalizers []string{{{listed}}}")
    if (new.labels, new.annotations, new.finalizers, new.ownerReferences) != (
        old.labels,
        old.annotations,
        old.finalizers,
        old.ownerReferences,
    ):
        yield from validate_common(new, path)


def validate_common(meta: ObjectMeta, path: Path) -> Iterator[FieldError]:
    """The faults of what is alike in new and changed metadata, and in that of an object inside an object."""
    if meta.labels:
        yield from validate_labels(meta.labels, path.child("labels"))
    if meta.annotations:
        yield from validate_annotations(meta.annotations, path.child("annotations"))
    if meta.ownerReferences:
        yield from _owners(meta.ownerReferences, path.child("ownerReferences"))
    if meta.finalizers:
        yield from _finalizers(meta.finalizers, path.child("finalizers"))


def validate_labels(labels: Mapping[str, str], path: Path) -> Iterator[FieldError]:
    """The faults of labels' keys and values."""
    for key, value in labels.items():
        yield from obeys(path, key, names.qualified)
        yield from obeys(path, value, names.label_value)


def validate_annotations(annotations: Mapping[str, str], path: Path) -> Iterator[FieldError]:
    """The faults of annotations: their keys, and the size of all together."""
    for key in annotations:
        for fault in names.qualified(key.lower()):
            yield invalid(path, key, fault)
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > ANNOTATIONS_MAX:
        yield too_long(path, ANNOTATIONS_MAX)


def _owners(owners: Sequence[OwnerReference], path: Path) -> Iterator[FieldError]:
    controllers = []
    for index, owner in enumerate(owners):
        at = path.index(index)
        if not owner.apiVersion or owner.apiVersion.count("/") > 1:
            yield invalid(path.child("apiVersion"), owner.apiVersion, "version must not be empty")
        for field in ("kind", "name", "uid"):
            if not getattr(owner, field):
                yield invalid(path.child(field), "", "must not be empty")
        if (owner.apiVersion, owner.kind) == ("v1", "Event"):
            yield invalid(at, owner.kind, "Event is disallowed from being an owner")
        if owner.controller:
            controllers.append(owner)
    if len(controllers) > 1:
        first, second = controllers[0], controllers[1]
        yield invalid(
            path,
            [codec.to_dict(owner) for owner in owners],
            "Only one reference can have Controller set to true. "
            f'Found "true" in references for {first.kind}/{first.name} and {second.kind}/{second.name}',
        )


def validate_finalizer(finalizer: str, path: Path) -> Iterator[FieldError]:
    """The faults of one finalizer: it is one of Kubernetes' own or a fully qualified name."""
    yield from obeys(path, finalizer, names.qualified)
    if "/" not in finalizer and finalizer not in STANDARD_FINALIZERS:
        yield invalid(path, finalizer, "name is neither a standard finalizer name nor is it fully qualified")


def _finalizers(finalizers: Sequence[str], path: Path) -> Iterator[FieldError]:
    seen: set[str] = set()
    for index, finalizer in enumerate(finalizers):
        yield from validate_finalizer(finalizer, path.index(index))
        if finalizer in seen:
            yield duplicate(path.index(index), finalizer)
        seen.add(finalizer)
    if {"orphan", "foregroundDeletion"} <= set(finalizers):
        yield invalid(path, finalizers, "finalizer orphan and foregroundDeletion cannot be both set")
