"""Tables: what `kubectl get` prints, worked out by the server from a kind's columns."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from master.apiserver.pieces import Pieces
from master.registry.columns import Cell, Column
from timonel.api import time as api_time
from timonel.api.gvk import GVK

AnyColumn = Column[Any]

INCLUDE_OBJECT = ("None", "Metadata", "Object")
"""The values of `includeObject`: what each row carries beside its cells."""

NAME: AnyColumn = Column("Name", lambda obj: obj.metadata.name, format="name", description="The object's name.")
AGE: AnyColumn = Column("Age", lambda obj: obj.metadata.creationTimestamp, type="age")


@dataclass(frozen=True, slots=True)
class TableOptions:
    """How a table is wanted."""

    version: str = "v1"
    """The meta.k8s.io version."""
    include_object: str = "Metadata"


class TableWriter:
    """Turns objects of one kind into tables.

    Args:
        columns: the kind's own columns, Name only where it is not plainly the name; none of its own means Age alone.
        decode: makes an object of its JSON.
        options: how the tables are wanted.
        now: the clock.
    """

    def __init__(
        self,
        columns: Sequence[AnyColumn],
        decode: Callable[[bytes], Any],
        options: TableOptions,
        now: Callable[[], datetime],
    ) -> None:
        own = tuple(columns) or (AGE,)
        self._columns = own if any(column.name == NAME.name for column in own) else (NAME, *own)
        self._decode = decode
        self._options = options
        self._now = now

    def table(self, objects: Iterable[bytes], list_meta: dict[str, Any], *, headers: bool = True) -> bytes:
        """A table with a row for each object; later events of a watch leave the column definitions out (`headers`)."""
        now = self._now()
        document: dict[str, Any] = {
            "kind": "Table",
            "apiVersion": f"meta.k8s.io/{self._options.version}",
            "metadata": list_meta,
            "columnDefinitions": self._definitions() if headers else None,
            "rows": [self._row(raw, now) for raw in objects],
        }
        return msgspec.json.encode(document)

    def _definitions(self) -> list[dict[str, Any]]:
        return [_definition(column) for column in self._columns]

    def _row(self, raw: bytes, now: datetime) -> dict[str, Any]:
        obj = self._decode(raw)
        row: dict[str, Any] = {"cells": [_cell(column, obj, now) for column in self._columns]}
        match self._options.include_object:
            case "Object":
                row["object"] = msgspec.Raw(raw)
            case "Metadata":
                row["object"] = msgspec.Raw(partial_metadata(raw, self._options.version))
            case _:
                row["object"] = None
        return row


class _OnlyMetadata(msgspec.Struct):
    metadata: msgspec.Raw = msgspec.Raw(b"{}")


_metadata_decoder = msgspec.json.Decoder(_OnlyMetadata)


def partial_metadata(raw: bytes, version: str) -> bytes:
    """The PartialObjectMetadata of an object."""
    metadata = bytes(_metadata_decoder.decode(raw).metadata)
    return b'{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/%b","metadata":%b}' % (
        version.encode(),
        metadata,
    )


def plain_list(gvk: GVK, items: Sequence[bytes], list_meta: dict[str, Any]) -> Pieces:
    """A list, of the kind ``gvk``, of objects by joining their bytes."""
    head = b'{"kind":"%b","apiVersion":"%b","metadata":%b,"items":[' % (
        gvk.kind.encode(),
        gvk.api_version.encode(),
        msgspec.json.encode(list_meta),
    )
    return Pieces(head, items, b"]}\n")


def metadata_list_kind(version: str) -> GVK:
    """The kind of a list of `partial_metadata`."""
    return GVK("meta.k8s.io", version, "PartialObjectMetadataList")


def _definition(column: AnyColumn) -> dict[str, Any]:
    shown = "string" if column.type == "age" else column.type
    return {
        "name": column.name,
        "type": shown,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    }


def _cell(column: AnyColumn, obj: Any, now: datetime) -> Cell:
    value = column.value(obj)
    return age(value, now) if column.type == "age" and value is not None else value


def age(timestamp: Cell, now: datetime) -> str:
    """How long ago a timestamp was, as kubectl prints it: `5d3h`; `<unknown>` for none."""
    if not isinstance(timestamp, str) or not timestamp:
        return "<unknown>"
    return api_time.human_duration((now - api_time.parse(timestamp)).total_seconds())
