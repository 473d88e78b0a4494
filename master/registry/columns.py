"""Table columns: what `kubectl get` prints of a kind."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

from timonel.api import time
from timonel.api.meta import HasMetadata

T_contra = TypeVar("T_contra", contravariant=True)

Cell = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Column(Generic[T_contra]):
    """One column of a kind's table.

    ``priority`` 0 is always shown, greater only in wide output. Name comes first in every table, and is only
    listed by a kind that shows more than the name there.
    """

    name: str
    value: Callable[[T_contra], Cell]
    type: str = "string"
    """string, integer, number, boolean or date, as OpenAPI names them; or age: a time, shown as how long ago it was."""
    priority: int = 0
    format: str = ""
    description: str = ""


def ago(timestamp: str | None, none: str = "<none>") -> str:
    """How long ago a timestamp was, for a cell that is no plain date."""
    return time.human_duration((datetime.now(UTC) - time.parse(timestamp)).total_seconds()) if timestamp else none


def age(priority: int = 0) -> Column[HasMetadata]:
    """How long ago the object was made; clients turn the time into an age."""
    return Column("Age", lambda obj: obj.metadata.creationTimestamp or "", "age", priority)
