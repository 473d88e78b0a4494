"""The base of every generated API type."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec


class Struct(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """An API object or a part of one; attributes bear the wire names.

    Unknown fields are refused here so that one pass tells whether there are any; `codec` drops them in a second one.

    An absent list or map is empty, and a scalar that Go holds by value is zero: to Kubernetes, zero is absence there.
    Other optional scalars (pointers in Go) and structs are None when absent. All of these are left out when encoded.
    Required fields hold Go's zero value until set and are always written.
    """

    required_fields: ClassVar[frozenset[str]] = frozenset()
    """Wire names of the fields that the API's schema requires."""

    map_atomic: ClassVar[bool] = False
    """Whether server-side apply owns and replaces the struct as a whole (x-kubernetes-map-type: atomic)."""


def empty_list() -> list[Any]:
    """The default of a required list: unlike a plain `list`, msgspec writes it even when it is empty."""
    return []


def empty_map() -> dict[str, Any]:
    """The default of a required map, written even when it is empty."""
    return {}
