"""NodeRestriction: what nodes may write, of what their role allows. The words are those of Kubernetes' plugin."""

from typing import Any, ClassVar

import msgspec

from master.registry.admission.base import Attributes, Plugin
from master.registry.admission.certificates import subject_of
from master.registry.authz.node import LEASES, OWN_CSI_NODE, OWN_LEASE, OWN_LEASES, is_node, node_name
from master.registry.authz.node_reach import MIRROR
from master.registry.base import Resource, Verb
from master.registry.podreferences import claims_of, config_maps_of, projections, secrets_of
from timonel.api.errors import BadRequest, NotFound
from timonel.api.fields import quoted
from timonel.api.gvk import GVK
from timonel.api.types import authentication_v1, certificates_v1, coordination_v1, core_v1, resource_v1, storage_v1

RESERVED = ("kubernetes.io", "k8s.io")
"""The domains whose labels say what others want of a node, but for those that a node says of itself."""
OWN_DOMAINS = ("kubelet.kubernetes.io", "node.kubernetes.io")
OWN_LABELS = frozenset(
    {
        "kubernetes.io/hostname",
        "kubernetes.io/os",
        "kubernetes.io/arch",
        "beta.kubernetes.io/arch",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/instance-type",
        "topology.kubernetes.io/zone",
        "topology.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region",
    }
)
NODE_SIGNERS = ("kubernetes.io/kube-apiserver-client-kubelet", "kubernetes.io/kubelet-serving")
GROWN = ("capacity", "conditions", "allocatedResources", "allocatedResourceStatuses", "modifyVolumeStatus")
"""What of a claim's status a node may change: all that growing a volume does."""
AUDIENCE_VERB = "request-serviceaccounts-token-audience"


