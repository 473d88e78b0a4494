"""Words operations as one version of OpenAPI has them."""

from typing import Any

from master.apiserver.openapi import parameters
from master.apiserver.openapi.operations import OBJECT_TYPES, AnyStruct, Body, Operation, Path
from master.apiserver.openapi.parameters import Parameter
from master.apiserver.openapi.schemas import GVK_KEY, Dialect, gvk_extension, reference
from master.apiserver.served import GroupVersion

Document = dict[str, Any]

_CODES = {200: "OK", 201: "Created", 202: "Accepted"}


def path_item(path: Path, gv: GroupVersion, dialect: Dialect) -> Document:
    """A path with its operations."""
    shared = [_parameter(each, dialect) for each in (*path.parameters, parameters.PRETTY)]
    operations = {operation.method: _operation(operation, gv, dialect) for operation in path.operations}
    return {"parameters": shared, **operations}


def _operation(operation: Operation, gv: GroupVersion, dialect: Dialect) -> Document:
    tag = gv.api_version.replace("/", "_").replace(".", "_") if gv.group else f"core_{gv.version}"
    group = "".join(part.capitalize() for part in tag.split("_"))
    document: Document = {
        "operationId": f"{operation.verb}{group}{operation.subject}",
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
    found: Document = {str(code): {"description": _CODES[code], **content} for code in operation.codes}
    return found | {"401": {"description": "Unauthorized"}}


def _schema(struct: AnyStruct | None, dialect: Dialect) -> Document:
    return reference(struct, dialect) if struct else {"type": "object"}


def _parameter(parameter: Parameter, dialect: Dialect) -> Document:
    schema: Document = {"type": parameter.type, "uniqueItems": True}
    document: Document = {"name": parameter.name, "in": parameter.where, "description": parameter.description}
    if parameter.where == "path":
        document["required"] = True
    return document | ({"schema": schema} if dialect.unions else schema)
