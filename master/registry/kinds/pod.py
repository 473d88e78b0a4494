"""Pods."""

from collections.abc import Iterator

import msgspec

from master.registry.base import DeleteOptions, Verb
from master.registry.columns import Column, age
from master.registry.eviction import Eviction
from master.registry.objects import Call
from master.registry.podcolumns import ready, reason, restarts
from master.registry.poddefaults import GRACE_SECONDS, default_pod
from master.registry.podresize import Resize
from master.registry.podsubresources import Binding, EphemeralContainers, Why
from master.registry.strategy import Strategy, kind
from master.registry.subresources import Connect, Status, proxy
from master.registry.validation.podchange import validate_pod_update
from master.registry.validation.podspec import SPEC, is_address, validate_pod, validate_spec
from timonel.api.fields import FieldError, Path
from timonel.api.gvk import GVK
from timonel.api.podresources import qos_class
from timonel.api.types import core_v1

PENDING = "Pending"
ENDED = ("Succeeded", "Failed")
GET_CREATE = frozenset({Verb.GET, Verb.CREATE})


@kind(core_v1.Pod, plural="pods", short=["po"], categories=["all"], shows_deleted=True)
class Pods(Strategy[core_v1.Pod]):
    """Containers that run together on one node."""

    has_generation = True
    names_hosts = "the Pod's hostname"
    columns = [
        Column("Ready", ready, description="How many containers are ready, of how many."),
        Column("Status", reason, description="The phase, or what keeps the pod from it."),
        Column("Restarts", restarts, description="How often containers were restarted, and when last."),
        age(),
        Column("IP", lambda pod: pod.status.podIP or "<none>", priority=1),
        Column("Node", lambda pod: pod.spec.nodeName or "<none>", priority=1),
        Column("Nominated Node", lambda pod: pod.status.nominatedNodeName or "<none>", priority=1),
        Column("Readiness Gates", lambda pod: gates(pod), priority=1),
    ]
    selectable = {
        "spec.nodeName": lambda pod: pod.spec.nodeName or "",
        "spec.restartPolicy": lambda pod: pod.spec.restartPolicy or "",
        "spec.schedulerName": lambda pod: pod.spec.schedulerName,
        "spec.serviceAccountName": lambda pod: pod.spec.serviceAccountName,
        "spec.hostNetwork": lambda pod: "true" if pod.spec.hostNetwork else "false",
        "status.phase": lambda pod: pod.status.phase,
        "status.podIP": lambda pod: pod.status.podIP,
        "status.podIPs": lambda pod: pod.status.podIP,
        "status.nominatedNodeName": lambda pod: pod.status.nominatedNodeName,
    }
    subresources = [
        Status(),
        Binding(),
        Eviction(),
        EphemeralContainers(),
        Resize(),
        Why(),
        Connect("log", frozenset({Verb.GET})),
        Connect("exec", GET_CREATE, GVK("", "v1", "PodExecOptions")),
        Connect("attach", GET_CREATE, GVK("", "v1", "PodAttachOptions")),
        Connect("portforward", GET_CREATE, GVK("", "v1", "PodPortForwardOptions")),
        proxy("PodProxyOptions"),
    ]

    def counted(self, obj: core_v1.Pod) -> object:
        """The spec, but for the node: a binding raises no generation, as Kubernetes has it."""
        return msgspec.structs.replace(obj.spec, nodeName="")

    def default(self, obj: core_v1.Pod, old: core_v1.Pod | None) -> None:
        """See `poddefaults`."""
        default_pod(obj.spec)

    def prepare_create(self, obj: core_v1.Pod, call: Call) -> None:
        """Begin pending, with the quality of service that the resources stand for."""
        obj.status = core_v1.PodStatus(phase=PENDING, qosClass=qos_class(obj.spec))
        if obj.spec.schedulingGates:
            obj.status.conditions = [
                core_v1.PodCondition(
                    type="PodScheduled",
                    status="False",
                    reason="SchedulingGated",
                    message="Scheduling is blocked due to non-empty scheduling gates",
                    lastTransitionTime=call.now,
                )
            ]

    def prepare_status(self, new: core_v1.Pod, old: core_v1.Pod, call: Call) -> None:
        """The quality of service never changes; the owners are whose the pod is, not whose status it tells."""
        new.metadata.ownerReferences = old.metadata.ownerReferences
        new.status.qosClass = old.status.qosClass

    def validate(self, obj: core_v1.Pod, old: core_v1.Pod | None) -> Iterator[FieldError]:
        """See `validation.podspec`; of an update, what changed."""
        if old is None:
            yield from validate_pod(obj)
        elif obj.spec != old.spec:
            yield from validate_spec(obj.spec, SPEC)
            yield from validate_pod_update(obj, old)

    def validate_status(self, new: core_v1.Pod, old: core_v1.Pod) -> Iterator[FieldError]:
        """A pod's addresses are such."""
        for index, address in enumerate(new.status.podIPs):
            yield from is_address(address.ip, Path("status.podIPs").index(index))

    def grace(self, obj: core_v1.Pod, options: DeleteOptions) -> int:
        """The spec's or the caller's; a pod that runs nowhere goes at once."""
        seconds = obj.spec.terminationGracePeriodSeconds
        if options.grace_seconds is not None:
            seconds = options.grace_seconds
        if not obj.spec.nodeName or obj.status.phase in ENDED:
            return 0
        if seconds is None:
            return GRACE_SECONDS
        return 1 if seconds < 0 else seconds


def gates(pod: core_v1.Pod) -> str:
    """How many of the readiness gates are open, of how many."""
    if not pod.spec.readinessGates:
        return "<none>"
    true = {condition.type for condition in pod.status.conditions if condition.status == "True"}
    met = sum(gate.conditionType in true for gate in pod.spec.readinessGates)
    return f"{met}/{len(pod.spec.readinessGates)}"
