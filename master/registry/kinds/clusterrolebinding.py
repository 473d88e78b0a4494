"""ClusterRoleBindings."""

from collections.abc import Iterator

from master.registry.bindingcolumns import BINDING_COLUMNS
from master.registry.strategy import Strategy, kind
from master.registry.validation.rbac import default_binding, validate_binding
from timonel.api import names
from timonel.api.fields import FieldError
from timonel.api.types import rbac_v1


@kind(rbac_v1.ClusterRoleBinding, plural="clusterrolebindings", namespaced=False)
class ClusterRoleBindings(Strategy[rbac_v1.ClusterRoleBinding]):
    """Who has a role everywhere."""

    create_on_update = True
    columns = BINDING_COLUMNS
    validate_name = staticmethod(names.path_segment)

    def default(self, obj: rbac_v1.ClusterRoleBinding, old: rbac_v1.ClusterRoleBinding | None) -> None:
        """See `validation.rbac`."""
        default_binding(obj)

    def validate(self, obj: rbac_v1.ClusterRoleBinding, old: rbac_v1.ClusterRoleBinding | None) -> Iterator[FieldError]:
        """See `validation.rbac`."""
        yield from validate_binding(obj, old, ("ClusterRole",))
