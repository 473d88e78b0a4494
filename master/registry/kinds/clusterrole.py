"""ClusterRoles."""

from collections.abc import Iterator

from master.registry.columns import Column
from master.registry.strategy import Strategy, kind
from master.registry.validation.placement import validate_selector
from master.registry.validation.rbac import validate_rules
from timonel.api import names
from timonel.api.fields import FieldError, Path, required
from timonel.api.types import rbac_v1


@kind(rbac_v1.ClusterRole, plural="clusterroles", namespaced=False)
class ClusterRoles(Strategy[rbac_v1.ClusterRole]):
    """What may be done in any namespace, to the cluster's own objects, and with URLs."""

    create_on_update = True
    columns = [Column("Created At", lambda role: role.metadata.creationTimestamp or "")]
    validate_name = staticmethod(names.path_segment)

    def validate(self, obj: rbac_v1.ClusterRole, old: rbac_v1.ClusterRole | None) -> Iterator[FieldError]:
        """See `validation.rbac`; an aggregated role says of which roles."""
        yield from validate_rules(obj.rules, namespaced=False)
        if obj.aggregationRule is None:
            return
        path = Path("aggregationRule.clusterRoleSelectors")
        if not obj.aggregationRule.clusterRoleSelectors:
            yield required(path, "at least one clusterRoleSelector required if aggregationRule is non-nil")
        for index, selector in enumerate(obj.aggregationRule.clusterRoleSelectors):
            yield from validate_selector(selector, path.index(index))
