"""Text tables, laid out as kubectl lays out the server's tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

_PADDING = 3


class Aligner:
    """Pads cells to columns. Later calls keep to the widths of earlier ones, and widen where they must."""

    def __init__(self) -> None:
        self._widths: list[int] = []

    def lines(self, rows: Iterable[Sequence[str]]) -> list[str]:
        """The rows as lines; the last cell of a row is not padded."""
        rows = list(rows)
        for row in rows:
            self._widths += [0] * (len(row) - 1 - len(self._widths))
            for index, cell in enumerate(row[:-1]):
                self._widths[index] = max(self._widths[index], len(cell) + _PADDING)
        return ["".join([*map(str.ljust, row[:-1], self._widths), row[-1]]) if row else "" for row in rows]


def align(rows: Iterable[Sequence[str]]) -> str:
    """A whole table as text, without an end of line."""
    return "\n".join(Aligner().lines(rows))


@dataclass(frozen=True, slots=True)
class TableOptions:
    """What is shown of a table."""

    wide: bool = False
    headers: bool = True
    namespace: bool = False
    """Whether a column says each object's namespace."""
    labels: bool = False
    label_columns: tuple[str, ...] = ()
    kind: str = ""
    """What stands before each name, as in `pod/web-1`."""


def rows_of(table: dict[str, Any], options: TableOptions, definitions: Sequence[dict[str, Any]]) -> list[list[str]]:
    """The rows of a server's table; `definitions` are its columns' (a watch tells them only once)."""
    shown = [index for index, column in enumerate(definitions) if options.wide or not column.get("priority")]
    return [_row(row, shown, options) for row in table.get("rows") or ()]


def header(options: TableOptions, definitions: Sequence[dict[str, Any]]) -> list[str]:
    """The table's first line."""
    names = [str(column["name"]).upper() for column in definitions if options.wide or not column.get("priority")]
    own = [key.rpartition("/")[2].upper() for key in options.label_columns]
    return [*(["NAMESPACE"] if options.namespace else []), *names, *own, *(["LABELS"] if options.labels else [])]


def _row(row: dict[str, Any], shown: Sequence[int], options: TableOptions) -> list[str]:
    metadata = (row.get("object") or {}).get("metadata") or {}
    labels = metadata.get("labels") or {}
    cells = [cell_text(row["cells"][index]) for index in shown]
    if options.kind and cells:
        cells[0] = f"{options.kind}/{cells[0]}"
    if options.namespace:
        cells.insert(0, metadata.get("namespace") or "")
    cells += [labels.get(key, "") for key in options.label_columns]
    if options.labels:
        cells.append(",".join(f"{key}={value}" for key, value in sorted(labels.items())) or "<none>")
    return cells


def cell_text(cell: Any) -> str:
    """A cell as text; of several lines the first, followed by an ellipsis."""
    match cell:
        case None:
            return "<none>"
        case bool():
            return str(cell).lower()
    first, newline, _ = str(cell).partition("\n")
    return f"{first}..." if newline else first
