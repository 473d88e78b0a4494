"""JSON patch (RFC 6902) with the limits and liberties of Kubernetes' API server.

As in the library that Kubernetes uses (evanphx/json-patch v4), beyond the RFC an array index may be negative (-1 is the
last item), and an absent member of an object, or an absent value of an operation, is null: it can be tested for null,
copied, and replaced.
"""

from __future__ import annotations

from typing import Any

import msgspec

from timonel.api.errors import BadRequest, RequestEntityTooLarge
from timonel.api.parse import MAX_DEPTH
from timonel.api.patch.failure import PatchFailed

MAX_OPERATIONS = 10_000
MAX_COPIED_BYTES = 3 * 1024 * 1024
"""How much all "copy" operations of a patch may copy together: each could double the object."""

_ABSENT: Any = object()


def json_patch(doc: Any, ops: list[dict[str, Any]] | None) -> Any:
    """`doc` after all of `ops`, applied in order; if one fails, none is applied.

    Raises BadRequest when `ops` are no list of operations, RequestEntityTooLarge when there are too many, and
    PatchFailed (422) when one is incomplete or does not fit `doc`: a path is missing, a test does not hold, or the
    result nests too deep.
    """
    if ops is None:
        return doc
    if not isinstance(ops, list):
        raise BadRequest("a JSON patch must be a list of operations")
    if len(ops) > MAX_OPERATIONS:
        raise RequestEntityTooLarge(
            f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(ops)}"
        )
    patching = _Patching(_clone(doc))
    try:
        for number, op in enumerate(ops):
            if not isinstance(op, dict):
                raise BadRequest(f"operation {number} of the JSON patch is not an object")
            patching.run(op)
    except RecursionError:
        raise _too_deep() from None
    if _depth(patching.doc) > MAX_DEPTH:
        raise _too_deep()
    return patching.doc


class _Patching:
    """A document while it is being patched."""

    def __init__(self, doc: Any) -> None:
        self.doc = doc
        self._copied = 0

    def run(self, op: dict[str, Any]) -> None:
        """Carry out one operation."""
        path = _text(op, "path")
        match op.get("op"):
            case "add":
                self._add(path, _clone(op.get("value")), "add")
            case "remove":
                self._remove(path, "remove")
            case "replace":
                self._replace(path, _clone(op.get("value")))
            case "move":
                source = _text(op, "from")
                if path.startswith(source + "/"):
                    raise PatchFailed(f'move operation does not apply: "{path}" is inside of "{source}"')
                self._add(path, self._remove(source, "move"), "move")
            case "copy":
                self._add(path, self._copy(_text(op, "from")), "copy")
            case "test":
                self._test(path, op.get("value"))
            case other:
                raise PatchFailed(f"unexpected kind of operation: {other!r}")

    def _add(self, path: str, value: Any, verb: str) -> None:
        if path == "":
            self.doc = value
            return
        parent, key = self._parent(path, verb)
        if isinstance(parent, dict):
            parent[key] = value
        elif key == "-":
            parent.append(value)
        else:
            parent.insert(_index(key, len(parent) + 1, path, verb), value)

    def _remove(self, path: str, verb: str) -> Any:
        if path == "":
            raise PatchFailed(f"{verb} operation does not apply: the whole document cannot be removed")
        parent, key = self._parent(path, verb)
        if isinstance(parent, dict):
            if key not in parent:
                raise _missing(verb, path)
            return parent.pop(key)
        return parent.pop(_index(key, len(parent), path, verb))

    def _replace(self, path: str, value: Any) -> None:
        if path == "":
            self.doc = value
            return
        parent, key = self._parent(path, "replace")
        if isinstance(parent, dict):
            parent[key] = value
        else:
            parent[_index(key, len(parent), path, "replace")] = value

    def _copy(self, source: str) -> Any:
        value = self._get(source, "copy")
        self._copied += len(msgspec.json.encode(value))
        if self._copied > MAX_COPIED_BYTES:
            raise PatchFailed(
                f"unable to complete the copy, the accumulated size increase of copy is {self._copied}, "
                f"exceeding the limit {MAX_COPIED_BYTES}"
            )
        return _clone(value)

    def _test(self, path: str, expected: Any) -> None:
        if not _equal(self._get(path, "test"), expected):
            raise PatchFailed(f"testing value {path} failed")

    def _get(self, path: str, verb: str) -> Any:
        if path == "":
            return self.doc
        parent, key = self._parent(path, verb)
        return parent.get(key) if isinstance(parent, dict) else parent[_index(key, len(parent), path, verb)]

    def _parent(self, path: str, verb: str) -> tuple[dict[str, Any] | list[Any], str]:
        """The container that `path` points into, and the last token."""
        *tokens, last = _tokens(path)
        node = self.doc
        for token in tokens:
            node = _child(node, token, path, verb)
        if not isinstance(node, dict | list):
            raise _missing(verb, path)
        return node, last


def _child(node: Any, token: str, path: str, verb: str) -> Any:
    if isinstance(node, dict):
        value = node.get(token, _ABSENT)
        if value is _ABSENT:
            raise _missing(verb, path)
        return value
    if isinstance(node, list):
        return node[_index(token, len(node), path, verb)]
    raise _missing(verb, path)


def _index(token: str, size: int, path: str, verb: str) -> int:
    """The position in a list of `size` places that `token` names; negative ones count from the end."""
    digits = token.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or (digits != "0" and digits.startswith("0")):
        raise PatchFailed(f'{verb} operation does not apply: "{token}" in "{path}" is not a list index')
    index = int(token[:20])
    if not -size <= index < size:
        raise PatchFailed(f'{verb} operation does not apply: index {index} of "{path}" is out of bounds')
    return index + size if index < 0 else index


def _tokens(path: str) -> list[str]:
    """The unescaped parts of a JSON pointer (RFC 6901) that is not empty."""
    if not path.startswith("/"):
        raise PatchFailed(f'the path "{path}" must start with "/"')
    return [token.replace("~1", "/").replace("~0", "~") for token in path[1:].split("/")]


def _text(op: dict[str, Any], member: str) -> str:
    value = op.get(member)
    if value is None:
        raise PatchFailed(f'a JSON patch operation needs a "{member}": {op!r}')
    if not isinstance(value, str):
        raise BadRequest(f'error decoding patch: the "{member}" of a JSON patch operation must be a string: {op!r}')
    return value


def _missing(verb: str, path: str) -> PatchFailed:
    return PatchFailed(f'{verb} operation does not apply: doc is missing path: "{path}": missing value')


def _too_deep() -> PatchFailed:
    return PatchFailed(f"exceeded max depth: the patched object nests deeper than {MAX_DEPTH} levels")


def _depth(value: Any) -> int:
    """How many containers lie in each other; moves can pile them up, so this must not recurse."""
    depth, level = 0, [value]
    while level := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        level = [child for item in level for child in (item.values() if isinstance(item, dict) else item)]
    return depth


def _clone(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _clone(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_clone(item) for item in value]
    return value


def _equal(a: Any, b: Any) -> bool:
    """Equality of JSON values: unlike in Python, true is not 1."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_equal(item, b[key]) for key, item in a.items())
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_equal, a, b))
    return bool(a == b)
