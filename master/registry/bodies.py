"""From a request's body to an object: decoding with field validation, and patches."""

from typing import Any

import msgspec

from master.registry.base import WriteOptions
from master.registry.metadata import match_kind
from master.registry.objects import Call
from timonel.api import codec, parse
from timonel.api.custom import CustomObject
from timonel.api.errors import BadRequest, Invalid, UnsupportedMediaType
from timonel.api.fields import invalid
from timonel.api.patch import json_patch, merge_patch, strategic_merge_patch

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
PATCH_TYPES = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH)


def patch_types(struct: Any) -> tuple[str, ...]:
    """The patches of a kind: a custom one has no strategic merge, for which only built-in types know how."""
    if isinstance(struct, type) and issubclass(struct, CustomObject):
        return tuple(kind for kind in PATCH_TYPES if kind != STRATEGIC_PATCH)
    return PATCH_TYPES


Body = bytes | Any
"""JSON as it came, or the Struct of a caller in this process; the Struct stays the caller's and is never changed."""


def decode(body: Body, struct: type[Any], call: Call, options: WriteOptions) -> Any:
    """A body as an object that the write may change; what field validation finds is refused or told.

    Raises:
        BadRequest: it is no such object, or field validation is Strict and finds faults.
    """
    if not isinstance(body, bytes):
        if not isinstance(body, struct):
            raise BadRequest(f"a {struct.__name__} is expected, not a {type(body).__name__}")
        return codec.copy(body)
    if options.field_validation == "Ignore":
        return codec.decode(struct, body)
    return _checked(struct, *codec.decode_strictly(struct, body), call, options)


def from_document(document: Any, struct: type[Any], call: Call, options: WriteOptions) -> Any:
    """`decode` for what a patch made.

    Raises:
        Invalid: it is no such object any more, or field validation is Strict and finds faults.
    """
    try:
        obj = _checked(struct, *codec.convert_strictly(struct, document), call, options)
        match_kind(obj)
    except BadRequest as error:
        text = msgspec.json.encode(document).decode()
        raise Invalid("", "", [invalid("patch", text, error.message)]) from None
    return obj


def _checked(struct: type[Any], obj: Any, problems: list[str], call: Call, options: WriteOptions) -> Any:
    """The object, when its problems are told or may be ignored."""
    if problems and options.field_validation == "Strict":
        raise codec.strict_error(struct, problems)
    for problem in problems if options.field_validation == "Warn" else ():
        call.warn(problem)
    return obj


def patched(document: Any, patch_type: str, patch: bytes, struct: type[Any]) -> Any:
    """``document`` with a JSON, merge or strategic merge patch applied; ``document`` is not changed.

    Raises:
        BadRequest: the patch is malformed or nests too deep.
        UnsupportedMediaType: the patch's type is none of them, or strategic for a custom resource.
    """
    parse.check_depth(patch)
    try:
        operations = msgspec.json.decode(patch)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"error decoding patch: {error}") from None
    match patch_type:
        case "application/json-patch+json":
            return json_patch(document, operations)
        case "application/merge-patch+json":
            return merge_patch(document, operations)
        case "application/strategic-merge-patch+json":
            merged = strategic_merge_patch(struct, document, operations)
            # A strategic merge cannot say of which kind the object is.
            return {name: value for name, value in merged.items() if name not in ("apiVersion", "kind")}
        case _:
            raise UnsupportedMediaType(patch_types(struct))
