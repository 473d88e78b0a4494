"""RoleBindings."""

from master.registry.rolebindings import Bindings
from master.registry.strategy import kind
from timonel.api.types import rbac_v1


@kind(rbac_v1.RoleBinding, plural="rolebindings")
class RoleBindings(Bindings[rbac_v1.RoleBinding]):
    """Who has a role in a namespace."""

    roles = ("Role", "ClusterRole")
