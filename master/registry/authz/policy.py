"""The roles and bindings that every cluster has, with the names and rules that Kubernetes' documentation gives them
(https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings).

A rule is written as three texts of words: verbs, API groups (``-`` is the core group), resources.
"""

from collections.abc import Iterable, Mapping, Sequence

from timonel.api.types import meta_v1, rbac_v1
from timonel.api.types.rbac_v1 import AggregationRule, ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding

AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"
"""The annotation of what is brought up to date at each start; "false" keeps it as it is."""
LABELS = {"kubernetes.io/bootstrapping": "rbac-defaults"}
AGGREGATE = "rbac.authorization.k8s.io/aggregate-to-"

CONTROLLER_PREFIX = "system:controller:"
_SYSTEM = "kube-system"
_AUTHENTICATED = "system:authenticated"
_UNAUTHENTICATED = "system:unauthenticated"

READ = "get list watch"
WRITE = "create delete deletecollection patch update"
_AUTHN, _AUTHZ, _RBAC = "authentication.k8s.io", "authorization.k8s.io", "rbac.authorization.k8s.io"
_CERTIFICATES, _COORDINATION, _DISCOVERY = "certificates.k8s.io", "coordination.k8s.io", "discovery.k8s.io"
_EVENTS, _NETWORKING, _RESOURCE, _STORAGE = "events.k8s.io", "networking.k8s.io", "resource.k8s.io", "storage.k8s.io"
_METRICS = "metrics.k8s.io"

_PUBLIC = ("/healthz", "/livez", "/readyz", "/version", "/version/")
_DOCUMENTS = ("/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*")


def _rule(verbs: str, groups: str, resources: str, names: Sequence[str] = ()) -> PolicyRule:
    return PolicyRule(
        verbs=verbs.split(),
        apiGroups=["" if group == "-" else group for group in groups.split()],
        resources=resources.split(),
        resourceNames=list(names),
    )


def _urls(verbs: str, *paths: str) -> PolicyRule:
    return PolicyRule(verbs=verbs.split(), nonResourceURLs=list(paths))


_TELL = _rule("create patch update", f"- {_EVENTS}", "events")
"""Who tells of what it does."""
_REVIEW = (_rule("create", _AUTHN, "tokenreviews"), _rule("create", _AUTHZ, "subjectaccessreviews"))

_VIEW = (
    _rule(
        READ,
        "-",
        "bindings configmaps endpoints events limitranges namespaces namespaces/status persistentvolumeclaims "
        "persistentvolumeclaims/status pods pods/log pods/status replicationcontrollers replicationcontrollers/scale "
        "replicationcontrollers/status resourcequotas resourcequotas/status serviceaccounts services services/status",
    ),
    _rule(READ, _DISCOVERY, "endpointslices"),
    _rule(
        READ,
        "apps",
        "controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets "
        "replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status",
    ),
    _rule(READ, "autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status"),
    _rule(READ, "batch", "cronjobs cronjobs/status jobs jobs/status"),
    _rule(READ, "policy", "poddisruptionbudgets poddisruptionbudgets/status"),
    _rule(READ, _NETWORKING, "ingresses ingresses/status networkpolicies"),
    _rule(READ, _RESOURCE, "resourceclaims resourceclaims/status resourceclaimtemplates"),
    _rule(READ, _METRICS, "pods"),
)

_EDIT = (
    _rule(READ, "-", "pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy"),
    _rule("impersonate", "-", "serviceaccounts"),
    _rule(WRITE, "-", "pods pods/attach pods/exec pods/portforward pods/proxy"),
    _rule("create", "-", "pods/eviction serviceaccounts/token"),
    _rule(
        WRITE,
        "-",
        "configmaps events persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets "
        "serviceaccounts services services/proxy",
    ),
    _rule(
        WRITE,
        "apps",
        "daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets "
        "statefulsets/scale",
    ),
    _rule(WRITE, "autoscaling", "horizontalpodautoscalers"),
    _rule(WRITE, "batch", "cronjobs jobs"),
    _rule(WRITE, "policy", "poddisruptionbudgets"),
    _rule(WRITE, _NETWORKING, "ingresses networkpolicies"),
    _rule(f"{READ} {WRITE}", _COORDINATION, "leases"),
    _rule(WRITE, _RESOURCE, "resourceclaims resourceclaimtemplates"),
)

