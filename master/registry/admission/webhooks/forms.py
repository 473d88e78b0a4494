"""The forms in which webhooks see a write's object: as its caller sees it, or as an equivalent kind."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from master.registry.base import Resource
from master.registry.faces import AnyFace, Face
from master.registry.objects import Call
from master.registry.strategy import KINDS
from master.registry.subresources import Action, Connect, Projection, Status, Subresource
from timonel.api import codec
from timonel.api.gvk import GVK

Document = dict[str, Any]

STATUS = Status.name


@dataclass(frozen=True, slots=True)
class Form:
    """The stored object as a webhook sees it, and the way back from what the webhook makes of it."""

    resource: Resource
    gvk: GVK
    """The kind of what is seen: that of the resource, or for instance Scale."""
    show: Callable[[Any], Any]
    put: Callable[[Document, Any], Any]
    """The stored object of a changed document, as a new object; the second argument is the stored object as it is."""

    def document(self, obj: Any) -> Document | None:
        """What the webhook sees of the stored object; None of none."""
        return None if obj is None else codec.to_dict(self.show(obj))


def forms_of(call: Call) -> list[Form]:
    """The forms of a call's object: the caller's own first."""
    sub, own = call.sub, call.face.resource if call.face else call.resource
    if isinstance(sub, Projection):
        return [_projected(own, sub)]
    if isinstance(sub, Action | Connect):
        return [_sent(own, sub)]
    forms = [_stored(call.resource), *(_faced(face) for face in _faces(call.resource.struct))]
    return sorted(forms, key=lambda form: form.resource != own)


def _sent(resource: Resource, sub: Subresource) -> Form:
    """What is asked for by a POST, or the options of a stream: seen as it was sent."""
    struct = sub.struct
    return Form(
        resource,
        sub.gvk or resource.gvk,
        lambda obj: obj,
        lambda document, obj: codec.convert(struct, document) if struct else document,
    )


def _faces(struct: type[Any] | None) -> Iterator[AnyFace]:
    return (each for each in KINDS.values() if isinstance(each, Face) and each.stored is struct)


def _stored(resource: Resource) -> Form:
    return Form(resource, resource.gvk, lambda obj: obj, lambda document, _: codec.convert(_struct(resource), document))


def _faced(face: AnyFace) -> Form:
    resource = face.resource
    return Form(
        resource, resource.gvk, face.show, lambda document, _: face.put(codec.convert(_struct(resource), document))
    )


def _projected(resource: Resource, sub: Projection[Any, Any]) -> Form:
    def put(document: Document, obj: Any) -> Any:
        assert sub.struct is not None  # a projection is of another kind
        changed = codec.copy(obj)
        sub.write(codec.convert(sub.struct, document), changed)
        return changed

    return Form(resource, sub.gvk or resource.gvk, sub.read, put)


def _struct(resource: Resource) -> type[Any]:
    assert resource.struct is not None  # what is written has objects
    return resource.struct
