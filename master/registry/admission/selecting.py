"""Whether the selectors of webhooks and policies choose a write, by the labels of its object and of its namespace."""

from typing import Protocol

from master.registry.admission.base import Attributes
from master.registry.admission.matching import is_everything, selects
from master.registry.base import Verb
from timonel.api.errors import NotFound
from timonel.api.types import core_v1, meta_v1


class Selectors(Protocol):
    """What says which objects in which namespaces are meant."""

    @property
    def namespaceSelector(self) -> meta_v1.LabelSelector | None:  # noqa: N802
        """By the labels of the namespace."""

    @property
    def objectSelector(self) -> meta_v1.LabelSelector | None:  # noqa: N802
        """By the object's own labels."""


async def selected(selectors: Selectors, attributes: Attributes) -> bool:
    """Whether the selectors choose the write: either state of the object, and the namespace that it is in."""
    heads = [getattr(obj, "metadata", None) for obj in (attributes.object, attributes.old) if obj is not None]
    labels = [head.labels for head in heads if head is not None]
    if not selects(selectors.objectSelector, *labels):
        return False
    if is_everything(selectors.namespaceSelector):
        return True
    namespace = await namespace_of(attributes)
    return namespace is None or selects(selectors.namespaceSelector, namespace.metadata.labels)


async def namespace_of(attributes: Attributes) -> core_v1.Namespace | None:
    """The object's namespace, of a namespace itself; None for what is in no namespace.

    Raises:
        NotFound: there is no such namespace.
    """
    call = attributes.call
    if call.resource.struct is core_v1.Namespace:
        itself: core_v1.Namespace = attributes.old if attributes.operation is Verb.DELETE else attributes.object
        return itself
    if not call.namespace:
        return None
    found = attributes.reader.cached(core_v1.Namespace, "", call.namespace)
    if found is None:
        found = await attributes.reader.current(core_v1.Namespace, "", call.namespace)
    if found is None:
        raise NotFound("namespaces", call.namespace)
    return found
