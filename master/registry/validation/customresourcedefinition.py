"""The rules of CustomResourceDefinitions, their schemas' own aside (apiextensions-apiserver, package validation)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from master.registry.custom.rules import field_path_steps
from master.registry.custom.schemarules import schema_faults
from master.registry.validation.common import is_port, obeys, one_of, repeats, unchanged
from timonel.api import codec, names
from timonel.api.fields import FieldError, Path, duplicate, forbidden, invalid, required, too_many
from timonel.api.types import apiextensions_v1 as v1

SPEC = Path("spec")
STORED = Path("status.storedVersions")
COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
MAX_SELECTABLE = 8
MAX_DEPRECATION = 256
NOT_SELECTABLE = (
    "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed."
)
NO_OBJECT = 'only "object" is allowed as the type at the root of the schema if the status subresource is enabled'
REVIEW_VERSIONS = ("v1", "v1beta1")
PROTECTED = re.compile(r"(.*\.)?(k8s|kubernetes)\.io")
APPROVAL = "api-approved.kubernetes.io"
NEEDS_APPROVAL = f'protected groups must have approval annotation "{APPROVAL}"'
SEE_APPROVAL = "see https://github.com/kubernetes/enhancements/pull/1111"


def validate_definition(
    definition: v1.CustomResourceDefinition, old: v1.CustomResourceDefinition | None, *, established: bool
) -> Iterator[FieldError]:
    """The faults of a definition, and of its change; once ``established``, what names its objects stays."""
    spec = definition.spec
    name = f"{spec.names.plural}.{spec.group}"
    if definition.metadata.name and definition.metadata.name != name:
        yield invalid(Path("metadata.name"), definition.metadata.name, 'must be spec.names.plural+"."+spec.group')
    yield from _group_faults(definition, old)
    yield from one_of(SPEC.child("scope"), spec.scope, ("Cluster", "Namespaced"))
    if spec.preserveUnknownFields and not (old and old.spec.preserveUnknownFields):
        why = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        yield invalid(SPEC.child("preserveUnknownFields"), True, why)
    yield from _versions_faults(spec)
    yield from names_faults(spec.names, SPEC.child("names"), needed=True)
    yield from _conversion_faults(spec.conversion, SPEC.child("conversion"))
    if old is None:
        if not any(version.storage for version in spec.versions):
            yield invalid(STORED, None, "must have at least one stored version")
        return
    yield from unchanged(spec, old.spec, "group", path=SPEC)
    yield from unchanged(spec.names, old.spec.names, "plural", path=SPEC.child("names"))
    if established:
        yield from unchanged(spec, old.spec, "scope", path=SPEC)
        yield from unchanged(spec.names, old.spec.names, "kind", path=SPEC.child("names"))
    yield from stored_faults(definition)


def stored_faults(definition: v1.CustomResourceDefinition) -> Iterator[FieldError]:
    """No version goes in which objects may be stored."""
    stored = definition.status.storedVersions
    known = {version.name for version in definition.spec.versions}
    if not stored:
        yield invalid(STORED, stored, "must have at least one stored version")
        return
    for version in definition.spec.versions:
        if version.storage and version.name not in stored:
            yield invalid(STORED, stored, f"must have the storage version {version.name}")
    for index, name in enumerate(stored):
        if name not in known:
            why = (
                f"missing from spec.versions; {name} was previously a storage version, and must remain in "
                f"spec.versions until a storage migration ensures no data remains persisted in {name} and removes "
                f"{name} from status.storedVersions"
            )
            yield invalid(STORED.index(index), name, why)


def names_faults(given: v1.CustomResourceDefinitionNames, path: Path, *, needed: bool) -> Iterator[FieldError]:
    """The faults of the names under which a kind is served."""
    for field in ("plural", "singular", "kind", "listKind"):
        value = getattr(given, field) or ""
        if not value:
            if needed:
                yield required(path.child(field))
            continue
        mixed = field in ("kind", "listKind")
        faults = names.label_1035(value.lower() if mixed else value)
        if faults:
            prefix = "may have mixed case, but should otherwise match: " if mixed else ""
            yield invalid(path.child(field), value, prefix + ",".join(faults))
    for field in ("shortNames", "categories"):
        for index, value in enumerate(getattr(given, field)):
            if faults := names.label_1035(value):
                yield invalid(path.child(field).index(index), value, ",".join(faults))
    if given.kind and given.kind == given.listKind:
        yield invalid(path.child("listKind"), given.listKind, "kind and listKind may not be the same")


def _group_faults(
    definition: v1.CustomResourceDefinition, old: v1.CustomResourceDefinition | None
) -> Iterator[FieldError]:
    group, path = definition.spec.group, SPEC.child("group")
    if not group:
        yield required(path)
    elif faults := names.subdomain(group):
        yield invalid(path, group, ",".join(faults))
    elif "." not in group:
        yield invalid(path, group, "should be a domain with at least one dot")
    yield from approval_faults(definition, old)


def approval_faults(
    definition: v1.CustomResourceDefinition, old: v1.CustomResourceDefinition | None
) -> Iterator[FieldError]:
    """A definition in one of Kubernetes' own groups says whether Kubernetes has approved it."""
    group, approval = definition.spec.group, definition.metadata.annotations.get(APPROVAL, "")
    if PROTECTED.fullmatch(group) and (old is None or old.metadata.annotations.get(APPROVAL, "") != approval):
        at = Path("metadata.annotations").key(APPROVAL)
        if not approval:
            yield required(at, f"{NEEDS_APPROVAL}, {SEE_APPROVAL}")
        elif not (approval.startswith("unapproved") or urlsplit(approval).scheme):
            why = 'with either a URL or a reason starting with "unapproved"'
            yield invalid(at, approval, f"{NEEDS_APPROVAL} {why}, {SEE_APPROVAL}")


