"""Who owns which fields of an object: metadata.managedFields, and server-side apply on top of it.

The behaviour is that of Kubernetes 1.35 (apimachinery's util/managedfields and structured-merge-diff's merge), with
one simplification: an object is only ever known in one version, so the entries of all versions speak of the same
fields. Documents are plain decoded JSON; inputs are left as they are and results may share parts with them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from typing import Any

import msgspec

from timonel.api import codec, fieldwalk
from timonel.api.custom import CustomObject
from timonel.api.errors import ApplyConflict, BadRequest, Unexplained
from timonel.api.fieldpath import FieldSet, difference, intersection, is_field_set, paths, union
from timonel.api.fields import quoted
from timonel.api.structural import Record, tree_of
from timonel.api.types.meta_v1 import StatusCause

MAX_UPDATE_ENTRIES = 10
ANCIENT_CHANGES = "ancient-changes"
BEFORE_FIRST_APPLY = "before-first-apply"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""The annotation in which client-side `kubectl apply` keeps what it applied last."""

_MAX_TOLD = 100
"""Unknown fields of one apply that are told."""
_UPDATE, _APPLY = "Update", "Apply"
_UNTRACKED = frozenset({"apiVersion", "kind"})
_UNTRACKED_METADATA = frozenset(
    {
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "clusterName",
        "generation",
        "managedFields",
        "resourceVersion",
    }
)

