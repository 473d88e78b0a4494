"""The paths of the OpenAPI documents: which operations each resource has."""

from collections.abc import Iterator, Sequence
from typing import Any

from master.apiserver.negotiation import JSON, YAML
from master.apiserver.openapi import parameters
from master.apiserver.openapi.parameters import Parameter
from master.apiserver.openapi.schemas import GVK_KEY, V3, Dialect, gvk_extension, reference
from master.apiserver.served import GroupVersion, ServedResource, ServedSubresource
from master.registry.bodies import PATCH_TYPES
from timonel.api import scheme
from timonel.api.gvk import GVK
from timonel.api.struct import Struct
from timonel.api.types import meta_v1

Document = dict[str, Any]

_METHODS = {"get": "get", "create": "post", "update": "put", "patch": "patch", "delete": "delete"}
_ACTIONS = {"get": "get", "create": "post", "update": "put", "patch": "patch", "delete": "delete"}


def paths(gv: GroupVersion, dialect: Dialect) -> dict[str, Document]:
    """Every path of a group-version with its operations, in order."""
    render = _Renderer(gv, dialect)
    found: dict[str, Document] = {f"/{gv.path}/": render.discovery()}
    for item in gv.resources:
        found |= dict(_resource_paths(gv, item, render))
    return dict(sorted(found.items()))


def _resource_paths(gv: GroupVersion, item: ServedResource, render: "_Renderer") -> Iterator[tuple[str, Document]]:
    resource = item.resource
    scope = (parameters.NAMESPACE,) if resource.namespaced else ()
    base = f"/{gv.path}/namespaces/{{namespace}}" if resource.namespaced else f"/{gv.path}"
    collection = f"{base}/{resource.plural}"
    one = f"{collection}/{{name}}"
    yield collection, render.collection(item, scope)
    yield one, render.object(item, (parameters.NAME, *scope))
    if resource.namespaced and "list" in item.verbs:
        yield f"/{gv.path}/{resource.plural}", render.everywhere(item)
    for sub in item.subresources:
        yield f"{one}/{sub.name}", render.subresource(item, sub, (parameters.NAME, *scope))


