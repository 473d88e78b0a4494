"""Strategic merge patch: a merge patch that knows which lists merge, by which key, and obeys directives in the patch.

How each field merges is the `strategy` and `merge_key` of its type's `Merge` annotation. Directives:
`$patch: replace|delete|merge`, `$retainKeys`, `$setElementOrder/<list>`, `$deleteFromPrimitiveList/<list>`
(Kubernetes' documentation, "Update API Objects in Place Using kubectl patch", and its design proposals
"preserve-order-in-strategic-merge-patch" and "retain-keys").
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from timonel.api.errors import BadRequest, Unexplained
from timonel.api.schema import Field, Shape, fields_of
from timonel.api.struct import Struct

_PATCH = "$patch"
_RETAIN_KEYS = "$retainKeys"
_SET_ORDER = "$setElementOrder/"
_DELETE_FROM = "$deleteFromPrimitiveList/"
_ABSENT: Any = object()


@dataclass(frozen=True, slots=True)
class _Field:
    """How one field merges. `struct` is the type of the value, or of a list's items, where that is a Struct."""

    struct: type[Struct] | None = None
    merges_list: bool = False
    replaces: bool = False
    merge_key: str = ""


_PLAIN = _Field()
"""Free-form maps and fields without a declared type: maps merge, all else is replaced."""


