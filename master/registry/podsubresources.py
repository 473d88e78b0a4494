"""What is done to pods beside reading and writing them: binding to a node, ephemeral containers."""

from collections.abc import Iterator
from typing import Any

from master.registry.base import Verb
from master.registry.objects import APIObject, Call, Sources
from master.registry.poddefaults import default_container
from master.registry.subresources import Action, Actor, Part, Report, keep_metadata
from master.registry.validation.podspec import validate_spec
from timonel.api.errors import Conflict, Invalid, ServiceUnavailable
from timonel.api.fields import FieldError, Path, forbidden, not_supported, required
from timonel.api.types import core_v1, meta_v1

READ_WRITE = frozenset({Verb.GET, Verb.UPDATE, Verb.PATCH})


class Binding(Action[core_v1.Binding]):
    """The scheduler's word: this pod runs on that node."""

    name = "binding"
    struct = core_v1.Binding
    gvk = core_v1.Binding.gvk

    async def run(self, actor: Actor, call: Call, body: core_v1.Binding) -> APIObject:
        """Set the node, once."""
        faults = list(_binding_faults(body))
        if faults:
            raise Invalid("Binding", call.name, faults)

        def bind(pod: core_v1.Pod) -> None:
            self._bind(pod, body, call)

        await actor.modify(call, call.namespace, call.name, bind)
        return meta_v1.Status(status="Success", code=201)  # type: ignore[return-value]  # Status is an answer

    def _bind(self, pod: core_v1.Pod, body: core_v1.Binding, call: Call) -> None:
        def conflict(why: str) -> Conflict:
            return Conflict("pods/binding", call.name, why)

        if body.metadata.uid and body.metadata.uid != pod.metadata.uid:
            why = (
                f"Precondition failed: UID in precondition: {body.metadata.uid}, UID in object meta: {pod.metadata.uid}"
            )
            raise conflict(why)
        if pod.metadata.deletionTimestamp:
            raise conflict(f"pod {call.name} is being deleted, cannot be assigned to a host")
        if pod.spec.nodeName:
            raise conflict(f'pod {call.name} is already assigned to node "{pod.spec.nodeName}"')
        if pod.spec.schedulingGates:
            raise conflict(f"pod {call.name} has non-empty .spec.schedulingGates")
        pod.spec.nodeName = body.target.name
        pod.metadata.annotations.update(body.metadata.annotations)
        pod.status.conditions = [
            *(condition for condition in pod.status.conditions if condition.type != "PodScheduled"),
            core_v1.PodCondition(type="PodScheduled", status="True", lastTransitionTime=call.now),
        ]


def _binding_faults(body: core_v1.Binding) -> Iterator[FieldError]:
    if body.target.kind not in ("", "Node"):
        yield not_supported("target.kind", body.target.kind, ["Node", "<empty>"])
    if not body.target.name:
        yield required("target.name")


class Why(Report):
    """Why the pod is on its node, or on none: what the scheduler says of every node. Timonel's own."""

    name = "why"

    def report(self, sources: Sources, obj: core_v1.Pod) -> dict[str, Any]:
        """The scheduler's verdict on each node."""
        if sources.explainer is None:
            raise ServiceUnavailable("the scheduler does not run in this process")
        verdicts = sources.explainer.explain(obj.metadata.namespace or "", obj.metadata.name or "")
        return {
            "apiVersion": "timonel.io/v1alpha1",
            "kind": "PlacementReport",
            "metadata": {"name": obj.metadata.name, "namespace": obj.metadata.namespace},
            "node": obj.spec.nodeName or "",
            "verdicts": [
                {"node": verdict.node, "refusals": list(verdict.refusals), "scores": dict(verdict.scores)}
                for verdict in verdicts
            ],
        }


class EphemeralContainers(Part[core_v1.Pod]):
    """Containers that are put into a running pod to look at it; they are added, never changed or taken away."""

    name = "ephemeralcontainers"
    verbs = READ_WRITE

    def prepare(self, new: core_v1.Pod, old: core_v1.Pod, call: Call) -> None:
        """Keep all but the ephemeral containers."""
        wanted: Any = new.spec.ephemeralContainers
        new.spec = core_v1.PodSpec(**{field: getattr(old.spec, field) for field in old.spec.__struct_fields__})
        new.spec.ephemeralContainers = wanted
        for container in wanted:
            default_container(container)
        new.status = old.status
        keep_metadata(new, old)

    def validate(self, new: core_v1.Pod, old: core_v1.Pod) -> Iterator[FieldError]:
        """What is there stays as it is, and what comes is a container like others."""
        yield from validate_spec(new.spec, Path("spec"))
        path = Path("spec.ephemeralContainers")
        wanted = {container.name: container for container in new.spec.ephemeralContainers}
        for container in old.spec.ephemeralContainers:
            if container.name not in wanted:
                yield forbidden(path, f'existing ephemeral containers "{container.name}" may not be removed\n')
            elif wanted[container.name] != container:
                yield forbidden(path, f"existing ephemeral containers {container.name!r} may not be changed\n")
