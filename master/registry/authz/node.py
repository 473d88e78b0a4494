"""The node authorizer: a node sees itself, the pods bound to it and what these use, and writes what the role
``system:node`` says; admission (`noderestriction`) sees to it that it writes its own objects only. The words are those
of Kubernetes' authorizer of the same name.
"""

from collections.abc import Callable

from master.registry.authz.base import ALLOW, NO_OPINION, Attributes, Decision, Rules, Verdict
from master.registry.authz.node_reach import Reach
from master.registry.authz.policy import rules_of
from master.registry.authz.rules import CompiledRules
from master.registry.base import User
from master.registry.objects import Reader
from timonel.api import selectors
from timonel.api.fields import quoted

NODES = "system:nodes"
PREFIX = "system:node:"
LEASES = "kube-node-lease"
ROLE = "system:node"
READ = frozenset({"get", "list", "watch"})
WRITE_OWN = frozenset({"get", "create", "update", "patch", "delete"})

OWN_LEASE = "can only access node lease with the same name as the requesting node"
OWN_LEASES = f'can only access leases in the "{LEASES}" system namespace'
OWN_CSI_NODE = "can only access CSINode with the same name as the requesting node"


def is_node(user: User) -> bool:
    """Whether a user is a node, or says so without saying which."""
    return user.name.startswith(PREFIX) and NODES in user.groups


def node_name(user: User) -> str:
    """The node that the user is; empty for everybody else."""
    return user.name.removeprefix(PREFIX) if is_node(user) else ""


class NodeRule:
    """Judges nodes; has no opinion on others."""

    def __init__(self) -> None:
        self._reader: Reader | None = None
        self._role = CompiledRules(rules_of(ROLE))

    def use(self, reader: Reader) -> None:
        """Judge by these objects."""
        self._reader = reader

    def authorize(self, asked: Attributes) -> Verdict:
        """Allow what is the node's business."""
        if self._reader is None or not is_node(asked.user):
            return NO_OPINION
        node, resource = node_name(asked.user), asked.resource
        if not node:
            return Verdict(Decision.NO_OPINION, f"unknown node for user {quoted(asked.user.name)}")
        if resource is None:
            return NO_OPINION
        judge = _JUDGES.get((resource.gvk.group, resource.plural))
        refused = judge(node, asked, Reach(node, self._reader)) if judge else None
        if refused is None:
            of_role = self._role.allows_resource(
                asked.verb, resource.gvk.group, resource.plural, asked.subresource, asked.about
            )
            return ALLOW if of_role else NO_OPINION
        return Verdict(Decision.NO_OPINION, refused) if refused else ALLOW

    def rules_for(self, user: User, namespace: str) -> Rules:
        """None: what a node may do depends on its pods."""
        problem = "node authorizer does not support user rule resolution"
        return Rules(problems=(problem,), incomplete=True) if is_node(user) else Rules()


Judge = Callable[[str, Attributes, Reach], str | None]
"""Why a node may not do something; empty: it may; None: the role decides."""


def _reached(node: str, asked: Attributes, reach: Reach) -> str:
    if not asked.about:
        return "No Object name found"
    kind = asked.resource.struct if asked.resource else None
    if reach.reaches(kind, asked.namespace, asked.about):
        return ""
    return f"no relationship found between node '{node}' and this object"


def _read(node: str, asked: Attributes, reach: Reach) -> str:
    if asked.verb not in READ:
        return "can only read resources of this type"
    if asked.subresource:
        return "cannot read subresource"
    if not asked.namespace:
        return "can only read namespaced object of this type"
    return _reached(node, asked, reach)


def _get(node: str, asked: Attributes, reach: Reach) -> str:
    if asked.verb != "get":
        return "can only get individual resources of this type"
    return "cannot get subresource" if asked.subresource else _reached(node, asked, reach)


def _claim(node: str, asked: Attributes, reach: Reach) -> str:
    if asked.subresource != "status":
        return _get(node, asked, reach)
    return _reached(node, asked, reach) if asked.verb in ("update", "patch") else "can only get/update/patch this type"


def _account(node: str, asked: Attributes, reach: Reach) -> str:
    if asked.verb == "get" and not asked.subresource:
        return _get(node, asked, reach)
    if asked.verb != "create" or not asked.name:
        return "can only create tokens for individual service accounts"
    if asked.subresource != "token":
        return "can only create token subresource of serviceaccount"
    return _reached(node, asked, reach)


def _lease(node: str, asked: Attributes, reach: Reach) -> str:
    if asked.verb not in WRITE_OWN:
        return "can only get, create, update, patch, or delete a node lease"
    if asked.namespace != LEASES:
        return OWN_LEASES
    return "" if asked.verb == "create" or asked.name == node else OWN_LEASE


def _csi_node(node: str, asked: Attributes, reach: Reach) -> str:
    if asked.verb not in WRITE_OWN:
        return "can only get, create, update, patch, or delete a CSINode"
    if asked.subresource:
        return "cannot authorize CSINode subresources"
    return "" if asked.verb == "create" or asked.name == node else OWN_CSI_NODE


def _slice(node: str, asked: Attributes, reach: Reach) -> str:
    if asked.subresource:
        return "cannot authorize ResourceSlice subresources"
    match asked.verb:
        case "create":
            return ""
        case "get" | "update" | "patch" | "delete":
            return _reached(node, asked, reach)
        case "list" | "watch" | "deletecollection":
            why = "can only list/watch/deletecollection resourceslices with nodeName field selector"
            return "" if _selects_node(node, asked) else why
    verbs = "get, watch, list, create, update, patch, delete, deletecollection"
    return f"only the following verbs are allowed for a ResourceSlice: {verbs}"


def _node(node: str, asked: Attributes, reach: Reach) -> str | None:
    if asked.subresource or asked.verb not in READ:
        return None
    which = f"'{asked.about}'" if asked.about else "all nodes"
    return "" if asked.about == node else f"node '{node}' cannot read {which}, only its own Node object"


def _pod(node: str, asked: Attributes, reach: Reach) -> str | None:
    if asked.subresource or asked.verb not in READ:
        return None
    if asked.verb == "get" or asked.name:
        return _reached(node, asked, reach)
    return "" if _selects_node(node, asked) else "can only list/watch pods with spec.nodeName field selector"


def _selects_node(node: str, asked: Attributes) -> bool:
    return selectors.parse_fields(asked.field_selector).exact("spec.nodeName") == node


_JUDGES: dict[tuple[str, str], Judge] = {
    ("", "secrets"): _read,
    ("", "configmaps"): _read,
    ("", "persistentvolumeclaims"): _claim,
    ("", "persistentvolumes"): _get,
    ("storage.k8s.io", "volumeattachments"): _get,
    ("resource.k8s.io", "resourceclaims"): _get,
    ("resource.k8s.io", "resourceslices"): _slice,
    ("", "serviceaccounts"): _account,
    ("coordination.k8s.io", "leases"): _lease,
    ("storage.k8s.io", "csinodes"): _csi_node,
    ("", "nodes"): _node,
    ("", "pods"): _pod,
}
