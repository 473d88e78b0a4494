"""Who may do what."""

from master.registry.authz.base import Union
from master.registry.authz.masters import Masters
from master.registry.authz.node import NodeRule
from master.registry.authz.public import Public
from master.registry.authz.rbac import RBAC


def load() -> Union:
    """The authorizers of a cluster, in the order in which they are asked."""
    return Union([Masters(), NodeRule(), Public(), RBAC()])
