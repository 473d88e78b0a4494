"""What is wrong with a template."""

from __future__ import annotations


class TemplateError(ValueError):
    """A template is malformed, or does not fit the value; the text says where and why."""


class FunctionError(ValueError):
    """A function does not take its arguments; evaluation adds which and where."""


def line_and_column(text: str, position: int) -> tuple[int, int]:
    """The line, from 1, and the column, from 0 and in bytes, of a place in a template."""
    before = text[:position]
    return before.count("\n") + 1, len(before[before.rfind("\n") + 1 :].encode())
