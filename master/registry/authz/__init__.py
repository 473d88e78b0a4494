"""Who may do what."""

from master.registry.authz.base import Union
from master.registry.authz.masters import Masters
from master.registry.authz.node import NodeRule
from master.registry.authz.public import Public


def load() -> Union:
    """The authorizers of a cluster, in the order in which they are asked; further ones (RBAC) belong here, last."""
    return Union([Masters(), NodeRule(), Public()])
