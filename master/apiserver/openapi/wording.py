"""Words operations as one version of OpenAPI has them."""

import re
from http import HTTPStatus
from typing import Any

from master.apiserver.openapi import parameters, simple
from master.apiserver.openapi.custom import AnyStruct
from master.apiserver.openapi.operations import OBJECT_TYPES, Body, Operation, Path
from master.apiserver.openapi.parameters import Parameter
from master.apiserver.openapi.schemas import GVK_KEY, V3, Dialect, gvk_extension, reference
from master.apiserver.served import GroupVersion
from timonel.api.types import meta_v1

Document = dict[str, Any]

_ALWAYS = (400, 401, 403, 404, 406, 429)
_WITH_A_BODY = (409, 413, 415, 422)
_OF_COLLECTIONS = (410, 422)


def path_item(path: Path, gv: GroupVersion, dialect: Dialect) -> Document:
    """A path with its operations."""
    shared = [_parameter(each, dialect) for each in (*path.parameters, parameters.PRETTY)]
    operations = {operation.method: _operation(operation, gv, dialect) for operation in path.operations}
    return {"parameters": shared, **operations}


def _operation(operation: Operation, gv: GroupVersion, dialect: Dialect) -> Document:
    group = _words(gv.group.removesuffix(".k8s.io") or "core")
    tag = f"{group}_{gv.version}"
    document: Document = {
        "operationId": f"{operation.verb}{_upper(group)}{_upper(gv.version)}{operation.subject}",
        "tags": [tag],
        "parameters": [_parameter(each, dialect) for each in operation.parameters],
        "responses": _responses(operation, dialect),
    }
    if not dialect.unions:
        consumes = list(operation.body.media_types) if operation.body else ["*/*"]
        document |= {"consumes": consumes, "produces": list(OBJECT_TYPES), "schemes": ["https"]}
    if operation.body:
        _add_body(document, operation.body, dialect)
    if operation.action:
        document["x-kubernetes-action"] = operation.action
    if operation.gvk:
        document[GVK_KEY] = gvk_extension(operation.gvk)
    return document


def _words(group: str) -> str:
    """A group's name as generators of clients want it: rbacAuthorization."""
    first, *others = re.split(r"[.-]", group)
    return first + "".join(map(_upper, others))


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _add_body(document: Document, body: Body, dialect: Dialect) -> None:
    schema = _schema(body.struct, dialect)
    if dialect.unions:
        content = {media_type: {"schema": schema} for media_type in body.media_types}
        document["requestBody"] = {"content": content, "required": body.required}
    else:
        document["parameters"].append({"name": "body", "in": "body", "required": body.required, "schema": schema})


def _responses(operation: Operation, dialect: Dialect) -> Document:
    schema = _schema(operation.answer, dialect) if operation.answer else {"type": "string"}
    media_types = OBJECT_TYPES if operation.answer else ("text/plain",)
    content: Document = {"schema": schema}
    if dialect.unions:
        content = {"content": {media_type: {"schema": schema} for media_type in media_types}}
    found: Document = {str(code): {"description": _phrase(code), **content} for code in operation.codes}
    if not dialect.unions:
        return found | {"401": {"description": _phrase(401)}}
    return found | {str(code): {"$ref": f"#/components/responses/{code}"} for code in _refusals(operation)}


def refusals() -> Document:
    """What version 3 documents refer to: the answers that are a Status, by their codes."""
    content = {media_type: {"schema": reference(meta_v1.Status, V3)} for media_type in OBJECT_TYPES}
    codes = {*_ALWAYS, *_WITH_A_BODY, *_OF_COLLECTIONS}
    return {str(code): {"description": _phrase(code), "content": content} for code in sorted(codes)}


def _refusals(operation: Operation) -> list[int]:
    """The codes of a Status that an operation may answer with; see docs/decisions/documented-statuses.md."""
    with_a_body = _WITH_A_BODY if operation.body else ()
    of_collections = _OF_COLLECTIONS if operation.action in ("list", "deletecollection") else ()
    return sorted({*_ALWAYS, *with_a_body, *of_collections})


def _phrase(code: int) -> str:
    return HTTPStatus(code).phrase


def _schema(struct: AnyStruct | None, dialect: Dialect) -> Document:
    return reference(struct, dialect) if struct else {"$ref": f"{dialect.refs}{simple.PATCH}"}


def _parameter(parameter: Parameter, dialect: Dialect) -> Document:
    schema: Document = {"type": parameter.type, "uniqueItems": True}
    document: Document = {"name": parameter.name, "in": parameter.where, "description": parameter.description}
    if parameter.where == "path":
        document["required"] = True
    return document | ({"schema": schema} if dialect.unions else schema)