def strategic_merge_patch(struct: type[Struct], doc: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """`doc`, an object of type `struct`, after `patch`.

    Raises BadRequest when the patch is no object or `$retainKeys` does not fit it, and Unexplained, as Kubernetes does,
    when it cannot be carried out: a list item without its merge key, a list that mixes types, an unknown directive.
    """
    if patch is None:
        return doc
    if not isinstance(patch, dict):
        raise BadRequest("a strategic merge patch must be an object")
    return _merge_map(struct, doc, patch)


@cache
def _fields(struct: type[Struct]) -> Mapping[str, _Field]:
    return {name: _described(declared) for name, declared in fields_of(struct).items()}


def _described(declared: Field) -> _Field:
    schema, strategy = declared.schema, declared.merge.strategy
    value = schema.items if schema.shape is Shape.LIST and schema.items else schema
    return _Field(
        struct=value.type if value.shape is Shape.STRUCT else None,
        merges_list="merge" in strategy,
        replaces="replace" in strategy,
        merge_key=declared.merge.merge_key or "",
    )


def _merge_map(struct: type[Struct] | None, original: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    match patch.get(_PATCH):
        case None:
            pass
        case "replace":
            contents: dict[str, Any] = _plain(patch)
            return contents
        case "delete":
            return {}
        case other:
            raise Unexplained(f"unknown patch type: {other} in map: {_go_text(patch)}")
    fields = _fields(struct) if struct else {}
    merged = _retained(original, patch)
    ordered = {key.removeprefix(_SET_ORDER): order for key, order in patch.items() if key.startswith(_SET_ORDER)}
    for key, removals in patch.items():
        if key.startswith(_DELETE_FROM):
            _delete_from(merged, key.removeprefix(_DELETE_FROM), removals)
    for key, order in ordered.items():
        _merge_ordered(fields.get(key, _PLAIN), merged, key, patch.get(key, _ABSENT), order)
    for key, item in patch.items():
        if not (key in ordered or key in (_PATCH, _RETAIN_KEYS) or key.startswith((_SET_ORDER, _DELETE_FROM))):
            _merge_member(fields.get(key, _PLAIN), merged, key, item)
    return merged


def _retained(original: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """A copy of `original`, without what the patch's `$retainKeys` does not name."""
    if _RETAIN_KEYS not in patch:
        return dict(original)
    keep = patch[_RETAIN_KEYS]
    if not (isinstance(keep, list) and all(isinstance(key, str) for key in keep)):
        raise BadRequest("invalid patch format of retainKeys")
    for key, item in patch.items():
        if item is not None and key not in keep and not key.startswith("$"):
            raise BadRequest(f'invalid patch format of retainKeys: "{key}" is set but not retained')
    return {key: item for key, item in original.items() if key in keep}


def _delete_from(merged: dict[str, Any], key: str, removals: Any) -> None:
    if not isinstance(removals, list):
        raise BadRequest("invalid patch format of primitive list")
    current = merged.get(key)
    if isinstance(current, list):
        merged[key] = [item for item in current if item not in removals]


def _merge_member(field: _Field, merged: dict[str, Any], key: str, item: Any) -> None:
    current = merged.get(key, _ABSENT)
    if item is None:
        merged.pop(key, None)
    elif isinstance(item, dict) and isinstance(current, dict) and not field.replaces:
        merged[key] = _merge_map(field.struct, current, item)
    elif isinstance(item, list) and isinstance(current, list) and field.merges_list:
        merged[key] = _merge_list(field, current, item)
    else:
        _set_or_drop(merged, key, _settled(item))


def _merge_ordered(field: _Field, merged: dict[str, Any], key: str, items: Any, order: Any) -> None:
    """Merge a list whose final order the patch dictates."""
    current = merged.get(key, [])
    changes = [] if items is _ABSENT or items is None else items
    for value in (order, changes, current):
        if not isinstance(value, list):
            raise Unexplained(f"invalid patch format of setElementOrder list: {key}")
    if items is None:
        merged.pop(key, None)
        return
    if items is _ABSENT and key not in merged:
        return
    identify = _identity(field, order + changes + current)
    if field.merges_list:
        if order:
            _check_order(identify, changes, order)
        # Where there was no list, items that share a key stay apart: a port for TCP and one for UDP.
        result = _merge_list(field, current, changes) if key in merged else _plain(changes)
    else:
        result = current if items is _ABSENT else _plain(changes)
    merged[key] = _in_order(identify, result, order, current)


def _check_order(identify: Callable[[Any], Hashable], changes: list[Any], order: list[Any]) -> None:
    """Refuse a patch whose items are not in the order that it dictates."""
    rest = iter([identify(item) for item in order])
    for item in changes:
        if not (isinstance(item, dict) and _PATCH in item) and identify(item) not in rest:
            one, other = _go_text(changes), _go_text(order)
            raise Unexplained(f"The order in patch list:\n{one}\n doesn't match $setElementOrder list:\n{other}\n")


def _merge_list(field: _Field, original: list[Any], changes: list[Any]) -> list[Any]:
    identify = _identity(field, original + changes)
    if not any(isinstance(item, dict) for item in original + changes):
        return _in_order(identify, list(dict.fromkeys(original + changes)), changes, original)
    deleted = {identify(item) for item in changes if item.get(_PATCH) == "delete"}
    replace = any(item.get(_PATCH) == "replace" for item in changes)
    merged = [] if replace else [item for item in original if identify(item) not in deleted]
    kept = list(merged)
    # The first of several items with one key is the one that merges: ports may share theirs.
    place = {identify(item): index for index, item in reversed(list(enumerate(merged)))}
    wanted = [item for item in changes if item.get(_PATCH) not in ("delete", "replace")]
    for item in wanted:
        if item.get(_PATCH) == "merge":
            raise Unexplained("merging lists cannot yet be specified in the patch")
        if _PATCH in item:
            raise Unexplained(f"unknown patch type: {item[_PATCH]} in map: {_go_text(item)}")
        index = place.setdefault(identify(item), len(merged))
        if index == len(merged):
            merged.append(_plain(item))
        else:
            merged[index] = _merge_map(field.struct, merged[index], item)
    return _in_order(identify, merged, wanted, kept)


def _identity(field: _Field, items: list[Any]) -> Callable[[Any], Hashable]:
    """What tells the items of a merging list apart: the merge key of maps, scalars themselves."""
    if any(isinstance(item, list) for item in items):
        raise Unexplained("lists of lists are not supported")
    if not any(isinstance(item, dict) for item in items):
        return lambda scalar: (type(scalar), scalar)
    if not all(isinstance(item, dict) for item in items):
        raise Unexplained(f"list element types are not identical: {_go_text(items)}")
    key = field.merge_key

    def by_key(item: dict[str, Any]) -> Hashable:
        if item.get(_PATCH) == "replace":
            return None
        value = item.get(key, _ABSENT)
        if value is _ABSENT or not isinstance(value, Hashable):
            raise Unexplained(f"map: {_go_text(item)} does not contain declared merge key: {key}")
        return value

    return by_key


def _in_order(
    identify: Callable[[Any], Hashable], items: list[Any], wanted: list[Any], original: list[Any]
) -> list[Any]:
    """`items` with those in `wanted` in its order; the others go where `original` has them relative to these."""
    wish = {identify(item): place for place, item in enumerate(wanted)}
    was = {identify(item): place for place, item in enumerate(original)}
    ours = sorted((item for item in items if identify(item) in wish), key=lambda item: wish[identify(item)])
    theirs = sorted(
        (item for item in items if identify(item) not in wish), key=lambda item: was.get(identify(item), len(was))
    )
    result = []
    for item in ours:
        place = was.get(identify(item), -1)
        while theirs and was.get(identify(theirs[0]), len(was)) < place:
            result.append(theirs.pop(0))
        result.append(item)
    return result + theirs


def _settled(value: Any) -> Any:
    """What a patch's value is where the object has none: no nulls, and nothing of what `$patch` is about, whatever that
    says.
    """
    if isinstance(value, dict) and _PATCH in value:
        return _ABSENT
    return _each(_settled, value)


def _plain(value: Any) -> Any:
    """What a patch's value is where it replaces another or is a new item of a list: no nulls, no directives."""
    return _each(_plain, value)


def _each(change: Callable[[Any], Any], value: Any) -> Any:
    """The value with each part of it changed, without nulls and directives."""
    if isinstance(value, dict):
        changed: dict[str, Any] = {}
        for key, item in value.items():
            if (
                item is not None
                and key not in (_PATCH, _RETAIN_KEYS)
                and not key.startswith((_SET_ORDER, _DELETE_FROM))
            ):
                _set_or_drop(changed, key, change(item))
        return changed
    if isinstance(value, list):
        return [item for item in map(change, value) if item is not _ABSENT]
    return value


def _go_text(value: Any) -> str:
    """A JSON value as Go's %v writes it, which is how messages quote patches."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{_go_text(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(_go_text, value))}]"
    return "<nil>" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _set_or_drop(target: dict[str, Any], key: str, value: Any) -> None:
    if value is _ABSENT:
        target.pop(key, None)
    else:
        target[key] = value
