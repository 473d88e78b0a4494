"""RoleBindings."""

from collections.abc import Iterator

from master.registry.bindingcolumns import BINDING_COLUMNS
from master.registry.strategy import Strategy, kind
from master.registry.validation.rbac import default_binding, validate_binding
from timonel.api import names
from timonel.api.fields import FieldError
from timonel.api.types import rbac_v1


@kind(rbac_v1.RoleBinding, plural="rolebindings")
class RoleBindings(Strategy[rbac_v1.RoleBinding]):
    """Who has a role in a namespace."""

    create_on_update = True
    columns = BINDING_COLUMNS
    validate_name = staticmethod(names.path_segment)

    def default(self, obj: rbac_v1.RoleBinding, old: rbac_v1.RoleBinding | None) -> None:
        """See `validation.rbac`."""
        default_binding(obj)

    def validate(self, obj: rbac_v1.RoleBinding, old: rbac_v1.RoleBinding | None) -> Iterator[FieldError]:
        """See `validation.rbac`; the role may be the namespace's or the cluster's."""
        yield from validate_binding(obj, old, ("Role", "ClusterRole"))