Schema = type[Any] | Record
"""A Struct, the class of a custom kind, or a tree made otherwise."""
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Entry:
    """One manager's fields."""

    manager: str
    operation: str
    api_version: str
    subresource: str
    time: str | None
    fields: FieldSet
    written: msgspec.Raw | None = None
    """The fields as they are stored, where they are."""

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What two entries of an object never share. An applier is the same in every version."""
        return (self.manager, self.operation, self.api_version if self.operation == _UPDATE else "", self.subresource)

    def to_wire(self) -> Document:
        wire: Document = {"manager": self.manager, "operation": self.operation, "apiVersion": self.api_version}
        if self.time:
            wire["time"] = self.time
        fields = self.written or msgspec.Raw(msgspec.json.encode(self.fields))
        wire |= {"fieldsType": "FieldsV1", "fieldsV1": fields}
        if self.subresource:
            wire["subresource"] = self.subresource
        return wire


_Entries = dict[tuple[str, str, str, str], _Entry]


def update(
    schema: Schema,
    old: Document | None,
    new: Document,
    *,
    manager: str,
    now: str,
    subresource: str = "",
    api_version: str,
) -> Document:
    """`new`, about to replace `old` (None: about to be created), with metadata.managedFields brought up to date.

    `manager` becomes the owner of what it adds or changes; `now` is the RFC 3339 time of its entry. A `new` that has
    managedFields of its own changes these directly, `[{}]` empties them; an object without them stays untracked.
    """
    entries = _wanted_entries(old, new, subresource)
    if not entries and old is not None:
        return _with_entries(new, entries)
    skip = _reset_fields(schema, subresource)
    before = _tracked(_empty(schema) if old is None else old, skip)
    changed, removed = fieldwalk.compare(tree(schema), before, _tracked(new, skip))
    if changed or removed:
        entries = _disowned(entries, union(changed, removed) if removed else changed)
    if changed:
        entry = _Entry(manager, _UPDATE, api_version, subresource, now, changed)
        previous = entries.get(entry.identity)
        if previous:
            entry = replace(entry, fields=union(previous.fields, changed))
        entries = _capped(entries | {entry.identity: entry})
    return _with_entries(new, entries)


def apply(
    schema: Schema,
    live: Document | None,
    applied: Document,
    *,
    manager: str,
    force: bool,
    now: str,
    subresource: str = "",
    api_version: str,
) -> Document:
    """`live` (None: there is no object yet) after server-side apply of `applied` by `manager`.

    Fields that the manager applied before, does not apply now, and that nobody else owns are removed. The result is
    equal to `live` when the call changes nothing. `kubectl` may take what client-side apply left behind.

    Raises ApplyConflict when others own fields that would change and `force` is not set, BadRequest when `applied` has
    managedFields or another version than `api_version`, and Unexplained when it has unknown fields or list items
    without keys.
    """
    _check_applied(applied, api_version)
    request = _Apply(schema, live, applied, manager, subresource, api_version, now)
    conflicts = request.conflicts()
    if conflicts and not force:
        if manager == "kubectl":
            conflicts = _without(conflicts, request.left_by_client_side_apply())
        if conflicts:
            raise _conflict(conflicts)
    return request.result()


def with_old_times(old: Document, new: Document) -> Document:
    """`new` as `old` has it when they differ in nothing but the times of managedFields.

    Apply compares before defaults are filled in: only afterwards can be seen that nothing has changed.
    """
    if "managedFields" not in old["metadata"] or _timeless(old) != _timeless(new):
        return new
    return new | {"metadata": new["metadata"] | {"managedFields": old["metadata"]["managedFields"]}}


def _timeless(document: Document) -> Document:
    metadata = {key: value for key, value in document["metadata"].items() if key != "resourceVersion"}
    # Entries are in the order of their times.
    entries = {entry.identity: entry.fields for entry in _decode(metadata.get("managedFields") or []).values()}
    return document | {"metadata": metadata | {"managedFields": entries}}


class _Apply:
    """One server-side apply: what it makes of the object and of the entries."""

    def __init__(
        self,
        schema: Schema,
        live: Document | None,
        applied: Document,
        manager: str,
        subresource: str,
        api_version: str,
        now: str,
    ) -> None:
        self._tree = tree(schema)
        self._skip = _reset_fields(schema, subresource)
        self._live = _empty(schema) if live is None else live
        self._applied = applied
        self._before = _tracked(self._live, self._skip)
        entries = _decode(self._live["metadata"].get("managedFields") or [])
        if not entries and live is not None:
            entries = _before_first_apply(schema, self._before, api_version, subresource, now)
        claims = _claims(self._tree, applied)
        mine = _Entry(manager, _APPLY, api_version, subresource, now, _tracked_claims(claims, self._skip))
        self._previous = entries.get(mine.identity)
        self._mine = mine
        self._others = {key: entry for key, entry in entries.items() if key != mine.identity}
        self._schema = schema
        self._merged = self._restored(self._merge(claims))
        self._changed, self._removed = fieldwalk.compare(self._tree, self._before, _tracked(self._merged, self._skip))

    def conflicts(self) -> list[tuple[_Entry, FieldSet]]:
        """The fields of others that the manager would change or remove, by their entries."""
        taken = union(self._changed, intersection(self._removed, self._mine.fields))
        found = [(entry, intersection(entry.fields, taken)) for entry in self._others.values()]
        return sorted(((entry, fields) for entry, fields in found if fields), key=lambda each: each[0].identity)

    def left_by_client_side_apply(self) -> FieldSet:
        """The fields that are still as client-side `kubectl apply` set them."""
        text = (self._live["metadata"].get("annotations") or {}).get(LAST_APPLIED)
        try:
            last: object = msgspec.json.decode(text) if text else None
            if not isinstance(last, dict) or last.get("apiVersion") != self._mine.api_version:
                return {}
            claims = fieldwalk.owned(self._tree, last)
        except (msgspec.DecodeError, BadRequest):
            return {}
        changed, removed = fieldwalk.compare(self._tree, last, self._live)
        return difference(difference(claims, changed), removed)

    def result(self) -> Document:
        """The object with its entries."""
        others = _disowned(self._others, union(self._changed, self._removed))
        mine = self._mine
        merged = _canonical(self._schema, self._merged)
        annotations = merged["metadata"].get("annotations") or {}
        if mine.manager == "kubectl" and annotations.get(LAST_APPLIED):
            annotations = annotations | {LAST_APPLIED: _last_applied(self._applied)}
            merged = merged | {"metadata": merged["metadata"] | {"annotations": annotations}}
        claimed = {mine.identity: mine} if mine.fields else {}
        return with_old_times(self._live, _with_entries(merged, others | claimed))

    def _merge(self, claims: FieldSet) -> Document:
        merged: Document = fieldwalk.merge(self._tree, self._live, self._applied)
        if self._previous is None:
            return merged
        kept: FieldSet = union(claims, {"f:metadata": {"f:name": {}}})
        for entry in self._others.values():
            kept = union(kept, entry.fields)
        pruned: Document = fieldwalk.prune(self._tree, merged, self._previous.fields, kept)
        return pruned

    def _restored(self, merged: Document) -> Document:
        """`merged` with the parts of the live object that this call cannot touch."""
        skip, live = self._skip - _UNTRACKED, self._live
        restored = {n: live[n] if n in skip else v for n, v in merged.items() if n not in skip or n in live}
        # Manifests from kubectl's generators carry "creationTimestamp: null".
        given = {n: v for n, v in merged["metadata"].items() if v is not None or n not in _UNTRACKED_METADATA}
        restored["metadata"] = {n: v for n, v in live["metadata"].items() if n in _UNTRACKED_METADATA} | given
        return restored


def _check_applied(applied: Document, api_version: str) -> None:
    if applied["metadata"].get("managedFields") is not None:
        raise BadRequest("metadata.managedFields must be nil")
    if applied.get("apiVersion") != api_version:
        raise BadRequest(
            "Incorrect version specified in apply patch. "
            f"Specified patch version: {applied.get('apiVersion')}, expected: {api_version}"
        )


def _claims(node: Record, applied: Document) -> FieldSet:
    try:
        return fieldwalk.owned(node, applied)
    except BadRequest as error:
        metadata, version, kind = applied["metadata"], applied.get("apiVersion", ""), applied.get("kind")
        name = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}"
        version = version if "/" in version else f"/{version}"
        faults = sorted(islice(fieldwalk.undeclared(node, applied), _MAX_TOLD)) or [error.message]
        what = faults[0] if len(faults) == 1 else "\n  ".join(("errors:", *faults))
        why = f"failed to create typed patch object ({name}; {version}, Kind={kind}): {what}"
        raise Unexplained(why) from None


def tree(schema: Schema) -> Record:
    """What of a kind's objects can be owned apart."""
    if isinstance(schema, Record):
        return schema
    return schema.tree if issubclass(schema, CustomObject) else tree_of(schema)