class NodeRestriction(Plugin):
    """A node writes itself and its own pods only, and nothing that makes it wanted."""

    order: ClassVar[int] = 32
    operations = frozenset({Verb.CREATE, Verb.UPDATE, Verb.DELETE})
    kinds = frozenset(
        {
            core_v1.Node,
            core_v1.Pod,
            core_v1.PersistentVolumeClaim,
            core_v1.ServiceAccount,
            coordination_v1.Lease,
            storage_v1.CSINode,
            resource_v1.ResourceSlice,
            certificates_v1.CertificateSigningRequest,
        }
    )

    def sees(self, attributes: Attributes) -> bool:
        """Writes of nodes, their subresources too."""
        return is_node(attributes.call.user) and self._sees_kind(attributes)

    async def validate(self, attributes: Attributes) -> None:
        """Judge what the write leaves."""
        call, new = attributes.call, attributes.object
        node = node_name(call.user)
        if not node:
            raise attributes.forbidden(f"could not determine node from user {quoted(call.user.name)}")
        name = new.metadata.name if new is not None and not call.name else call.name
        kind: Any = call.resource.struct
        if kind is core_v1.Pod:
            self._pod(node, attributes)
        elif kind is core_v1.Node:
            self._node(node, name, attributes)
        elif kind is core_v1.ServiceAccount and call.subresource == "token":
            await self._token(node, attributes)
        elif kind is core_v1.PersistentVolumeClaim and attributes.operation is Verb.UPDATE:
            self._claim(node, attributes)
        elif kind is coordination_v1.Lease and call.namespace != LEASES:
            raise attributes.forbidden(OWN_LEASES)
        elif kind is coordination_v1.Lease and name != node:
            raise attributes.forbidden(OWN_LEASE)
        elif kind is storage_v1.CSINode and name != node:
            raise attributes.forbidden(OWN_CSI_NODE)
        elif kind is resource_v1.ResourceSlice and attributes.operation is Verb.CREATE:
            if new.spec.nodeName != node:
                raise attributes.forbidden(
                    "can only create ResourceSlice with the same NodeName as the requesting node"
                )
        elif kind is certificates_v1.CertificateSigningRequest and attributes.operation is Verb.CREATE:
            subject = subject_of(new.spec.request)
            if new.spec.signerName in NODE_SIGNERS and subject.name != call.user.name:
                raise attributes.forbidden(f"can only create a node CSR with CN={call.user.name}")

    # Pods

    def _pod(self, node: str, attributes: Attributes) -> None:
        call, old = attributes.call, attributes.old
        itself = "pods with spec.nodeName set to itself"
        match call.subresource, attributes.operation:
            case "", Verb.CREATE:
                self._mirror_pod(node, attributes)
            case "", Verb.DELETE if old.spec.nodeName != node:
                raise attributes.forbidden(f"node {quoted(node)} can only delete {itself}")
            case "", Verb.DELETE:
                pass
            case "", _:
                raise attributes.forbidden(
                    f"unexpected operation {quoted(attributes.operation.upper())}, "
                    f"node {quoted(node)} can only create and delete mirror pods"
                )
            case "status", _:
                self._pod_status(node, attributes)
            case "eviction", _:
                if not attributes.object.metadata.name:
                    raise BadRequest("name in URL does not match name in Eviction object")
                pod = attributes.reader.cached(core_v1.Pod, call.namespace, call.name)
                if pod is None:
                    raise NotFound("pod", call.name)
                if pod.spec.nodeName != node:
                    raise attributes.forbidden(f"node {node} can only evict {itself}")
            case _:
                why = f"unexpected pod subresource {quoted(call.subresource)}"
                raise attributes.forbidden(f"{why}, only 'status' and 'eviction' are allowed")

    def _pod_status(self, node: str, attributes: Attributes) -> None:
        new, old = attributes.object, attributes.old
        if old.spec.nodeName != node:
            itself = "pods with spec.nodeName set to itself"
            raise attributes.forbidden(f"node {quoted(node)} can only update pod status for {itself}")
        if new.metadata.labels != old.metadata.labels:
            raise attributes.forbidden(f"node {quoted(node)} cannot update labels through pod status")
        if new.status.resourceClaimStatuses != old.status.resourceClaimStatuses:
            raise attributes.forbidden(f"node {quoted(node)} cannot update resource claim statues")

    def _mirror_pod(self, node: str, attributes: Attributes) -> None:
        """A node may make a pod that shows what it runs by itself, which must not open anything to it."""
        pod: core_v1.Pod = attributes.object
        who = f"node {quoted(node)}"
        if MIRROR not in pod.metadata.annotations:
            raise attributes.forbidden(
                f"pod does not have {quoted(MIRROR)} annotation, {who} can only create mirror pods"
            )
        if pod.spec.nodeName != node:
            raise attributes.forbidden(f"{who} can only create pods with spec.nodeName set to itself")
        self._mirror_owner(node, attributes)
        used = {
            "a service account": pod.spec.serviceAccountName,
            "secrets": secrets_of(pod.spec),
            "configmaps": config_maps_of(pod.spec),
            "persistentvolumeclaims": any(volume.persistentVolumeClaim for volume in pod.spec.volumes),
            "persistentvolumeclaims (via ephemeral volumes)": claims_of(pod),
            "resourceclaims": pod.spec.resourceClaims,
        }
        for what, found in used.items():
            if found:
                raise attributes.forbidden(f"{who} can not create pods that reference {what}")

    def _mirror_owner(self, node: str, attributes: Attributes) -> None:
        owners = attributes.object.metadata.ownerReferences
        can = f"node {quoted(node)} can only create pods with"
        if len(owners) > 1:
            raise attributes.forbidden(f"{can} a single owner reference set to itself")
        itself = ("v1", "Node", node)
        if not owners or (owners[0].apiVersion, owners[0].kind, owners[0].name) != itself:
            raise attributes.forbidden(f"{can} an owner reference set to itself")
        if not owners[0].controller:
            raise attributes.forbidden(f"{can} a controller owner reference set to itself")
        if owners[0].blockOwnerDeletion:
            raise attributes.forbidden(f"node {quoted(node)} must not set blockOwnerDeletion on an owner reference")
        found = attributes.reader.cached(core_v1.Node, "", node)
        uid = found.metadata.uid if found else ""
        if owners[0].uid != uid:
            raise attributes.forbidden(f"node {node} UID mismatch: expected {owners[0].uid} got {uid}")

    # Nodes, claims, tokens

    def _node(self, node: str, name: str, attributes: Attributes) -> None:
        who = f"node {quoted(node)} is not allowed to modify"
        if name != node:
            raise attributes.forbidden(f"{who} node {quoted(name)}")
        new: core_v1.Node | None = attributes.object
        old: core_v1.Node | None = attributes.old
        if new is None:
            return
        if old and new.spec.taints != old.spec.taints:
            raise attributes.forbidden(f"{who} taints")
        if old and new.metadata.ownerReferences != old.metadata.ownerReferences:
            raise attributes.forbidden(f"{who} ownerReferences")
        before = old.metadata.labels if old else {}
        changed = {
            key
            for key in new.metadata.labels.keys() | before.keys()
            if new.metadata.labels.get(key) != before.get(key) and not _is_own(key)
        }
        if changed:
            raise attributes.forbidden(f"is not allowed to modify labels: {', '.join(sorted(changed))}")

    def _claim(self, node: str, attributes: Attributes) -> None:
        if _without_growth(attributes.object) != _without_growth(attributes.old):
            what = "fields other than status.quantity and status.conditions"
            raise attributes.forbidden(f"node {quoted(node)} is not allowed to update {what}")

    async def _token(self, node: str, attributes: Attributes) -> None:
        """A token is for a pod of the node, and for whom that pod shows it."""
        asked: authentication_v1.TokenRequestSpec = attributes.object.spec
        bound = asked.boundObjectRef
        if bound is None or (bound.apiVersion, bound.kind) != ("v1", "Pod") or not bound.name:
            raise attributes.forbidden("node requested token not bound to a pod")
        if not bound.uid:
            raise attributes.forbidden("node requested token with a pod binding without a uid")
        pod = await attributes.reader.current(core_v1.Pod, attributes.call.namespace, bound.name)
        if pod is None:
            raise NotFound("pod", bound.name)
        if pod.metadata.uid != bound.uid:
            why = f"the UID in the bound object reference ({bound.uid}) does not match the UID in record"
            raise attributes.forbidden(f"{why}. The object might have been deleted and then recreated")
        if pod.spec.nodeName != node:
            raise attributes.forbidden("node requested token bound to a pod scheduled on a different node")
        if len(asked.audiences) > 1:
            raise attributes.forbidden("node may only request 0 or 1 audiences")
        audience = asked.audiences[0] if asked.audiences else ""
        if audience not in _audiences(pod, attributes) and not attributes.may(
            AUDIENCE_VERB,
            Resource(GVK("", "v1", ""), audience, "", namespaced=True, struct=None),
            attributes.call.name,
            attributes.call.namespace,
        ):
            raise attributes.forbidden(
                f"audience {quoted(audience)} not found in pod spec volume, "
                f"{attributes.call.user.name} is not authorized to request tokens for this audience"
            )


