"""What one version of a definition is served by: a class of objects, and the rules of a resource."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from master.registry.base import Resource
from master.registry.custom import pruning, values
from master.registry.custom.defaulting import defaulted
from master.registry.custom.embedded import coerced
from master.registry.custom.printing import column
from master.registry.custom.rules import Asker, field_path_steps
from master.registry.custom.scale import CustomScale
from master.registry.custom.schema import MISSING, Structural, compiled, tree
from master.registry.objects import Call
from master.registry.strategy import Strategy
from master.registry.subresources import Status, Subresource, keep_metadata
from timonel.api import codec
from timonel.api.custom import CustomObject, Document
from timonel.api.errors import MethodNotAllowed
from timonel.api.fields import ErrorType, FieldError, Path, invalid
from timonel.api.gvk import GVK, version_preference
from timonel.api.types.apiextensions_v1 import CustomResourceDefinition, CustomResourceDefinitionVersion

_BLOCKING = frozenset(
    {ErrorType.REQUIRED, ErrorType.TOO_LONG, ErrorType.TOO_MANY, ErrorType.TYPE_INVALID, ErrorType.NOT_SUPPORTED}
)
"""Faults after which rules are not asked: they could not count on the value's shape."""
_UNASKED = (
    "some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation"
)


class CustomKind(CustomObject):
    """An object of one version of a definition; there is a subclass for each."""

    __slots__ = ()

    schema: ClassVar[Structural]
    list_kind: ClassVar[str]

    @classmethod
    def normalized(cls, document: Document) -> Document:
        """Pruned, with defaults, and with the metadata of embedded objects in order."""
        pruned = pruning.pruned(cls.schema, document, root=True)
        completed: Document = coerced(cls.schema, defaulted(cls.schema, pruned))
        return completed

    @classmethod
    def unknown_fields(cls, document: Document) -> Sequence[str]:
        """The paths of what pruning drops."""
        dropped: list[str] = []
        pruning.pruned(cls.schema, document, root=True, dropped=dropped)
        return dropped


class CustomStatus(Status):
    """The status, written apart: nothing else of the object changes."""

    def prepare(self, new: CustomKind, old: CustomKind, call: Call) -> None:
        """Keep all but the status, and who manages which of its fields."""
        status = new.status
        new.content = dict(old.content)
        new.status = status
        keep_metadata(new, old)


class CustomStrategy(Strategy[CustomKind]):
    """The rules of one version of a definition."""

    has_generation = True
    unconditional_update = False

    def __init__(
        self,
        definition: CustomResourceDefinition,
        version: CustomResourceDefinitionVersion,
        *,
        stands_for_all: bool = True,
    ) -> None:
        self.terminating = False
        """Set while the definition is being deleted."""
        self.kind = make_kind(definition, version)
        self.resource = make_resource(definition, self.kind)  # type: ignore[misc]  # a class each would say no more
        self._stands_for_all = stands_for_all
        self.has_status = bool(version.subresources and version.subresources.status)
        self.subresources = list(_subresources(version))
        self.columns = [column(each) for each in version.additionalPrinterColumns]
        self.selectable = dict(_selectable(version))
        self.deprecation = _deprecation(definition, version, self.kind.gvk)
        self._rules = Asker(self.kind.schema)

    @property
    def is_stored(self) -> bool:
        """Whether this version stands for the objects where all kinds are gone through; others show the same ones."""
        return self._stands_for_all

    def prepare_create(self, obj: CustomKind, call: Call) -> None:
        """A status that is written apart is not the creator's.

        Raises:
            MethodNotAllowed: the definition is being deleted.
        """
        if self.terminating:
            refusal = MethodNotAllowed(self.resource.group_resource, "create")
            refusal.message = "create not allowed while custom resource definition is terminating"
            raise refusal
        if self.has_status:
            obj.status = None

    def counted(self, obj: CustomKind) -> object:
        """Everything but metadata, and but a status that is written apart."""
        if not self.has_status:
            return obj.content
        return {name: value for name, value in obj.content.items() if name != "status"}

    def validate(self, obj: CustomKind, old: CustomKind | None) -> Iterator[FieldError]:
        """By schema, extensions and rules."""
        value = codec.to_dict(obj)
        before = codec.to_dict(old) if old else MISSING
        schema = self.kind.schema
        found = [
            *values.faults(schema.raw, value, "", before),
            *values.extension_faults(schema, value, Path("")),
            *self._scale_faults(value),
        ]
        yield from found
        if any(fault.type in _BLOCKING for fault in found):
            if schema.has_rules:
                yield invalid(values.NOWHERE, None, _UNASKED)
            return
        yield from self._rules.faults(value, before)

    def validate_status(self, new: CustomKind, old: CustomKind) -> Iterator[FieldError]:
        """As the whole object: only the status can have changed."""
        return self.validate(new, old)

    def _scale_faults(self, value: Document) -> Iterator[FieldError]:
        for sub in self.subresources:
            if isinstance(sub, CustomScale):
                yield from sub.faults(value)