_EMPTY: dict[Any, Document] = {}
_ALWAYS_WRITTEN = (("spec", "strategy"), ("spec", "updateStrategy"), ("status", "loadBalancer"))
"""Optional members that Kubernetes writes even when they are empty, in the kinds that have them."""


def _empty(schema: Schema) -> Document:
    """What an object has before anything is set: fields that its kind always writes belong to nobody."""
    empty = _EMPTY.get(schema)
    if empty is None:
        empty = _EMPTY[schema] = {"metadata": {}} if isinstance(schema, Record) else _as_written(schema)
    return empty


def _as_written(struct: type[Any]) -> Document:
    """An object in which nothing is set."""
    empty: Document = codec.to_dict(struct())
    for part, name in _ALWAYS_WRITTEN if not issubclass(struct, CustomObject) else ():
        _, node = tree(struct).fields.get(part, ("", None))
        if isinstance(node, Record) and isinstance(node.fields.get(name, ("", None))[1], Record):
            empty.setdefault(part, {}).setdefault(name, {})
    return empty


def _canonical(schema: Schema, doc: Document) -> Document:
    """`doc` as it will be stored: quantities in their canonical form, no empty or null members."""
    return doc if isinstance(schema, Record) else codec.to_document(codec.convert(schema, doc))


def _reset_fields(schema: Schema, subresource: str) -> frozenset[str]:
    """The top-level fields that writes to this subresource leave alone, and so never own."""
    if subresource == "status":
        return _UNTRACKED | tree(schema).fields.keys() - {"metadata", "status"}
    return _UNTRACKED | {"status"} if tree(schema).resets_status else _UNTRACKED


def _tracked(doc: Document, skip: frozenset[str]) -> Document:
    """The part of an object whose fields have owners."""
    tracked = {name: value for name, value in doc.items() if name not in skip}
    metadata = doc.get("metadata")
    if metadata:
        tracked["metadata"] = {name: value for name, value in metadata.items() if name not in _UNTRACKED_METADATA}
    return tracked


def _tracked_claims(claims: FieldSet, skip: frozenset[str]) -> FieldSet:
    tracked = {element: fields for element, fields in claims.items() if element[2:] not in skip}
    metadata = tracked.pop("f:metadata", {})
    metadata = {element: fields for element, fields in metadata.items() if element[2:] not in _UNTRACKED_METADATA}
    return {"f:metadata": metadata} | tracked if metadata else tracked


def _wanted_entries(old: Document | None, new: Document, subresource: str) -> _Entries:
    """The entries to start from: those that the request brings where it may and they are valid, else the old ones."""
    given = (new.get("metadata") or {}).get("managedFields")
    stored = (old["metadata"].get("managedFields") if old else None) or []
    if given and given != stored and not (subresource and old):
        if given == [{}]:
            return {}
        if all(map(_is_valid, given)):
            return {key: replace(entry, written=None) for key, entry in _decode(given).items()}
    return _decode(stored)


def _is_valid(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and entry.get("operation") in (_UPDATE, _APPLY)
        and bool(entry.get("apiVersion"))
        and entry.get("fieldsType") == "FieldsV1"
        and is_field_set(_fields(entry.get("fieldsV1", {})))
    )