def _is_own(label: str) -> bool:
    """Whether a node may set the label on itself: all but the ones reserved for who looks after it."""
    domain = label.partition("/")[0] if "/" in label else ""
    return not _within(domain, RESERVED) or label in OWN_LABELS or _within(domain, OWN_DOMAINS)


def _within(domain: str, of: tuple[str, ...]) -> bool:
    return any(domain == name or domain.endswith(f".{name}") for name in of)


def _without_growth(claim: core_v1.PersistentVolumeClaim) -> core_v1.PersistentVolumeClaim:
    """A claim without what a node may change of it, and without who changed it."""
    empty = core_v1.PersistentVolumeClaimStatus()
    status = msgspec.structs.replace(claim.status, **{field: getattr(empty, field) for field in GROWN})
    metadata = msgspec.structs.replace(claim.metadata, managedFields=[], resourceVersion="")
    return msgspec.structs.replace(claim, metadata=metadata, status=status)


def _audiences(pod: core_v1.Pod, attributes: Attributes) -> set[str]:
    """For whom a pod's tokens are: those that it mounts, and those that the drivers of its volumes want."""
    tokens = (source.serviceAccountToken for source in projections(pod.spec))
    found = {token.audience for token in tokens if token}
    for driver in _drivers(pod, attributes):
        known = attributes.reader.cached(storage_v1.CSIDriver, "", driver)
        found |= {request.audience for request in known.spec.tokenRequests} if known else set()
    return found


def _drivers(pod: core_v1.Pod, attributes: Attributes) -> set[str]:
    drivers = {volume.csi.driver for volume in pod.spec.volumes if volume.csi}
    for name in claims_of(pod):
        claim = attributes.reader.cached(core_v1.PersistentVolumeClaim, attributes.call.namespace, name or "")
        volume = claim and attributes.reader.cached(core_v1.PersistentVolume, "", claim.spec.volumeName)
        if volume and volume.spec.csi:
            drivers.add(volume.spec.csi.driver)
    return drivers
