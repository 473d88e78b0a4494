"""Faces: one stored object seen as several kinds, such as the versions of a HorizontalPodAutoscaler.

One kind is stored. A face is another kind of the same objects: what its callers send is turned into the stored kind
before anything else is done with it, and what they get is shown from it. So validation, admission, caches and managed
fields know the stored kind only.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Generic, TypeVar

from master.registry.columns import Column
from master.registry.objects import APIObject, T
from master.registry.strategy import Strategy

V = TypeVar("V", bound=APIObject)


class Face(Strategy[V], Generic[V, T]):
    """The rules of a kind whose objects are stored as another kind; `default` and the like are the stored kind's."""

    stored: ClassVar[type[Any]]
    """The stored kind's Struct."""
    field_names: Mapping[str, str] = {}
    """What field selectors of this face call fields of the stored kind, and their names there."""

    @property
    def is_stored(self) -> bool:
        """Its objects are kept as the stored kind."""
        return False

    def show(self, obj: T) -> V:
        """The object as this kind. What it has no field for is kept in annotations, so that nothing is lost."""
        raise NotImplementedError

    def put(self, view: V) -> T:
        """The stored form: the inverse of `show`."""
        raise NotImplementedError


AnyFace = Face[Any, Any]


def seen_columns(columns: Iterable[Column[Any]], put: Callable[[Any], Any]) -> list[Column[Any]]:
    """A stored kind's columns for a face."""

    def through(column: Column[Any]) -> Column[Any]:
        return replace(column, value=lambda view: column.value(put(view)))

    return [through(column) for column in columns]
