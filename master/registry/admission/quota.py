"""Nobody uses more of a namespace than its quotas allow: Kubernetes' plugin ResourceQuota, but exact.

A quota's ``status.used`` is raised in the very transaction that writes what uses it, so that it is never too low, and
never left raised by a write that fails. What has gone is taken off by a recount, when the quota's controller writes the
status: the count is taken from caches that are as new as the quota, and written on the condition that the quota has not
changed, so that nothing that was charged meanwhile is forgotten.
"""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar
from weakref import WeakValueDictionary

from master.registry.admission.base import Attributes, Plugin
from master.registry.base import Verb
from master.registry.objects import Call, Reader
from master.registry.quota.count import counted
from master.registry.quota.scopes import in_scope
from master.registry.quota.usage import counts_kind, grown, unsaid, usage
from timonel.api import codec
from timonel.api.quantity import Quantity
from timonel.api.types import core_v1

CONTROLLER = "system:serviceaccount:kube-system:resourcequota-controller"
FIRST_COUNT = 3.0
"""Seconds that a write waits for a new quota's first count, which is the controller's to order."""
LOOK_AGAIN = 0.05
RESIZE = "resize"
GROWING = (core_v1.Service, core_v1.PersistentVolumeClaim)
"""Kinds whose updates may use more than before."""


class ResourceQuota(Plugin):
    """Charges quotas, last of all plugins, and recounts them."""

    order: ClassVar[int] = 1000
    operations = frozenset({Verb.CREATE, Verb.UPDATE})

    def __init__(self) -> None:
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def sees(self, attributes: Attributes) -> bool:
        """What is made or grows in a namespace, and the controller's word that a quota is to be counted."""
        call = attributes.call
        if not call.namespace or not self._sees_kind(attributes):
            return False
        if call.subresource == RESIZE or _is_recount(call):
            return True
        return not call.subresource and (attributes.old is None or isinstance(attributes.object, GROWING))

    def turn(self, call: Call, reader: Reader) -> AbstractAsyncContextManager[Any] | None:
        """Creations that one quota may count go one after the other, since only one can win anyway."""
        if not call.namespace or next(reader.all_cached(core_v1.ResourceQuota, call.namespace), None) is None:
            return None
        return self._turns.setdefault(call.namespace, asyncio.Lock())

    async def mutate(self, attributes: Attributes) -> None:
        """Count, if that is what the write is for."""
        if not _is_recount(attributes.call):
            return
        quota: core_v1.ResourceQuota = attributes.object
        quota.status = core_v1.ResourceQuotaStatus(hard=dict(quota.spec.hard), used=await _recounted(attributes))

    async def validate(self, attributes: Attributes) -> None:
        """Charge every quota that counts the object.

        Raises:
            Forbidden: a quota would be exceeded, or containers do not say what it needs to know.
        """
        call, obj = attributes.call, attributes.object
        if _is_recount(call):
            return
        quotas = attributes.reader.all_cached(core_v1.ResourceQuota, call.namespace)
        counting = [quota for quota in quotas if in_scope(quota.spec, obj)]
        if not counting:
            return
        resource = call.resource.group_resource
        before = usage(resource, attributes.old) if attributes.old is not None else {}
        more = grown(usage(resource, obj), before)
        for known in counting:
            if isinstance(obj, core_v1.Pod):
                _check_said(attributes, known, obj.spec)
            if known.spec.hard.keys() & more.keys():
                quota = await _newest(attributes.reader, known, more)
                if quota is not None:
                    _charge(attributes, quota, more)


def _is_recount(call: Call) -> bool:
    return (
        call.resource.struct is core_v1.ResourceQuota and call.subresource == "status" and call.user.name == CONTROLLER
    )


async def _recounted(attributes: Attributes) -> dict[str, Quantity]:
    """What is used, as of a moment at which the quota was as it is in ``attributes.old`` or newer."""
    reader, quota = attributes.reader, attributes.object
    revision = int(attributes.old.metadata.resourceVersion)
    kinds = [each for each in reader.stored() if each.namespaced and counts_kind(each.group_resource, quota.spec.hard)]
    for each in kinds:
        assert each.struct is not None  # stored resources have one
        await reader.caught_up(each.struct, revision)
    return counted(
        quota.spec,
        (
            (each.group_resource, obj)
            for each in kinds
            if each.struct
            for obj in reader.all_cached(each.struct, attributes.call.namespace)
        ),
    )


async def _newest(
    reader: Reader, known: core_v1.ResourceQuota, more: Mapping[str, Quantity]
) -> core_v1.ResourceQuota | None:
    """The quota as the store has it, counted if that comes about in time; None when it is gone."""
    deadline = asyncio.get_running_loop().time() + FIRST_COUNT
    while True:
        quota = await reader.current(core_v1.ResourceQuota, known.metadata.namespace or "", known.metadata.name or "")
        if quota is None or not _uncounted(quota, more) or asyncio.get_running_loop().time() > deadline:
            return quota
        await asyncio.sleep(LOOK_AGAIN)


def _uncounted(quota: core_v1.ResourceQuota, more: Mapping[str, Quantity]) -> list[str]:
    return sorted((quota.spec.hard.keys() & more.keys()) - quota.status.used.keys())


def _check_said(attributes: Attributes, quota: core_v1.ResourceQuota, spec: core_v1.PodSpec) -> None:
    missing = unsaid(spec, quota.spec.hard)
    if missing:
        what = "; ".join(f"{name} for: {','.join(containers)}" for name, containers in missing.items())
        raise attributes.forbidden(f"failed quota: {quota.metadata.name}: must specify {what}")


def _charge(attributes: Attributes, quota: core_v1.ResourceQuota, more: Mapping[str, Quantity]) -> None:
    """Have the quota's use raised together with the write, if there is room."""
    uncounted = _uncounted(quota, more)
    if uncounted:
        what = f"{quota.metadata.name}, resources: {','.join(uncounted)}"
        raise attributes.forbidden(f"status unknown for quota: {what}")
    hard = quota.spec.hard
    wanted = {name: amount for name, amount in more.items() if name in hard}
    total = {name: quota.status.used[name].plus(amount) for name, amount in wanted.items()}
    over = [name for name in wanted if total[name].compare(hard[name]) > 0]
    if over:
        requested, used, limited = (_shown(amounts, over) for amounts in (wanted, quota.status.used, hard))
        why = f"requested: {requested}, used: {used}, limited: {limited}"
        raise attributes.forbidden(f"exceeded quota: {quota.metadata.name}, {why}")
    changed = codec.copy(quota)
    changed.status.used = quota.status.used | total
    attributes.beside.append(changed)


def _shown(amounts: Mapping[str, Quantity], names: list[str]) -> str:
    return ",".join(f"{name}={amounts[name]}" for name in sorted(names))