_ADMIN = (_rule("create", _AUTHZ, "localsubjectaccessreviews"), _rule(f"{READ} {WRITE}", _RBAC, "rolebindings roles"))

_NODE = (
    *_REVIEW,
    _rule("create get list watch", "-", "nodes"),
    _rule("patch update", "-", "nodes nodes/status"),
    _TELL,
    _rule("create delete get list watch", "-", "pods"),
    _rule("patch update", "-", "pods/status"),
    _rule("create", "-", "pods/eviction serviceaccounts/token"),
    _rule(READ, "-", "configmaps secrets services serviceaccounts"),
    _rule(f"get {WRITE}", _COORDINATION, "leases"),
    _rule("create get list watch", _CERTIFICATES, "certificatesigningrequests"),
    _rule(READ, "node.k8s.io", "runtimeclasses"),
)

_SCHEDULER = (
    _TELL,
    _rule("create", _COORDINATION, "leases"),
    _rule("get update", _COORDINATION, "leases", ["kube-scheduler"]),
    _rule(READ, "-", "namespaces nodes persistentvolumeclaims persistentvolumes replicationcontrollers services"),
    _rule("delete get list watch", "-", "pods"),
    _rule("create", "-", "bindings pods/binding"),
    _rule("patch update", "-", "pods/status"),
    _rule(READ, "apps", "replicasets statefulsets"),
    _rule(READ, "policy", "poddisruptionbudgets"),
    _rule(READ, _STORAGE, "csidrivers csinodes csistoragecapacities storageclasses volumeattachments"),
    _rule(f"{READ} patch update", _RESOURCE, "resourceclaims resourceclaims/status"),
    _rule(READ, _RESOURCE, "deviceclasses resourceslices"),
    *_REVIEW,
)

_CONTROLLER_MANAGER = (
    _TELL,
    _rule("create", _COORDINATION, "leases"),
    _rule("get update", _COORDINATION, "leases", ["kube-controller-manager"]),
    _rule("create", "-", "secrets serviceaccounts serviceaccounts/token"),
    _rule("delete", "-", "secrets"),
    _rule("get", "-", "configmaps namespaces secrets serviceaccounts"),
    _rule("update", "-", "secrets serviceaccounts"),
    *_REVIEW,
    _rule("list watch", "*", "*"),
)

_RULES: Mapping[str, Sequence[PolicyRule]] = {
    "cluster-admin": (_rule("*", "*", "*"), _urls("*", "*")),
    "system:auth-delegator": _REVIEW,
    "system:basic-user": (
        _rule("create", _AUTHZ, "selfsubjectaccessreviews selfsubjectrulesreviews"),
        _rule("create", _AUTHN, "selfsubjectreviews"),
    ),
    "system:discovery": (_urls("get", *_DOCUMENTS, *_PUBLIC),),
    "system:heapster": (_rule(READ, "-", "events namespaces nodes pods"), _rule(READ, "apps", "deployments")),
    "system:kube-aggregator": (_rule(READ, "-", "endpoints services"),),
    "system:kube-controller-manager": _CONTROLLER_MANAGER,
    "system:kube-dns": (_rule("list watch", "-", "endpoints services"),),
    "system:kube-scheduler": _SCHEDULER,
    "system:kubelet-api-admin": (
        _rule("get list proxy watch", "-", "nodes"),
        _rule(
            "*",
            "-",
            "nodes/configz nodes/healthz nodes/log nodes/metrics nodes/pods nodes/proxy nodes/spec nodes/stats",
        ),
    ),
    "system:monitoring": (
        _urls("get", "/healthz", "/healthz/*", "/livez", "/livez/*", "/metrics", "/metrics/slis"),
        _urls("get", "/readyz", "/readyz/*"),
    ),
    "system:node": _NODE,
    "system:node-bootstrapper": (_rule("create get list watch", _CERTIFICATES, "certificatesigningrequests"),),
    "system:node-problem-detector": (_rule("get", "-", "nodes"), _rule("patch", "-", "nodes/status"), _TELL),
    "system:node-proxier": (
        _rule("list watch", "-", "endpoints services"),
        _rule(READ, "-", "nodes"),
        _TELL,
        _rule("list watch", _DISCOVERY, "endpointslices"),
        _rule("list watch", _NETWORKING, "servicecidrs"),
    ),
    "system:persistent-volume-provisioner": (
        _rule("create delete get list watch", "-", "persistentvolumes"),
        _rule("get list update watch", "-", "persistentvolumeclaims"),
        _rule(READ, _STORAGE, "storageclasses"),
        _rule("watch", "-", "events"),
        _TELL,
    ),
    "system:public-info-viewer": (_urls("get", *_PUBLIC),),
    "system:service-account-issuer-discovery": (
        _urls("get", "/.well-known/openid-configuration", "/.well-known/openid-configuration/"),
        _urls("get", "/openid/v1/jwks", "/openid/v1/jwks/"),
    ),
    "system:volume-scheduler": (
        _rule("get list patch update watch", "-", "persistentvolumes"),
        _rule(READ, _STORAGE, "storageclasses"),
        _rule("get list patch update watch", "-", "persistentvolumeclaims"),
    ),
    "system:certificates.k8s.io:certificatesigningrequests:nodeclient": (
        _rule("create", _CERTIFICATES, "certificatesigningrequests/nodeclient"),
    ),
    "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient": (
        _rule("create", _CERTIFICATES, "certificatesigningrequests/selfnodeclient"),
    ),
    **{
        f"system:certificates.k8s.io:{signer}-approver": (
            _rule("approve", _CERTIFICATES, "signers", [f"kubernetes.io/{signer}"]),
        )
        for signer in ("kube-apiserver-client", "kube-apiserver-client-kubelet", "kubelet-serving", "legacy-unknown")
    },
}

