"""All that a quota counts, added up."""

from collections.abc import Iterable
from typing import Any

from master.registry.podamounts import Amounts
from master.registry.quota.scopes import in_scope
from master.registry.quota.usage import ZERO, usage
from timonel.api.types import core_v1


def counted(spec: core_v1.ResourceQuotaSpec, objects: Iterable[tuple[str, Any]]) -> Amounts:
    """How much of what the quota limits is used by objects, each given with its resource as in ``deployments.apps``."""
    total: Amounts = dict.fromkeys(spec.hard, ZERO)
    for group_resource, obj in objects:
        if not in_scope(spec, obj):
            continue
        for name, amount in usage(group_resource, obj).items():
            if name in total:
                total[name] = total[name].plus(amount)
    return total
