"""From a request's body to an object: decoding with field validation, and patches."""

from collections.abc import Iterator, Sequence
from itertools import islice
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


_OPERATION = ("op", "path", "from", "value")


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
    obj, problems = codec.decode_strictly(struct, body)
    subject = codec.subject(struct)
    return _checked(subject, obj, [*_repeated(options), *problems], call, options)


def applied(body: bytes, struct: type[Any], call: Call, options: WriteOptions) -> None:
    """Field validation of a server-side apply, which takes no unknown fields anyhow.

    Raises:
        BadRequest: it is Strict, and keys are given twice.
    """
    if options.field_validation == "Strict" and options.repeated_keys:
        raise BadRequest(f"error strict decoding YAML: error converting YAML to JSON: {_repeated(options)[0]}")
    decode(body, struct, call, options)


def from_document(
    document: Any, struct: type[Any], call: Call, options: WriteOptions, repeated: Sequence[str] = ()
) -> Any:
    """`decode` for what a patch made; ``repeated`` is what `patch_faults` says of it.

    Raises:
        Invalid: it is no such object any more, or field validation is Strict and finds faults.
    """
    try:
        obj, problems = codec.convert_strictly(struct, document)
        _checked("", obj, [*repeated, *sorted(problems)], call, options)
        match_kind(obj)
    except BadRequest as error:
        text = msgspec.json.encode(document, order="sorted").decode()
        why = error.message.removeprefix(codec.subject(struct))
        raise Invalid("", "", [invalid("patch", text, why)]) from None
    return obj


def _repeated(options: WriteOptions) -> list[str]:
    """The keys that a YAML body has twice: one by one to warn of them, else as one error of the library's."""
    if options.field_validation == "Warn" or not options.repeated_keys:
        return list(options.repeated_keys)
    return ["\n  ".join(("yaml: unmarshal errors:", *options.repeated_keys))]


def _checked(subject: str, obj: Any, problems: list[str], call: Call, options: WriteOptions) -> Any:
    """The object, when its problems are told or may be ignored."""
    if problems and options.field_validation == "Strict":
        raise codec.strict_error(subject, problems)
    for problem in problems if options.field_validation == "Warn" else ():
        call.warn(problem)
    return obj


def patch_faults(patch_type: str, patch: bytes) -> list[str]:
    """What field validation finds in a patch that `patched` took: keys that are repeated, or that operations ignore."""
    if patch_type != JSON_PATCH and parse.keys_are_unique(patch):
        return []
    value = parse.parse_json(patch)
    found = _operation_faults(value) if patch_type == JSON_PATCH else codec.repeated_fields(value)
    return list(islice(found, codec.MAX_STRICT_PROBLEMS))


def _operation_faults(operations: list[dict[str, Any]] | None) -> Iterator[str]:
    for index, operation in enumerate(operations or ()):
        yield from (f"json patch {fault}" for fault in codec.repeated_fields(operation, f"[{index}]"))
        yield from (f'json patch unknown field "[{index}].{key}"' for key in operation if key not in _OPERATION)


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
