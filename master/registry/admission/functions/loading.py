"""Finding plugin functions: behind entry points once, in the files of a folder again whenever one of them changes."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from timonel.admission import ATTRIBUTE, Function, Hook

GROUP = "timonel.admission"
"""The entry point group."""

State = tuple[int, int, int]
"""By which a file is known to be another: its inode, its size, and when it was written, in nanoseconds."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A function, ready to be called."""

    name: str
    """For messages: the file or entry point, and the function."""
    function: Function
    hook: Hook


def files_of(folder: Path) -> dict[Path, State]:
    """The folder's Python files and their states; those whose names begin with ``_`` or ``.`` are no plugins.

    Raises:
        OSError: the folder cannot be read.
    """
    found: dict[Path, State] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix == ".py" and path.name[0] not in "_.":
            try:
                known = path.stat()
            except FileNotFoundError:  # gone since it was listed
                continue
            found[path] = (known.st_ino, known.st_size, known.st_mtime_ns)
    return found


def load_file(path: Path) -> list[Loaded]:
    """The functions of a file, which is run for that. It may raise anything."""
    name = f"timonel_admission_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickles look a class's module up
    # Not by the loader: it would take code compiled from an older file of the same second and size.
    exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
    return list(_functions_of(module, path.name))


def entry_point_loaders() -> dict[str, Callable[[], list[Loaded]]]:
    """What loads each entry point, by its name; an entry point is a module or a function."""

    def loader(point: Any) -> Callable[[], list[Loaded]]:
        def load() -> list[Loaded]:
            found = point.load()
            if isinstance(found, ModuleType):
                return list(_functions_of(found, point.name))
            return list(_loaded(point.name, found))

        return load

    return {point.name: loader(point) for point in entry_points(group=GROUP)}


def _functions_of(module: ModuleType, where: str) -> Iterator[Loaded]:
    for value in vars(module).values():
        if getattr(value, "__module__", None) == module.__name__:
            yield from _loaded(where, value)


def _loaded(where: str, value: Any) -> Iterator[Loaded]:
    hook = getattr(value, ATTRIBUTE, None)
    if isinstance(hook, Hook) and callable(value):
        yield Loaded(f"{where}:{getattr(value, '__name__', 'function')}", value, hook)
