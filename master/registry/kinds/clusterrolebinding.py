"""ClusterRoleBindings."""

from master.registry.rolebindings import Bindings
from master.registry.strategy import kind
from timonel.api.types import rbac_v1


@kind(rbac_v1.ClusterRoleBinding, plural="clusterrolebindings", namespaced=False)
class ClusterRoleBindings(Bindings[rbac_v1.ClusterRoleBinding]):
    """Who has a role everywhere."""

    roles = ("ClusterRole",)
