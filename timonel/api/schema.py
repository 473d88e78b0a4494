"""What the generated types say about themselves beyond their Python types.

The generator writes `Merge` and `Format` into annotations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec


@dataclass(frozen=True, slots=True)
class Merge:
    """How a field merges, as the x-kubernetes-* extensions of its schema say.

    `list_type`, `map_type` and `keys` rule server-side apply; `strategy` and `merge_key` strategic merge patches.
    """

    list_type: Literal["atomic", "set", "map"] | None = None
    map_type: Literal["atomic", "granular"] | None = None
    keys: tuple[str, ...] = ()
    strategy: tuple[str, ...] = ()
    merge_key: str | None = None


@dataclass(frozen=True, slots=True)
class Format:
    """The OpenAPI format of a scalar."""

    name: str


Int32 = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1), Format("int32")]
Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1), Format("int64")]
Bytes = Annotated[str, Format("byte")]
"""Base64 text, as it is on the wire."""
