"""What a controller may ask the engine to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from master.registry.objects import APIObject


@dataclass(frozen=True, slots=True)
class Create:
    """Create ``obj``. When it exists already (by its name) that is success."""

    obj: APIObject
    announce: bool = False
    """Tell SuccessfulCreate or FailedCreate about the reconciled object, as Kubernetes' workload controllers do."""


@dataclass(frozen=True, slots=True)
class Update:
    """Replace an object, or a subresource of it, by a changed copy, if it has not changed since it was seen."""

    obj: APIObject
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class SetStatus:
    """Write the status of a changed copy of an object, if the object has not changed since it was seen."""

    obj: APIObject


@dataclass(frozen=True, slots=True)
class Patch:
    """Merge ``patch`` (RFC 7386) into an object, whatever changed since it was seen."""

    obj: APIObject
    patch: dict[str, Any]
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete this very object (by uid). When it is gone already that is success."""

    obj: APIObject
    grace_seconds: int | None = None
    propagation: str | None = None
    announce: bool = False
    """Tell SuccessfulDelete or FailedDelete about the reconciled object."""


@dataclass(frozen=True, slots=True)
class Tell:
    """An Event about an object."""

    about: APIObject
    reason: str
    message: str
    type: str = "Normal"


@dataclass(frozen=True, slots=True)
class RequeueAfter:
    """Look again after ``seconds``, even when nothing changes."""

    seconds: float


Action = Create | Update | SetStatus | Patch | Delete | Tell | RequeueAfter
Write = Create | Update | SetStatus | Patch | Delete
