"""Finds the Python class of a kind by its group, version and kind, importing the class's module on first use."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import cast

from timonel.api.gvk import GVK
from timonel.api.struct import Struct
from timonel.api.types.index import INDEX


@cache
def lookup(gvk: GVK) -> type[Struct] | None:
    """The struct class of a built-in kind (lists included), or None when there is no such kind."""
    if gvk not in INDEX:
        return None
    module, name = INDEX[gvk]
    return cast(type[Struct], getattr(import_module(f"timonel.api.types.{module}"), name))


def kinds() -> list[GVK]:
    """Every built-in kind, lists included, in order."""
    return list(INDEX)
