"""Helpers for the metadata that every object has."""

from __future__ import annotations

import random
from typing import ClassVar, Protocol

from timonel.api.gvk import GVK
from timonel.api.types.meta_v1 import ObjectMeta, OwnerReference


class HasMetadata(Protocol):
    """Any object with ObjectMeta."""

    metadata: ObjectMeta


class KindWithMetadata(HasMetadata, Protocol):
    """Any object of a top-level kind."""

    gvk: ClassVar[GVK]


SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
"""No vowels and no look-alikes, so that no words come up (apimachinery's util/rand)."""
_SUFFIX_LENGTH = 5
_GENERATED_MAX = 63


def key_of(obj: HasMetadata) -> str:
    """`namespace/name`, or `name` where there is no namespace."""
    namespace, name = obj.metadata.namespace, obj.metadata.name
    return f"{namespace}/{name}" if namespace else name


def random_suffix(length: int = _SUFFIX_LENGTH) -> str:
    """Letters as Kubernetes appends to generated names."""
    return "".join(random.choices(SUFFIX_LETTERS, k=length))


def generated_name(base: str) -> str:
    """A name made of a `generateName`, cut so that it fits a label, and a random suffix."""
    return base[: _GENERATED_MAX - _SUFFIX_LENGTH] + random_suffix()


def owner_reference(owner: KindWithMetadata, *, controller: bool = True) -> OwnerReference:
    """The reference to `owner` that an object it made carries; as its controller it also blocks foreground deletion."""
    return OwnerReference(
        apiVersion=owner.gvk.api_version,
        kind=owner.gvk.kind,
        name=owner.metadata.name,
        uid=owner.metadata.uid,
        controller=True if controller else None,
        blockOwnerDeletion=True if controller else None,
    )


def controller_of(obj: HasMetadata) -> OwnerReference | None:
    """The reference to the one owner that controls the object, if any does."""
    return next((owner for owner in obj.metadata.ownerReferences if owner.controller), None)


def is_controlled_by(obj: HasMetadata, owner: HasMetadata) -> bool:
    """Whether `owner`, by uid, is the object's controller."""
    controller = controller_of(obj)
    return controller is not None and controller.uid == owner.metadata.uid