def _decode(wire: list[Document]) -> _Entries:
    entries = [
        _Entry(
            each.get("manager", ""),
            each["operation"],
            each["apiVersion"],
            each.get("subresource", ""),
            each.get("time"),
            _fields(each.get("fieldsV1")) or {},
            each["fieldsV1"] if isinstance(each.get("fieldsV1"), msgspec.Raw) else None,
        )
        for each in wire
    ]
    return {entry.identity: entry for entry in entries}


def _fields(value: Any) -> Any:
    return _read(bytes(value)) if isinstance(value, msgspec.Raw) else value


@lru_cache(maxsize=256)
def _read(text: bytes) -> Any:
    """The value of a JSON text: many objects have the very same sets of fields."""
    return msgspec.json.decode(text)


def _with_entries(doc: Document, entries: _Entries) -> Document:
    metadata = {name: value for name, value in (doc.get("metadata") or {}).items() if name != "managedFields"}
    if entries:
        ordered = sorted(entries.values(), key=lambda e: (e.operation, e.time or "", *e.identity))
        metadata["managedFields"] = [entry.to_wire() for entry in ordered]
    return doc | {"metadata": metadata}


def _disowned(entries: _Entries, fields: FieldSet) -> _Entries:
    """The entries without `fields`; those that have no others left disappear."""
    left = {key: difference(entry.fields, fields) for key, entry in entries.items()}
    return {
        key: entry if left[key] == entry.fields else replace(entry, fields=left[key], written=None)
        for key, entry in entries.items()
        if left[key]
    }


def _capped(entries: _Entries) -> _Entries:
    """The entries with the oldest updates put together, per version, while there are more than MAX_UPDATE_ENTRIES."""
    updates = [entry for entry in entries.values() if entry.operation == _UPDATE]
    excess = len(updates) - MAX_UPDATE_ENTRIES
    if excess <= 0:
        return entries
    capped = dict(entries)
    oldest: dict[str, _Entry] = {}
    for entry in sorted(updates, key=lambda e: (e.manager != ANCIENT_CHANGES, e.time or "", e.identity)):
        first = oldest.get(entry.api_version)
        if first is None:
            oldest[entry.api_version] = entry
        elif excess > 0:
            del capped[first.identity], capped[entry.identity]
            bucket = replace(entry, manager=ANCIENT_CHANGES, subresource="", fields=union(first.fields, entry.fields))
            capped[bucket.identity] = oldest[entry.api_version] = bucket
            excess -= 1
    return capped


def _before_first_apply(schema: Schema, before: Document, api_version: str, subresource: str, now: str) -> _Entries:
    """The entry of an object that nobody was tracked on: all that it has, in one hand."""
    fields, _ = fieldwalk.compare(tree(schema), _tracked(_empty(schema), frozenset()), before)
    entry = _Entry(BEFORE_FIRST_APPLY, _UPDATE, api_version, subresource, now, fields)
    return {entry.identity: entry} if fields else {}


def _without(conflicts: list[tuple[_Entry, FieldSet]], allowed: FieldSet) -> list[tuple[_Entry, FieldSet]]:
    left = [(entry, difference(fields, allowed)) for entry, fields in conflicts]
    return [(entry, fields) for entry, fields in left if fields]


def _conflict(conflicts: list[tuple[_Entry, FieldSet]]) -> ApplyConflict:
    causes = [
        StatusCause(reason="FieldManagerConflict", message=f"conflict with {_described(entry)}", field=path)
        for entry, fields in conflicts
        for path in paths(fields)
    ]
    if len(causes) == 1:
        return ApplyConflict(f"Apply failed with 1 conflict: {causes[0].message}: {causes[0].field}", causes)
    lines = []
    for entry, fields in conflicts:
        lines.append(f"conflicts with {_described(entry)}:")
        lines.extend(f"- {path}" for path in paths(fields))
    return ApplyConflict(f"Apply failed with {len(causes)} conflicts: " + "\n".join(lines), causes)


def _described(entry: _Entry) -> str:
    text = quoted(entry.manager)
    if entry.subresource:
        text += f" with subresource {quoted(entry.subresource)}"
    return f"{text} using {entry.api_version}" if entry.operation == _UPDATE else text


def _last_applied(applied: Document) -> str:
    """The annotation's text, as client-side apply would have written it."""
    metadata = dict(applied["metadata"])
    if isinstance(metadata.get("annotations"), dict):
        metadata["annotations"] = {k: v for k, v in metadata["annotations"].items() if k != LAST_APPLIED}
    return msgspec.json.encode(applied | {"metadata": metadata}, order="sorted").decode() + "\n"
