"""Lays out descriptions: lines with tabs, aligned as kubectl aligns its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from timonel.api import time
from timonel.cli.eventlines import Happening

NONE = "<none>"
PADDING = 2


class Page:
    """Collects lines; a tab ends a cell, and cells above one another are as wide as the widest."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def line(self, level: int, text: str) -> None:
        """A line, so many levels in."""
        self._lines.append("  " * level + text)

    def field(self, level: int, name: str, value: object = "") -> None:
        """A name and its value; text of several lines goes on below its beginning."""
        first, *others = str(value).split("\n")
        self.line(level, f"{name}:\t{first}")
        for other in others:
            self.line(level, f"\t{other}")

    def fields(self, level: int, pairs: Iterable[tuple[str, object]]) -> None:
        """Several fields; those with an empty value are left out."""
        for name, value in pairs:
            if value not in ("", None):
                self.field(level, name, value)

    def mapping(self, level: int, name: str, values: Mapping[str, str] | None, sign: str = "=") -> None:
        """A field with one line for each entry, in order."""
        entries = [f"{key}{sign}{value}" for key, value in sorted((values or {}).items())]
        self.field(level, name, "\n".join(entries) or NONE)

    def table(self, level: int, rows: Iterable[Sequence[str]]) -> None:
        """Rows with a header, which is underlined."""
        head, *others = rows
        for row in (head, ["-" * len(cell) for cell in head], *others):
            self.line(level, "\t".join(row))

    def text(self) -> str:
        """The page."""
        return "\n".join(aligned(self._lines))


def aligned(lines: Sequence[str]) -> list[str]:
    """The lines with tabs turned into blanks: in each run of lines that have a cell in a column, it is equally wide."""
    rows = [line.split("\t") for line in lines]
    column = 0
    while any(len(row) > column + 1 for row in rows):
        start = 0
        while start < len(rows):
            end = start
            while end < len(rows) and len(rows[end]) > column + 1:
                end += 1
            width = max((len(row[column]) for row in rows[start:end]), default=0) + PADDING
            for row in rows[start:end]:
                row[column] = row[column].ljust(width)
            start = max(end, start + 1)
        column += 1
    return ["".join(row).rstrip() for row in rows]


def moment(timestamp: str | None) -> str:
    """A timestamp as people read it: `Mon, 23 Nov 2026 01:26:54 +0000`."""
    return time.parse(timestamp).strftime("%a, %d %b %Y %H:%M:%S %z") if timestamp else "<unset>"


def events(page: Page, happenings: Sequence[Happening], now: datetime) -> None:
    """The last part of a description: what happened to the object."""
    if not happenings:
        page.field(0, "Events", NONE)
        return
    page.line(0, "Events:")
    head = ["Type", "Reason", "Age", "From", "Message"]
    page.table(1, [head, *(_row(each, now) for each in happenings)])


def _row(each: Happening, now: datetime) -> list[str]:
    return [each.type, each.reason, each.seen(now), each.source, each.message.replace("\n", " ")]
