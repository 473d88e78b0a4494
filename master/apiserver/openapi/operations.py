"""Which operations each path of a group-version has, before any version of OpenAPI words them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from master.apiserver.negotiation import JSON, YAML
from master.apiserver.openapi import parameters
from master.apiserver.openapi.custom import AnyStruct, ListOf
from master.apiserver.openapi.parameters import Parameter
from master.apiserver.served import GroupVersion, ServedResource, ServedSubresource
from master.registry.bodies import patch_types
from timonel.api import scheme
from timonel.api.custom import CustomObject
from timonel.api.gvk import GVK
from timonel.api.types import meta_v1

OBJECT_TYPES = (JSON, YAML)


@dataclass(frozen=True, slots=True)
class Body:
    """What a request brings; a patch is of no Struct."""

    struct: AnyStruct | None
    media_types: tuple[str, ...] = OBJECT_TYPES
    required: bool = True


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of a path."""

    method: str
    verb: str
    """The first word of its name: list, read, replace, ..."""
    subject: str
    """The rest of its name: NamespacedPodStatus."""
    answer: AnyStruct | None
    """None for plain text."""
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    codes: tuple[int, ...] = (200,)
    action: str = ""
    gvk: GVK | None = None


@dataclass(frozen=True, slots=True)
class Path:
    """A path: the parameters in it, and its operations."""

    url: str
    parameters: tuple[Parameter, ...]
    operations: tuple[Operation, ...]


_CONNECTS = {
    "delete": "delete",
    "get": "get",
    "head": "get",
    "options": "get",
    "patch": "patch",
    "post": "create",
    "put": "update",
}
"""The methods by which one connects, and the verb that each needs."""

_DELETE_OPTIONS = Body(meta_v1.DeleteOptions, required=False)


def paths(gv: GroupVersion) -> list[Path]:
    """Every path of a group-version, in order."""
    resources = Operation("get", "get", "APIResources", meta_v1.APIResourceList)
    found = [Path(f"/{gv.path}/", (), (resources,))]
    for item in gv.resources:
        found.extend(_resource_paths(gv, item))
    return sorted((path for path in found if path.operations), key=lambda path: path.url)


def _resource_paths(gv: GroupVersion, item: ServedResource) -> Iterator[Path]:
    resource = item.resource
    scope = (parameters.NAMESPACE,) if resource.namespaced else ()
    base = f"/{gv.path}/namespaces/{{namespace}}" if resource.namespaced else f"/{gv.path}"
    where = "Namespaced" if resource.namespaced else ""
    subject = f"{where}{resource.gvk.kind}"
    named = (parameters.NAME, *scope)
    one = f"{base}/{resource.plural}/{{name}}"
    yield Path(f"{base}/{resource.plural}", scope, tuple(_collection(item, subject)))
    yield Path(one, named, tuple(_object(item.verbs, subject, resource.gvk, resource.struct)))
    if resource.namespaced and "list" in item.verbs:
        yield Path(f"/{gv.path}/{resource.plural}", (), (_list(item, f"{resource.gvk.kind}ForAllNamespaces"),))
    for sub in item.subresources:
        operations = tuple(_subresource(sub, f"{subject}{sub.name.capitalize()}"))
        yield Path(f"{one}/{sub.name}", named, operations)
        if sub.name == "proxy":
            below = tuple(replace(each, subject=f"{each.subject}WithPath", parameters=()) for each in operations)
            yield Path(f"{one}/{sub.name}/{{path}}", (*named, parameters.PATH), below)


def _collection(item: ServedResource, subject: str) -> Iterator[Operation]:
    """List, create, and delete all."""
    gvk, struct = item.resource.gvk, item.resource.struct
    if "list" in item.verbs:
        yield _list(item, subject)
    if "create" in item.verbs:
        yield _create(subject, gvk, struct)
    if "deletecollection" in item.verbs:
        options = (*parameters.DELETING, *(each for each in parameters.LISTING if each.name != "watch"))
        yield Operation(
            "delete",
            "delete",
            f"Collection{subject}",
            meta_v1.Status,
            options,
            body=_DELETE_OPTIONS,
            action="deletecollection",
            gvk=gvk,
        )


def _list(item: ServedResource, subject: str) -> Operation:
    gvk = item.resource.gvk
    kind = item.resource.struct
    struct: AnyStruct | None = scheme.lookup(item.resource.list_gvk)
    if struct is None and kind is not None and issubclass(kind, CustomObject):
        struct = ListOf(kind, item.resource.list_gvk.kind)
    options = parameters.LISTING if "watch" in item.verbs else parameters.LISTING_ONLY
    return Operation("get", "list", subject, struct, options, action="list", gvk=gvk)


def _create(subject: str, gvk: GVK, struct: AnyStruct | None) -> Operation:
    codes = (200, 201, 202)
    options = parameters.WRITING
    return Operation("post", "create", subject, struct, options, Body(struct), codes, action="post", gvk=gvk)


def _object(verbs: Sequence[str], subject: str, gvk: GVK, struct: AnyStruct | None) -> Iterator[Operation]:
    """Read, replace, patch and delete."""
    if "get" in verbs:
        yield Operation("get", "read", subject, struct, action="get", gvk=gvk)
    if "update" in verbs:
        options = parameters.WRITING
        yield Operation("put", "replace", subject, struct, options, Body(struct), (200, 201), action="put", gvk=gvk)
    if "patch" in verbs:
        body = Body(None, patch_types(struct))
        options = parameters.PATCHING
        yield Operation("patch", "patch", subject, struct, options, body, (200, 201), action="patch", gvk=gvk)
    if "delete" in verbs:
        options, status = parameters.DELETING, meta_v1.Status
        yield Operation(
            "delete", "delete", subject, status, options, _DELETE_OPTIONS, (200, 202), action="delete", gvk=gvk
        )


def _subresource(sub: ServedSubresource, subject: str) -> Iterator[Operation]:
    if sub.name not in parameters.CONNECTING:
        yield from _object(sub.verbs, subject, sub.gvk, sub.struct)
        if "create" in sub.verbs:
            yield _create(subject, sub.gvk, sub.struct)
        return
    options = parameters.CONNECTING[sub.name]
    if sub.name == "log":
        yield Operation("get", "read", subject, None, options, action="get", gvk=sub.gvk)
        return
    for method, verb in _CONNECTS.items():
        if verb in sub.verbs and (sub.name == "proxy" or method in ("get", "post")):
            named = f"{method.capitalize()}{subject}"
            yield Operation(method, "connect", named, None, options, action="connect", gvk=sub.gvk)