class _Renderer:
    """Writes operations in one dialect."""

    def __init__(self, gv: GroupVersion, dialect: Dialect) -> None:
        self._dialect = dialect
        self._tag = gv.api_version.replace("/", "_").replace(".", "_") if gv.group else f"core_{gv.version}"

    def discovery(self) -> Document:
        """The operation that lists the group-version's resources."""
        return {"get": self._operation("getAPIResources", self._body(meta_v1.APIResourceList), ())}

    def collection(self, item: ServedResource, scope: Sequence[Parameter]) -> Document:
        """List, create, and delete all."""
        resource, struct = item.resource, item.resource.struct
        where = "Namespaced" if resource.namespaced else ""
        entry = self._shared(scope)
        if "list" in item.verbs:
            entry["get"] = self._list(item, f"list{where}{resource.gvk.kind}")
        if "create" in item.verbs:
            entry["post"] = self._operation(
                f"create{where}{resource.gvk.kind}",
                self._body(struct),
                parameters.WRITING,
                action="post",
                gvk=resource.gvk,
                body=(struct, [JSON, YAML]),
                codes=(200, 201, 202),
            )
        if "deletecollection" in item.verbs:
            entry["delete"] = self._operation(
                f"deletecollection{where}{resource.gvk.kind}",
                self._body(meta_v1.Status),
                (*parameters.DELETING, *parameters.LISTING[:-1]),
                action="deletecollection",
                gvk=resource.gvk,
                body=(meta_v1.DeleteOptions, [JSON, YAML]),
            )
        return entry

    def everywhere(self, item: ServedResource) -> Document:
        """List over all namespaces."""
        return self._shared(()) | {"get": self._list(item, f"list{item.resource.gvk.kind}ForAllNamespaces")}

    def object(self, item: ServedResource, scope: Sequence[Parameter]) -> Document:
        """Read, replace, patch and delete of one object."""
        where = "Namespaced" if item.resource.namespaced else ""
        verbs = [verb for verb in ("get", "update", "patch", "delete") if verb in item.verbs]
        return self._object(scope, verbs, item.resource.gvk, item.resource.struct, where, "")

    def subresource(self, item: ServedResource, sub: ServedSubresource, scope: Sequence[Parameter]) -> Document:
        """The operations of a subresource."""
        where = "Namespaced" if item.resource.namespaced else ""
        suffix = sub.name.capitalize()
        if sub.name in parameters.CONNECTING:
            return self._connect(item, sub, scope, where, suffix)
        return self._object(scope, sub.verbs, sub.gvk, sub.struct, where, suffix, item.resource.gvk.kind)

    def _connect(
        self, item: ServedResource, sub: ServedSubresource, scope: Sequence[Parameter], where: str, suffix: str
    ) -> Document:
        kind = item.resource.gvk.kind
        text = self._responses((200,), {"type": "string"})
        entry = self._shared(scope)
        for verb in sub.verbs:
            method = _METHODS[verb]
            name = f"{'read' if sub.name == 'log' else 'connect' + method.capitalize()}{where}{kind}{suffix}"
            action = "get" if sub.name == "log" else "connect"
            entry[method] = self._operation(name, text, parameters.CONNECTING[sub.name], action=action, gvk=sub.gvk)
        return entry

    def _object(
        self,
        scope: Sequence[Parameter],
        verbs: Sequence[str],
        gvk: GVK,
        struct: type[Struct] | None,
        where: str,
        suffix: str,
        kind: str = "",
    ) -> Document:
        entry = self._shared(scope)
        options: dict[
            str, tuple[Sequence[Parameter], tuple[type[Struct] | None, list[str]] | None, tuple[int, ...]]
        ] = {
            "get": ((), None, (200,)),
            "create": (parameters.WRITING, (struct, [JSON, YAML]), (200, 201, 202)),
            "update": (parameters.WRITING, (struct, [JSON, YAML]), (200, 201)),
            "patch": (parameters.PATCHING, (None, list(PATCH_TYPES)), (200, 201)),
            "delete": (parameters.DELETING, (meta_v1.DeleteOptions, [JSON, YAML]), (200, 202)),
        }
        words = {"get": "read", "update": "replace"}
        for verb in verbs:
            params, body, codes = options[verb]
            answer = meta_v1.Status if verb == "delete" else struct
            entry[_METHODS[verb]] = self._operation(
                f"{words.get(verb, verb)}{where}{kind or gvk.kind}{suffix}",
                self._body(answer),
                params,
                action=_ACTIONS[verb],
                gvk=gvk,
                body=body,
                codes=codes,
            )
        return entry

    def _list(self, item: ServedResource, operation_id: str) -> Document:
        gvk = item.resource.gvk
        struct = scheme.lookup(GVK(gvk.group, gvk.version, f"{gvk.kind}List"))
        return self._operation(operation_id, self._body(struct), parameters.LISTING, action="list", gvk=gvk)

    def _shared(self, scope: Sequence[Parameter]) -> Document:
        return {"parameters": [self._parameter(parameter) for parameter in (*scope, parameters.PRETTY)]}

    def _operation(
        self,
        operation_id: str,
        answer: Document,
        params: Sequence[Parameter],
        *,
        action: str = "",
        gvk: GVK | None = None,
        body: tuple[type[Struct] | None, list[str]] | None = None,
        codes: tuple[int, ...] = (200,),
    ) -> Document:
        operation: Document = {
            "operationId": f"{operation_id[:1].lower()}{self._camel(operation_id)}",
            "tags": [self._tag],
            "parameters": [self._parameter(parameter) for parameter in params],
            "responses": answer if "200" in answer else self._responses(codes, answer),
        }
        if self._dialect is not V3:
            operation |= {"consumes": body[1] if body else ["*/*"], "produces": [JSON, YAML], "schemes": ["https"]}
        if body:
            self._add_body(operation, *body)
        if action:
            operation["x-kubernetes-action"] = action
        if gvk:
            operation[GVK_KEY] = gvk_extension(gvk)
        return operation

    def _camel(self, operation_id: str) -> str:
        """An operation's name is unique over all groups: the verb's word is followed by the group-version."""
        group = "".join(part.capitalize() for part in self._tag.split("_"))
        verb_end = next((i for i, letter in enumerate(operation_id) if letter.isupper()), len(operation_id))
        return f"{operation_id[1:verb_end]}{group}{operation_id[verb_end:]}"

    def _add_body(self, operation: Document, struct: type[Struct] | None, media_types: list[str]) -> None:
        schema = self._body(struct)
        required = struct is not meta_v1.DeleteOptions
        if self._dialect is V3:
            content = {media_type: {"schema": schema} for media_type in media_types}
            operation["requestBody"] = {"content": content, "required": required}
        else:
            operation["parameters"].append({"name": "body", "in": "body", "required": required, "schema": schema})

    def _body(self, struct: type[Struct] | None) -> Document:
        return reference(struct, self._dialect) if struct else {"type": "object"}

    def _responses(self, codes: tuple[int, ...], schema: Document) -> Document:
        names = {200: "OK", 201: "Created", 202: "Accepted"}
        content: Document = {"schema": schema}
        if self._dialect is V3:
            content = {"content": {media_type: {"schema": schema} for media_type in (JSON, YAML)}}
        responses: Document = {str(code): {"description": names[code], **content} for code in codes}
        return responses | {"401": {"description": "Unauthorized"}}

    def _parameter(self, parameter: Parameter) -> Document:
        schema: Document = {"type": parameter.type, "uniqueItems": True}
        entry = {"name": parameter.name, "in": parameter.where, "description": parameter.description}
        if parameter.where == "path":
            entry["required"] = True  # type: ignore[assignment]  # OpenAPI wants it on path parameters only
        return entry | ({"schema": schema} if self._dialect is V3 else schema)
