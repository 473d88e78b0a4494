"""What one node does in the API, each as the node's own user, so that the node rule holds for it."""

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from master.dispatcher import merge
from master.dispatcher.assignments import Ref
from master.dispatcher.objects import TRIES, Objects
from master.pki import NODE_PREFIX, NODES_GROUP
from master.registry.base import DeleteOptions, Preconditions, User
from master.registry.verbs import Registry
from timonel.api import codec
from timonel.api import time as api_time
from timonel.api.errors import AlreadyExists, Conflict, Forbidden, NotFound, Unexplained
from timonel.api.types import authentication_v1, coordination_v1, core_v1, meta_v1

log = logging.getLogger(__name__)

LEASES = "kube-node-lease"
STATUS_PERIOD = timedelta(minutes=5)
"""A node's status is written at least this often, even when nothing in it has changed."""

OWN_LABELS = ("kubernetes.io/hostname", "kubernetes.io/os", "kubernetes.io/arch")
"""Labels that say what a node is; others are its user's once the Node exists."""


def node_user(node: str) -> User:
    """The user that a node's certificate stands for."""
    return User(NODE_PREFIX + node, groups=(NODES_GROUP, "system:authenticated"))


class NodeApi:
    """The registry as one node's session uses it. All methods are idempotent; "it is gone" is no error.

    Args:
        node: the node's name.
        lease_seconds: what its Lease promises.
        clock: the time, with its zone.
    """

    def __init__(
        self,
        registry: Registry,
        node: str,
        lease_seconds: int,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._registry = registry
        self._node = node
        self._ref = Ref("Node", "", node)
        self._user = node_user(node)
        self._objects = Objects(registry, self._user)
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._lease: coordination_v1.Lease | None = None
        self._status_written = datetime.min.replace(tzinfo=UTC)

    # The Node

    async def register(self, node: core_v1.Node) -> None:
        """Create the Node, or bring what it says of itself up to date; labels and taints that a user changed stay."""
        metadata = meta_v1.ObjectMeta(
            name=self._node, labels=node.metadata.labels, annotations=node.metadata.annotations
        )
        spec = core_v1.NodeSpec(
            taints=node.spec.taints, unschedulable=node.spec.unschedulable, providerID=node.spec.providerID
        )
        try:
            await self._registry.create(self._user, core_v1.Node, "", core_v1.Node(metadata=metadata, spec=spec))
        except AlreadyExists:
            own = {key: node.metadata.labels[key] for key in OWN_LABELS if key in node.metadata.labels}
            await self._objects.change(core_v1.Node, self._ref, lambda stored: _relabelled(stored, own))
        await self.write_node_status(node.status, force=True)

    async def write_node_status(self, reported: core_v1.NodeStatus, *, force: bool = False) -> None:
        """Write the node's status when it differs from the stored one, when it is due, or when it must be (`force`)."""
        now = self._clock()
        must = force or now - self._status_written >= STATUS_PERIOD

        def make(stored: core_v1.Node) -> core_v1.Node | None:
            status = merge.node_status(stored.status, reported, api_time.text(now))
            if not must and merge.says_the_same(status, stored.status):
                return None
            return msgspec.structs.replace(stored, status=status)

        if await self._objects.change(core_v1.Node, self._ref, make, "status"):
            self._status_written = now

    async def renew_lease(self) -> None:
        """Say that the node lives. Nothing is said for a Node that is gone."""
        owner = await self._objects.get(core_v1.Node, self._ref)
        if owner is None:
            return
        ref = Ref("Lease", LEASES, self._node)
        for _ in range(TRIES):
            lease = self._lease or await self._objects.newest(coordination_v1.Lease, ref)
            self._lease = None
            try:
                self._lease = await self._write_lease(lease, owner)
            except (Conflict, AlreadyExists):
                continue
            except (NotFound, Unexplained):
                # An update of a Lease that is gone would create it, which the resourceVersion that it names forbids.
                if lease is None:
                    raise
            else:
                return

    async def _write_lease(self, lease: coordination_v1.Lease | None, owner: core_v1.Node) -> coordination_v1.Lease:
        spec = coordination_v1.LeaseSpec(
            holderIdentity=self._node,
            leaseDurationSeconds=self._lease_seconds,
            renewTime=api_time.micro_text(self._clock()),
        )
        if lease is not None:
            renewed = msgspec.structs.replace(lease, spec=spec)
            result = await self._registry.update(self._user, coordination_v1.Lease, LEASES, self._node, renewed)
        else:
            node = meta_v1.OwnerReference(apiVersion="v1", kind="Node", name=self._node, uid=owner.metadata.uid or "")
            metadata = meta_v1.ObjectMeta(name=self._node, namespace=LEASES, ownerReferences=[node])
            created = coordination_v1.Lease(metadata=metadata, spec=spec)
            result = await self._registry.create(self._user, coordination_v1.Lease, LEASES, created)
        return codec.decode(coordination_v1.Lease, result.raw)

    # Pods

    async def write_pod_status(self, ref: Ref, uid: str, reported: core_v1.PodStatus) -> None:
        """Write the status of a pod on this node; of a pod that is gone, or is another's, nothing is written."""

        def make(stored: core_v1.Pod) -> core_v1.Pod | None:
            if not self._is_mine(stored, uid):
                return None
            status = merge.pod_status(stored.status, reported)
            return None if status == stored.status else msgspec.structs.replace(stored, status=status)

        try:
            await self._objects.change(core_v1.Pod, ref, make, "status")
        except Forbidden as error:
            self._not_ours(ref, error)

    async def remove_pod(self, ref: Ref, uid: str) -> None:
        """Let a deleted pod go, of which the node has nothing left. A pod that nobody deleted stays."""
        try:
            await self._remove_pod(ref, uid)
        except Forbidden as error:
            self._not_ours(ref, error)
        self._objects.forget(ref)

    async def _remove_pod(self, ref: Ref, uid: str) -> None:
        stored = await self._objects.get(core_v1.Pod, ref)
        if stored is None or not self._is_mine(stored, uid):
            return
        if stored.metadata.deletionTimestamp is None:
            log.warning("node %s removed pod %s/%s, which nobody deleted: it stays", self._node, *ref[1:])
            return
        options = DeleteOptions(grace_seconds=0, preconditions=Preconditions(uid=uid))
        try:
            await self._registry.delete(self._user, core_v1.Pod, ref.namespace, ref.name, options)
        except (NotFound, Conflict):
            return

    async def mint_token(
        self, ref: Ref, uid: str, account: str, audiences: Sequence[str], seconds: int
    ) -> authentication_v1.TokenRequestStatus:
        """A ServiceAccount token for a pod of this node, for `seconds` (0: the usual time).

        Raises:
            Forbidden: the pod is not on this node, or runs as another account.
            StatusError: the API refused.
        """
        pod = await self._objects.get(core_v1.Pod, ref)
        if pod is None or not self._is_mine(pod, uid) or (pod.spec.serviceAccountName or "default") != account:
            why = f"node {self._node} runs no pod {ref.namespace}/{ref.name} with uid {uid} as this account"
            raise Forbidden("serviceaccounts", account, why)
        bound = authentication_v1.BoundObjectReference(apiVersion="v1", kind="Pod", name=ref.name, uid=uid)
        asked = authentication_v1.TokenRequest(
            metadata=meta_v1.ObjectMeta(name=account, namespace=ref.namespace),
            spec=authentication_v1.TokenRequestSpec(
                audiences=list(audiences), boundObjectRef=bound, expirationSeconds=seconds or None
            ),
        )
        result = await self._registry.create(
            self._user, core_v1.ServiceAccount, ref.namespace, asked, name=account, subresource="token"
        )
        return codec.decode(authentication_v1.TokenRequest, result.raw).status or authentication_v1.TokenRequestStatus()

    def _not_ours(self, ref: Ref, error: Forbidden) -> None:
        """The node rule knows a node's pods by the cache, so a pod that has just gone is forbidden, not missing."""
        log.debug("node %s: nothing is written for pod %s/%s: %s", self._node, ref.namespace, ref.name, error)

    def _is_mine(self, pod: core_v1.Pod, uid: str) -> bool:
        return pod.metadata.uid == uid and pod.spec.nodeName == self._node


def _relabelled(node: core_v1.Node, labels: dict[str, str]) -> core_v1.Node | None:
    if labels.items() <= node.metadata.labels.items():
        return None
    metadata = msgspec.structs.replace(node.metadata, labels=node.metadata.labels | labels)
    return msgspec.structs.replace(node, metadata=metadata)
