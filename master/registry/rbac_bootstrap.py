"""Makes the default roles and bindings, and at later starts gives them what they have come to lack.

What somebody added stays. What somebody changed on purpose stays too, once its annotation
``rbac.authorization.kubernetes.io/autoupdate`` is "false".
"""

import asyncio
import logging
from typing import Any

from master.registry.authz import policy
from master.registry.authz.rules import missing
from master.registry.base import component
from master.registry.verbs import Registry
from timonel.api import codec
from timonel.api.errors import AlreadyExists
from timonel.api.types import rbac_v1

log = logging.getLogger(__name__)

_WHO = component("apiserver")

AnyBinding = rbac_v1.RoleBinding | rbac_v1.ClusterRoleBinding


async def bootstrap_rbac(registry: Registry) -> None:
    """Bring the default roles and bindings up to date; namespaces must be there. They count when this returns."""
    async with asyncio.TaskGroup() as group:
        for obj in policy.defaults():
            group.create_task(_reconcile(registry, obj))
    for kind in (rbac_v1.ClusterRole, rbac_v1.ClusterRoleBinding, rbac_v1.Role, rbac_v1.RoleBinding):
        await registry.cache(kind).fresh()


async def _reconcile(registry: Registry, wanted: Any) -> None:
    kind, namespace, name = type(wanted), wanted.metadata.namespace or "", wanted.metadata.name
    present = registry.reader.cached(kind, namespace, name)
    if present is None:
        try:
            await registry.create(_WHO, kind, namespace, wanted)
        except AlreadyExists:
            log.debug("%s %s was made by another API server", kind.__name__, name)
        return
    if present.metadata.annotations.get(policy.AUTOUPDATE) == "false":
        return
    if isinstance(wanted, rbac_v1.ClusterRoleBinding | rbac_v1.RoleBinding) and present.roleRef != wanted.roleRef:
        await registry.delete(_WHO, kind, namespace, name)
        await registry.create(_WHO, kind, namespace, wanted)
        log.warning("%s %s named another role and was made anew", kind.__name__, name)
        return
    mended = mend(present, wanted)
    if mended != present:
        await registry.update(_WHO, kind, namespace, name, mended)
        log.info("brought %s %s up to date", kind.__name__, name)


def mend(present: Any, wanted: Any) -> Any:
    """``present`` with what it lacks of ``wanted``: rules, subjects, selectors, labels and annotations."""
    obj = codec.copy(present)
    obj.metadata.labels = {**obj.metadata.labels, **wanted.metadata.labels}
    obj.metadata.annotations = {**wanted.metadata.annotations, **obj.metadata.annotations}
    if isinstance(wanted, rbac_v1.ClusterRoleBinding | rbac_v1.RoleBinding):
        obj.subjects += [subject for subject in wanted.subjects if subject not in obj.subjects]
        return obj
    if isinstance(wanted, rbac_v1.ClusterRole) and wanted.aggregationRule is not None:
        if obj.aggregationRule is None:
            obj.aggregationRule = wanted.aggregationRule
        selectors = obj.aggregationRule.clusterRoleSelectors
        selectors += [s for s in wanted.aggregationRule.clusterRoleSelectors if s not in selectors]
        return obj
    obj.rules += [rule for rule in wanted.rules if missing(obj.rules, [rule])]
    return obj
