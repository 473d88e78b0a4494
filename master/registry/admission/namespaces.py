"""Namespaces are there before their contents, take nothing new when they end, and some never end."""

from typing import ClassVar

from master.registry.admission.base import Attributes, Plugin
from master.registry.base import Verb
from timonel.api.errors import Forbidden, NotFound
from timonel.api.types import core_v1
from timonel.api.types.meta_v1 import StatusCause

IMMORTAL = frozenset({"default", "kube-system", "kube-public", "kube-node-lease"})


class NamespaceLifecycle(Plugin):
    """As Kubernetes' plugin of the same name."""

    order: ClassVar[int] = 10
    operations = frozenset({Verb.CREATE, Verb.DELETE})

    async def mutate(self, attributes: Attributes) -> None:
        """Refuse before others work: a namespace that is missing or ending takes nothing new."""
        namespace = attributes.call.namespace
        if not namespace or attributes.operation is not Verb.CREATE:
            return
        found = attributes.reader.cached(core_v1.Namespace, "", namespace)
        if found is None:
            found = await attributes.reader.current(core_v1.Namespace, "", namespace)
        if found is None:
            raise NotFound("namespaces", namespace)
        if found.metadata.deletionTimestamp:
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            error = attributes.forbidden(why)
            message = f"namespace {namespace} is being terminated"
            error.causes = [StatusCause(reason="NamespaceTerminating", message=message, field="metadata.namespace")]
            raise error

    async def validate(self, attributes: Attributes) -> None:
        """Some namespaces stay."""
        call = attributes.call
        if attributes.operation is Verb.DELETE and call.resource.struct is core_v1.Namespace and call.name in IMMORTAL:
            raise Forbidden("namespaces", call.name, "this namespace may not be deleted")
