"""Timestamps and durations as Kubernetes writes them."""

from __future__ import annotations

from typing import Annotated

from timonel.api.schema import Format

Time = Annotated[str, Format("date-time")]
MicroTime = Annotated[str, Format("micro-time")]
