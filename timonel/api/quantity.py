"""Quantities."""

from __future__ import annotations


class Quantity(str):
    """A resource amount."""

    __slots__ = ()
