"""Bindings: the older way to say where a pod runs, beside the pod's own subresource."""

from dataclasses import replace

from master.registry.base import Verb
from master.registry.kinds.pod import Pods
from master.registry.objects import APIObject, Call
from master.registry.podsubresources import Binding
from master.registry.strategy import Strategy, kind
from master.registry.subresources import Action, Actor
from timonel.api.errors import BadRequest
from timonel.api.types import core_v1


class Bind(Action[core_v1.Binding]):
    """Binds the pod that the Binding names."""

    async def run(self, actor: Actor, call: Call, body: core_v1.Binding) -> APIObject:
        """As the pod's subresource does."""
        if not body.metadata.name:
            raise BadRequest("name is required: a Binding bears the name of its pod")
        of_pod = replace(call, resource=Pods.resource, name=body.metadata.name, subresource="binding")
        return await Binding().run(actor, of_pod, body)


@kind(core_v1.Binding, plural="bindings")
class Bindings(Strategy[core_v1.Binding]):
    """Only ever created, and kept nowhere but in the pod."""

    verbs = frozenset({Verb.CREATE})
    performs = Bind()