# Versions


def _versions_faults(spec: v1.CustomResourceDefinitionSpec) -> Iterator[FieldError]:
    path = SPEC.child("versions")
    for index, version in enumerate(spec.versions):
        if not (version.schema and version.schema.openAPIV3Schema):
            yield required(path.index(index).child("schema", "openAPIV3Schema"))
    for index, version in enumerate(spec.versions):
        at = path.index(index)
        if faults := names.label_1035(version.name):
            yield invalid(at.child("name"), version.name, ",".join(faults))
        yield from _deprecation_faults(version, at.child("deprecationWarning"))
        for field in _PARTS:
            if not _is_shared(spec, field):
                yield from _part_faults(version, field, at.child(field))
    found = [version.name for version in spec.versions]
    if len(set(found)) != len(found):
        yield invalid(path, found, "must contain unique version names")
    if sum(version.storage for version in spec.versions) != 1:
        yield invalid(path, found or None, "must have exactly one version marked as storage version")
    if found and found[0] and (faults := names.label_1035(found[0])):
        yield invalid(SPEC.child("version"), found[0], ",".join(faults))
    for field, shared in _PARTS.items():
        if _is_shared(spec, field):
            yield from _part_faults(spec.versions[0], field, SPEC.child(shared))


_PARTS = {
    "schema": "validation",
    "subresources": "subresources",
    "additionalPrinterColumns": "additionalPrinterColumns",
    "selectableFields": "selectableFields",
}
"""The parts of versions, and how Kubernetes names each where all versions have the same."""


def _is_shared(spec: v1.CustomResourceDefinitionSpec, field: str) -> bool:
    parts = [getattr(version, field) for version in spec.versions]
    return bool(parts) and bool(parts[0]) and all(part == parts[0] for part in parts)


def _part_faults(version: v1.CustomResourceDefinitionVersion, field: str, path: Path) -> Iterator[FieldError]:
    schema = version.schema.openAPIV3Schema if version.schema else None
    raw = codec.to_dict(schema) if schema else {}
    match field:
        case "schema" if schema is not None:
            at, kind = path.child("openAPIV3Schema"), raw.get("type", "object")
            if kind != "object" and version.subresources and version.subresources.status:
                yield invalid(at.child("type"), kind, NO_OBJECT)
            yield from schema_faults(raw, at)
        case "subresources":
            yield from _scale_faults(version.subresources, path)
        case "additionalPrinterColumns":
            for index, column in enumerate(version.additionalPrinterColumns):
                yield from _column_faults(column, path.index(index))
        case "selectableFields" if schema is None and version.selectableFields:
            yield invalid(path, "", "may only be set when validations.schema is included")
        case "selectableFields":
            yield from _selectable_faults(version.selectableFields, raw, path)


def _deprecation_faults(version: v1.CustomResourceDefinitionVersion, path: Path) -> Iterator[FieldError]:
    text = version.deprecationWarning
    if text is None:
        return
    if not version.deprecated:
        yield invalid(path, text, "can only be set for deprecated versions")
    if len(text) > MAX_DEPRECATION:
        yield invalid(path, text, f"must be <= {MAX_DEPRECATION} characters long")
    if not text:
        yield invalid(path, text, "must not be an empty string")
    bad = next((index for index, letter in enumerate(text) if not letter.isprintable()), None)
    if bad is not None:
        why = f"must only contain printable UTF-8 characters; non-printable character found at index {bad}"
        yield invalid(path, text, why)


def _scale_faults(subresources: v1.CustomResourceSubresources | None, path: Path) -> Iterator[FieldError]:
    scale = subresources.scale if subresources else None
    if scale is None:
        return
    for field, roots in (("specReplicasPath", (".spec.",)), ("statusReplicasPath", (".status.",))):
        value, at = getattr(scale, field), path.child("scale", field)
        if not value:
            yield required(at)
        else:
            yield from _path_faults(value, at, roots)
    if scale.labelSelectorPath:
        yield from _path_faults(
            scale.labelSelectorPath, path.child("scale", "labelSelectorPath"), (".spec.", ".status.")
        )


