"""What the watch cache holds: objects as ready JSON bytes, decoded late, and the events between them."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")

DECODED = 1024
"""How many objects of one cache stay decoded."""

_METADATA = b'"metadata":{'


class EventType(StrEnum):
    """What happened to an object, in the words of the Kubernetes watch."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


class _Labelled(msgspec.Struct):
    class Metadata(msgspec.Struct):
        labels: dict[str, str] = {}

    metadata: Metadata


_labelled = msgspec.json.Decoder(_Labelled)


def labels_of(raw: bytes) -> Mapping[str, str]:
    """The labels of an object, by decoding nothing else of it."""
    return _labelled.decode(raw).metadata.labels


def with_revision(value: bytes, revision: int) -> bytes:
    """A stored value with ``resourceVersion`` put first into its metadata.

    Raises:
        ValueError: the value has no metadata.
    """
    at = value.index(_METADATA) + len(_METADATA)
    return b'%b"resourceVersion":"%d"%b%b' % (
        value[:at],
        revision,
        b"" if value[at : at + 1] == b"}" else b",",
        value[at:],
    )


def wire(kind: EventType, raw: bytes) -> bytes:
    """A watch event as clients get it: one line of JSON."""
    return b'{"type":"%b","object":%b}\n' % (kind.encode(), raw)


class Decoding(Generic[T]):
    """How the items of one cache are decoded. Few stay so: a garbage collection walks objects, not bytes."""

    def __init__(self, decode: Callable[[bytes], T], labels: Callable[[bytes], Mapping[str, str]]) -> None:
        self.decode = decode
        self.labels = labels
        self._kept: dict[Item[T], None] = {}

    def keep(self, item: "Item[T]") -> None:
        """Let ``item`` stay decoded until `DECODED` others were decoded after it."""
        self._kept[item] = None
        if len(self._kept) > DECODED:
            oldest = next(iter(self._kept))
            del self._kept[oldest]
            oldest.forget_object()


class Item(Generic[T]):
    """One object, read-only: ``raw`` is its JSON with the resourceVersion, ``revision`` the same number."""

    __slots__ = ("_decoding", "_labels", "_object", "created", "key", "raw", "revision")

    def __init__(self, decoding: Decoding[T], key: str, raw: bytes, revision: int, created: int) -> None:
        self.key = key
        self.raw = raw
        self.revision = revision
        self.created = created
        self._decoding = decoding
        self._object: T | None = None
        self._labels: Mapping[str, str] | None = None

    @property
    def object(self) -> T:
        """The decoded object, shared by all readers: never change it."""
        if self._object is None:
            self._object = self._decoding.decode(self.raw)
            self._decoding.keep(self)
        return self._object

    @property
    def labels(self) -> Mapping[str, str]:
        """What the cache's ``labels`` function makes of the object."""
        if self._labels is None:
            self._labels = self._decoding.labels(self.raw)
        return self._labels

    def forget_object(self) -> None:
        """Drop the decoded form; the next use decodes again."""
        self._object = None

    def deleted_at(self, revision: int) -> "Item[T]":
        """This last state with the deletion's revision."""
        old, new = (b'%b"resourceVersion":"%d"' % (_METADATA, number) for number in (self.revision, revision))
        return Item(self._decoding, self.key, self.raw.replace(old, new, 1), revision, self.created)


class CacheEvent(Generic[T]):
    """One change: ``item`` is the new state (for a deletion the last), ``previous`` the one before (creation: None)."""

    __slots__ = ("_wire", "item", "previous", "type")

    def __init__(self, kind: EventType, item: Item[T], previous: Item[T] | None) -> None:
        self.type = kind
        self.item = item
        self.previous = previous
        self._wire: bytes | None = None

    @property
    def wire(self) -> bytes:
        """The event as a line of JSON, made once for all watchers."""
        if self._wire is None:
            self._wire = wire(self.type, self.item.raw)
        return self._wire
