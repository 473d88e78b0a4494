"""The rules of a container's environment."""

from collections.abc import Iterator, Mapping, Sequence

from master.registry.validation.common import is_given, is_subdomain
from master.registry.validation.references import (
    FIELDS_OF_VARIABLES,
    validate_field_reference,
    validate_resource_reference,
)
from timonel.api import names
from timonel.api.fields import FieldError, Path, invalid, not_found, required
from timonel.api.types import core_v1

KeyReference = core_v1.ConfigMapKeySelector | core_v1.SecretKeySelector
Source = core_v1.ConfigMapEnvSource | core_v1.SecretEnvSource

SOURCES = "`fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
TOO_MANY = "may not have more than one field specified at a time"


def validate_env(variables: Sequence[core_v1.EnvVar], path: Path) -> Iterator[FieldError]:
    """Variables, each with one value."""
    for index, variable in enumerate(variables):
        at = path.index(index)
        yield from is_given(at.child("name"), variable.name, names.env_var)
        if variable.valueFrom:
            yield from _value_from(variable, variable.valueFrom, at.child("valueFrom"))


def _value_from(variable: core_v1.EnvVar, source: core_v1.EnvVarSource, path: Path) -> Iterator[FieldError]:
    given = [name for name in source.__struct_fields__ if getattr(source, name) is not None]
    if source.fieldRef:
        yield from validate_field_reference(source.fieldRef, FIELDS_OF_VARIABLES, path.child("fieldRef"))
    if source.resourceFieldRef:
        yield from validate_resource_reference(source.resourceFieldRef, path.child("resourceFieldRef"), named=False)
    for name in ("configMapKeyRef", "secretKeyRef"):
        reference: KeyReference | None = getattr(source, name)
        if reference:
            yield from _key(reference, path.child(name))
    if source.fileKeyRef:
        yield from _file(source.fileKeyRef, path.child("fileKeyRef"))
    if not given:
        yield invalid(path, "", f"must specify one of: {SOURCES}")
    if variable.value and given:
        yield invalid(path, "", "may not be specified when `value` is not empty")
    elif len(given) > 1:
        yield invalid(path, "", TOO_MANY)


def _key(reference: KeyReference, path: Path) -> Iterator[FieldError]:
    yield from is_subdomain(path.child("name"), reference.name or "")
    yield from is_given(path.child("key"), reference.key, names.config_key)


def _named(name: str | None, path: Path) -> Iterator[FieldError]:
    yield from is_given(path.child("name"), name, names.subdomain)


def _file(reference: core_v1.FileKeySelector, path: Path) -> Iterator[FieldError]:
    yield from is_given(path.child("key"), reference.key, names.env_var)
    yield from is_given(path.child("volumeName"), reference.volumeName, names.label)
    if not reference.path:
        yield required(path.child("path"))
    elif ".." in reference.path.split("/"):
        yield invalid(path.child("path"), reference.path, "must not contain '..'")


def validate_file_volumes(
    variables: Sequence[core_v1.EnvVar], volumes: Mapping[str, core_v1.Volume], path: Path
) -> Iterator[FieldError]:
    """Files with variables are in directories that the pod's containers write."""
    for index, variable in enumerate(variables):
        reference = variable.valueFrom and variable.valueFrom.fileKeyRef
        if reference:
            at = path.index(index).child("valueFrom.fileKeyRef.volumeName")
            volume = volumes.get(reference.volumeName)
            if volume is None:
                yield not_found(at, reference.volumeName)
            elif volume.emptyDir is None:
                yield invalid(at, reference.volumeName, "referenced volume must be of type emptyDir")


def validate_env_from(sources: Sequence[core_v1.EnvFromSource], path: Path) -> Iterator[FieldError]:
    """Whole ConfigMaps and Secrets as variables."""
    for index, source in enumerate(sources):
        at = path.index(index)
        for fault in names.env_var(source.prefix) if source.prefix else ():
            yield invalid(at.child("prefix"), source.prefix, fault)
        given = [name for name in ("configMapRef", "secretRef") if getattr(source, name)]
        for name in given:
            reference: Source = getattr(source, name)
            yield from _named(reference.name, at.child(name))
        if not given:
            yield invalid(path, "", "must specify one of: `configMapRef` or `secretRef`")
        if len(given) > 1:
            yield invalid(path, "", TOO_MANY)
