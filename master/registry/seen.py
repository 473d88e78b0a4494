"""What a face makes of requests and results: the stored objects as the caller's kind, and back."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from master.registry.base import ListOptions, ListResult, Result
from master.registry.faces import AnyFace
from master.registry.watching import Frame
from timonel.api import codec, selectors


@dataclass(frozen=True, slots=True)
class Seen:
    """Stored objects as a face shows them."""

    face: AnyFace

    def raw(self, raw: bytes) -> bytes:
        """One object's wire bytes."""
        return codec.encode(self.face.show(codec.decode_stored(self.face.stored, raw)))

    def result(self, result: Result) -> Result:
        """One object."""
        return replace(result, raw=self.raw(result.raw))

    def list(self, result: ListResult) -> ListResult:
        """A page of objects."""
        return replace(result, items=[self.raw(raw) for raw in result.items])

    def frames(self, frames: Iterable[Frame]) -> Sequence[Frame]:
        """A batch of a watch."""
        return [self._frame(frame) for frame in frames]

    def _frame(self, frame: Frame) -> Frame:
        raw = self.raw(frame.raw)
        return replace(frame, raw=raw, line=b'{"type":"%b","object":%b}\n' % (frame.type.encode(), raw))

    def options(self, options: ListOptions) -> ListOptions:
        """A selection with the stored kind's field names."""
        terms = selectors.parse_fields(options.field_selector).terms
        names = self.face.field_names
        renamed = tuple(replace(term, field=names.get(term.field, term.field)) for term in terms)
        return replace(options, field_selector=str(selectors.FieldSelector(renamed)))

    def applied(self, applied: dict[str, Any]) -> dict[str, Any]:
        """An apply configuration in the stored form, without what only the conversion has put there."""
        gvk, stored = self.face.resource.gvk, self.face.stored.gvk
        if (applied.get("apiVersion"), applied.get("kind")) != (gvk.api_version, gvk.kind):
            return applied
        empty = codec.to_dict(self.face.put(codec.convert(_struct(self.face), _named(applied))))
        full = codec.to_dict(self.face.put(codec.convert(_struct(self.face), applied)))
        kept = _beyond(full, empty)
        return {**kept, "apiVersion": stored.api_version, "kind": stored.kind}


def _struct(face: AnyFace) -> type[Any]:
    struct = face.resource.struct
    assert struct is not None  # faces are built in
    return struct


def _named(applied: dict[str, Any]) -> dict[str, Any]:
    return {key: applied[key] for key in ("apiVersion", "kind")}


def _beyond(full: dict[str, Any], empty: dict[str, Any]) -> dict[str, Any]:
    """What ``full`` has and ``empty`` has not."""
    kept: dict[str, Any] = {}
    for key, value in full.items():
        if key in empty and empty[key] == value:
            continue
        if isinstance(value, dict) and isinstance(empty.get(key), dict):
            value = _beyond(value, empty[key])
        kept[key] = value
    return kept