def make_kind(definition: CustomResourceDefinition, version: CustomResourceDefinitionVersion) -> type[CustomKind]:
    """The class of a version's objects; its name tells definitions apart that differ."""
    names = accepted_names(definition)
    raw = codec.to_dict(version.schema.openAPIV3Schema) if version.schema and version.schema.openAPIV3Schema else {}
    if definition.spec.preserveUnknownFields:
        raw = {**raw, "x-kubernetes-preserve-unknown-fields": True}
    schema = compiled(raw)
    digest = hashlib.sha256(codec.encode(version)).hexdigest()[:12]
    has_status = bool(version.subresources and version.subresources.status)
    members = {
        "__slots__": (),
        "__module__": __name__,
        "__qualname__": f"{names.kind}_{version.name}_{digest}",
        "gvk": GVK(definition.spec.group, version.name, names.kind),
        "schema": schema,
        "tree": tree(schema, has_status=has_status),
        "list_kind": names.listKind or f"{names.kind}List",
    }
    return type(names.kind, (CustomKind,), members)


def make_resource(definition: CustomResourceDefinition, kind: type[CustomKind]) -> Resource:
    """The resource of a version, under the names that the definition was granted."""
    names = accepted_names(definition)
    return Resource(
        gvk=kind.gvk,
        plural=names.plural,
        singular=names.singular or names.kind.lower(),
        namespaced=definition.spec.scope == "Namespaced",
        struct=kind,
        short_names=tuple(names.shortNames),
        categories=tuple(names.categories),
        list_kind=kind.list_kind,
    )


def accepted_names(definition: CustomResourceDefinition) -> Any:
    """The names under which the definition is served."""
    return definition.status.acceptedNames


def _subresources(version: CustomResourceDefinitionVersion) -> Iterator[Subresource]:
    asked = version.subresources
    if asked and asked.status:
        yield CustomStatus()
    if asked and asked.scale:
        yield CustomScale(asked.scale)


def _selectable(version: CustomResourceDefinitionVersion) -> Iterator[tuple[str, Callable[[CustomKind], str]]]:
    for field in version.selectableFields:
        steps = field_path_steps(field.jsonPath) or []
        yield field.jsonPath.removeprefix("."), _reader(steps)


def _reader(steps: Sequence[str]) -> Callable[[CustomKind], str]:
    def read(obj: CustomKind) -> str:
        value: Any = obj.content
        for step in steps:
            value = value.get(step) if isinstance(value, Mapping) else None
        match value:
            case None:
                return ""
            case bool():
                return "true" if value else "false"
        return str(value)

    return read


def _deprecation(definition: CustomResourceDefinition, version: CustomResourceDefinitionVersion, gvk: GVK) -> str:
    """The version's own words, or which newer one is to be used instead of it."""
    if not version.deprecated:
        return ""
    if version.deprecationWarning:
        return version.deprecationWarning
    others = [other.name for other in definition.spec.versions if other.served and not other.deprecated]
    best = min([*others, version.name], key=version_preference)
    instead = f"; use {gvk.group}/{best} {gvk.kind}" if best != version.name else ""
    return f"{gvk.api_version} {gvk.kind} is deprecated{instead}"
