"""Quotas are counted anew when they change, and when something that they count does: goes, ends, shrinks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from master.controllers.actions import Action, SetStatus
from master.controllers.controller import Key, Wake, controller, key_of
from master.controllers.view import View
from master.registry.quota.usage import COUNTED
from timonel.api import codec
from timonel.api.types import core_v1

ALWAYS = (core_v1.Pod, core_v1.Service, core_v1.PersistentVolumeClaim)
"""Kinds that quotas count otherwise than by ``count/``."""


def _quotas(obj: Any, view: View) -> Iterator[Key]:
    """The quotas that may count an object."""
    namespace = obj.metadata.namespace
    if not namespace or isinstance(obj, core_v1.ResourceQuota):
        return
    for quota in view.list(core_v1.ResourceQuota, namespace):
        if isinstance(obj, ALWAYS) or any(name.startswith("count/") or name in COUNTED for name in quota.spec.hard):
            yield key_of(quota)


@controller(core_v1.ResourceQuota, wakes_on=[Wake(None, _quotas)])
def resourcequota(quota: core_v1.ResourceQuota, view: View, now: datetime) -> Iterator[Action]:
    """Say that the quota as it is specified holds; what is used is counted as that is written, see `admission.quota`.

    Nothing is written where the count is what it was.
    """
    changed = codec.copy(quota)
    changed.status.hard = quota.spec.hard
    yield SetStatus(changed)
