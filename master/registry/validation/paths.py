"""The rules of paths of files."""

import posixpath
from collections.abc import Iterator

from timonel.api.fields import FieldError, Path, invalid, required


def is_relative(text: str, path: Path) -> Iterator[FieldError]:
    """The text is the path of a file below some directory."""
    if not text:
        yield required(path)
        return
    yield from is_inside(text, path)
    if text.startswith("..") and not text.startswith("../"):
        yield invalid(path, text, "must not start with '..'")


def is_inside(text: str, path: Path) -> Iterator[FieldError]:
    """The text, which may be empty, leads nowhere outside."""
    if posixpath.isabs(text):
        yield invalid(path, text, "must be a relative path")
    yield from no_backsteps(text, path)


def no_backsteps(text: str, path: Path, why: str = "must not contain '..'") -> Iterator[FieldError]:
    """The path does not go up."""
    if ".." in text.split("/"):
        yield invalid(path, text, why)