_CONTROLLERS: Mapping[str, Sequence[PolicyRule]] = {
    "certificate-controller": (
        _rule("delete get list watch", _CERTIFICATES, "certificatesigningrequests"),
        _rule("update", _CERTIFICATES, "certificatesigningrequests/approval certificatesigningrequests/status"),
        _rule("sign", _CERTIFICATES, "signers", ["kubernetes.io/kube-apiserver-client"]),
        _rule("create", _AUTHZ, "subjectaccessreviews"),
        _TELL,
    ),
    "clusterrole-aggregation-controller": (_rule("escalate get list patch update watch", _RBAC, "clusterroles"),),
    "deployment-controller": (
        _rule("get list update watch", "apps", "deployments"),
        _rule("update", "apps", "deployments/finalizers deployments/status"),
        _rule("create delete get list patch update watch", "apps", "replicasets"),
        _rule("get list update watch", "-", "pods"),
        _TELL,
    ),
    "endpoint-controller": (
        _rule(READ, "-", "pods services"),
        _rule("create delete get list update watch", "-", "endpoints"),
        _rule("create", "-", "endpoints/restricted"),
        _TELL,
    ),
    "endpointslice-controller": (
        _rule(READ, "-", "nodes pods services"),
        _rule("update", "-", "services/finalizers"),
        _rule("create delete get list update watch", _DISCOVERY, "endpointslices"),
        _TELL,
    ),
    "generic-garbage-collector": (_rule("delete get list patch update watch", "*", "*"), _TELL),
    "namespace-controller": (
        _rule("delete get list watch", "-", "namespaces"),
        _rule("update", "-", "namespaces/finalize namespaces/status"),
        _rule("delete deletecollection get list", "*", "*"),
    ),
    "node-controller": (
        _rule("delete get list patch update watch", "-", "nodes"),
        _rule("patch update", "-", "nodes/status"),
        _rule("delete get list watch", "-", "pods"),
        _rule("patch update", "-", "pods/status"),
        _TELL,
    ),
    "pod-garbage-collector": (_rule("delete get list watch", "-", "pods"), _rule(READ, "-", "nodes")),
    "replicaset-controller": (
        _rule("get list update watch", "apps", "replicasets"),
        _rule("update", "apps", "replicasets/finalizers replicasets/status"),
        _rule("create delete list patch watch", "-", "pods"),
        _TELL,
    ),
    "root-ca-cert-publisher": (_rule("create update", "-", "configmaps"), _TELL),
    "service-account-controller": (_rule("create", "-", "serviceaccounts"), _TELL),
}