def _path_faults(value: str, path: Path, roots: tuple[str, ...] = ()) -> Iterator[FieldError]:
    if not value.startswith("."):
        yield invalid(path, value, "must be a simple json path starting with .")
    elif roots and not value.startswith(roots):
        words = " or ".join(root.rstrip(".") for root in roots)
        either = "either " if len(roots) > 1 else ""
        yield invalid(path, value, f"should be a json path under {either}{words}")


def _column_faults(column: v1.CustomResourceColumnDefinition, path: Path) -> Iterator[FieldError]:
    if not column.name:
        yield required(path.child("name"))
    kinds, formats = f"must be one of {','.join(COLUMN_TYPES)}", f"must be one of {','.join(COLUMN_FORMATS)}"
    if not column.type:
        yield required(path.child("type"), kinds)
    elif column.type not in COLUMN_TYPES:
        yield invalid(path.child("type"), column.type, kinds)
    if column.format and column.format not in COLUMN_FORMATS:
        yield invalid(path.child("format"), column.format, formats)
    if not column.jsonPath:
        yield required(path.child("JSONPath"))
    else:
        yield from _path_faults(column.jsonPath, path.child("JSONPath"))


def _selectable_faults(fields: list[v1.SelectableField], schema: Any, path: Path) -> Iterator[FieldError]:
    seen: set[str] = set()
    for index, field in enumerate(fields):
        at = path.index(index).child("jsonPath")
        if not field.jsonPath:
            yield required(at)
            continue
        if not field.jsonPath.startswith((".", "[")):
            yield invalid(at, field.jsonPath, f"is an invalid path: expected [ or . but got: {field.jsonPath}")
            continue
        steps = field_path_steps(field.jsonPath)
        node = schema
        for step in steps or [""]:
            node = (node.get("properties") or {}).get(step) if isinstance(node, dict) else None
        if node is None:
            yield invalid(at, field.jsonPath, "is an invalid path: does not refer to a valid field")
        elif steps and steps[0] == "metadata":
            yield invalid(at, field.jsonPath, "must not point to fields in metadata")
        elif node.get("type") not in ("string", "boolean", "integer"):
            yield invalid(at, field.jsonPath, NOT_SELECTABLE)
        if field.jsonPath in seen:
            yield duplicate(at, field.jsonPath)
        seen.add(field.jsonPath)
    if len(seen) > MAX_SELECTABLE:
        yield too_many(path, len(seen), MAX_SELECTABLE)


# Conversion


def _conversion_faults(conversion: v1.CustomResourceConversion | None, path: Path) -> Iterator[FieldError]:
    if conversion is None:
        return
    yield from one_of(path.child("strategy"), conversion.strategy, ("None", "Webhook"))
    webhook = conversion.webhook or v1.WebhookConversion()
    client, versions = webhook.clientConfig, webhook.conversionReviewVersions
    at_client, at = path.child("webhookClientConfig"), path.child("conversionReviewVersions")
    if conversion.strategy != "Webhook":
        for given, where in (client, at_client), (versions, at):
            if given:
                yield forbidden(where, "should not be set when strategy is not set to Webhook")
        return
    yield from _client_faults(client, at_client)
    if not versions:
        yield required(at)
    elif not set(versions) & set(REVIEW_VERSIONS):
        yield invalid(at, versions, f"must include at least one of {', '.join(REVIEW_VERSIONS)}")
    again = repeats(versions)
    for index, version in enumerate(versions):
        if again[index]:
            yield invalid(at.index(index), version, "duplicate version")
        yield from obeys(at.index(index), version, names.label_1035)


def _client_faults(client: v1.WebhookClientConfig | None, path: Path) -> Iterator[FieldError]:
    if client is None:
        yield required(path, "required when strategy is set to Webhook")
    elif (client.url is None) == (client.service is None):
        yield required(path, "exactly one of url or service is required")
    elif client.url is not None:
        yield from _url_faults(client.url, path.child("url"))
    elif client.service is not None:
        for field in ("name", "namespace"):
            if not getattr(client.service, field):
                yield required(path.child("service", field))
        yield from is_port(path.child("service", "port"), client.service.port or 0)


def _url_faults(url: str, path: Path) -> Iterator[FieldError]:
    parts = urlsplit(url)
    form = "; desired format: https://host[/path]"
    checks: list[tuple[Callable[[], bool], str]] = [
        (lambda: parts.scheme == "https", f"'https' is the only allowed URL scheme{form}"),
        (lambda: bool(parts.hostname), f"host must be specified{form}"),
        (lambda: parts.username is None, f"user information is not permitted in the URL{form}"),
        (lambda: not parts.fragment, f"fragments are not permitted in the URL{form}"),
        (lambda: not parts.query, f"query parameters are not permitted in the URL{form}"),
    ]
    yield from (invalid(path, url, why) for holds, why in checks if not holds())