_AGGREGATED = {"admin": "", "edit": "admin", "view": "edit"}
"""The roles for users that are gathered from others, and into which each is gathered itself."""

_BINDINGS: Mapping[str, Sequence[str]] = {
    "cluster-admin": ("Group system:masters",),
    "system:basic-user": (f"Group {_AUTHENTICATED}",),
    "system:discovery": (f"Group {_AUTHENTICATED}",),
    "system:kube-controller-manager": ("User system:kube-controller-manager",),
    "system:kube-dns": (f"ServiceAccount {_SYSTEM} kube-dns",),
    "system:kube-scheduler": ("User system:kube-scheduler",),
    "system:monitoring": ("Group system:monitoring",),
    "system:node": (),
    "system:node-proxier": ("User system:kube-proxy",),
    "system:public-info-viewer": (f"Group {_AUTHENTICATED}", f"Group {_UNAUTHENTICATED}"),
    "system:service-account-issuer-discovery": ("Group system:serviceaccounts",),
    "system:volume-scheduler": ("User system:kube-scheduler",),
}

_READER = "extension-apiserver-authentication-reader"


def cluster_roles() -> list[ClusterRole]:
    """The default ClusterRoles."""
    controllers = {f"{CONTROLLER_PREFIX}{name}": rules for name, rules in _CONTROLLERS.items()}
    plain = [ClusterRole(metadata=_meta(name), rules=list(rules)) for name, rules in {**_RULES, **controllers}.items()]
    parts = {"view": _VIEW, "edit": _EDIT, "admin": _ADMIN}
    pieces = [
        ClusterRole(metadata=_meta(f"system:aggregate-to-{name}", {f"{AGGREGATE}{name}": "true"}), rules=list(rules))
        for name, rules in parts.items()
    ]
    return [*plain, *pieces, *(_aggregated(name, into) for name, into in _AGGREGATED.items())]


def cluster_role_bindings() -> list[ClusterRoleBinding]:
    """The default ClusterRoleBindings, each named as its role."""
    controllers = {f"{CONTROLLER_PREFIX}{name}": (f"ServiceAccount {_SYSTEM} {name}",) for name in _CONTROLLERS}
    return [
        ClusterRoleBinding(metadata=_meta(name), roleRef=_ref("ClusterRole", name), subjects=_subjects(subjects))
        for name, subjects in {**_BINDINGS, **controllers}.items()
    ]


def roles() -> list[Role]:
    """The default Roles."""
    rule = _rule(READ, "-", "configmaps", ["extension-apiserver-authentication"])
    return [Role(metadata=_meta(_READER, namespace=_SYSTEM), rules=[rule])]


def role_bindings() -> list[RoleBinding]:
    """The default RoleBindings."""
    users = ("User system:kube-controller-manager", "User system:kube-scheduler")
    metadata = _meta(f"system::{_READER}", namespace=_SYSTEM)
    return [RoleBinding(metadata=metadata, roleRef=_ref("Role", _READER), subjects=_subjects(users))]


def _aggregated(name: str, into: str) -> ClusterRole:
    selector = meta_v1.LabelSelector(matchLabels={f"{AGGREGATE}{name}": "true"})
    return ClusterRole(
        metadata=_meta(name, {f"{AGGREGATE}{into}": "true"} if into else {}),
        aggregationRule=AggregationRule(clusterRoleSelectors=[selector]),
    )


def _meta(name: str, labels: Mapping[str, str] = {}, namespace: str = "") -> meta_v1.ObjectMeta:
    return meta_v1.ObjectMeta(
        name=name, namespace=namespace or None, labels={**LABELS, **labels}, annotations={AUTOUPDATE: "true"}
    )


def _ref(kind: str, name: str) -> rbac_v1.RoleRef:
    return rbac_v1.RoleRef(apiGroup=_RBAC, kind=kind, name=name)


def _subjects(texts: Iterable[str]) -> list[rbac_v1.Subject]:
    """Subjects written as ``User name``, ``Group name`` or ``ServiceAccount namespace name``."""
    found = []
    for text in texts:
        kind, *namespace, name = text.split()
        where = namespace[0] if namespace else None
        found.append(rbac_v1.Subject(kind=kind, name=name, namespace=where, apiGroup=None if where else _RBAC))
    return found
