"""What happens to an object's metadata in a write; the same for every kind."""

from collections.abc import Callable
from typing import Any

from master.registry.base import Preconditions, Resource
from master.registry.objects import APIObject, Call
from master.registry.strategy import AnyStrategy
from timonel.api import meta as metas
from timonel.api.errors import BadRequest, Conflict
from timonel.api.fields import Path
from timonel.api.types.meta_v1 import ObjectMeta

METADATA = Path("metadata")


def match_kind(obj: APIObject) -> None:
    """Make the body's kind that of the request.

    Raises:
        BadRequest: the body says otherwise.
    """
    expected = type(obj).gvk
    if (obj.apiVersion or expected.api_version) != expected.api_version:
        raise BadRequest(
            f"the API version in the data ({obj.apiVersion}) does not match "
            f"the expected API version ({expected.api_version})"
        )
    if (obj.kind or expected.kind) != expected.kind:
        raise BadRequest(
            f'{obj.kind} in version "{expected.version}" cannot be handled as a {expected.kind}: '
            f"no kind {obj.kind!r} is registered for {expected.api_version} at this resource"
        )
    obj.apiVersion, obj.kind = expected.api_version, expected.kind


def match_request(obj: APIObject, call: Call) -> None:
    """Make the body's kind, name and namespace those of the request.

    Raises:
        BadRequest: the body says otherwise.
    """
    match_kind(obj)
    meta = obj.metadata
    if meta.namespace and meta.namespace != call.namespace:
        raise BadRequest("the namespace of the provided object does not match the namespace sent on the request")
    meta.namespace = call.namespace or None
    if call.name:
        if meta.name and meta.name != call.name:
            raise BadRequest(f"the name of the object ({meta.name}) does not match the name on the URL ({call.name})")
        meta.name = call.name


def prepare_create(obj: APIObject, call: Call, strategy: AnyStrategy, uid: Callable[[], str]) -> None:
    """Give a new object what only the master gives.

    Raises:
        BadRequest: it claims to exist already.
    """
    meta = obj.metadata
    if meta.resourceVersion not in (None, "", "0"):
        raise BadRequest("resourceVersion should not be set on objects to be created")
    meta.uid = uid()
    meta.creationTimestamp = call.now
    meta.resourceVersion = meta.selfLink = meta.deletionTimestamp = meta.deletionGracePeriodSeconds = None
    meta.generation = 1 if strategy.has_generation else None
    if not meta.name and meta.generateName:
        meta.name = metas.generated_name(meta.generateName)


def prepare_update(new: APIObject, old: APIObject, revision: int, call: Call) -> None:
    """Carry over what an update may not touch, and refuse an update of another state than the stored one.

    Raises:
        Conflict: a stale resourceVersion, or another object of the same name.
    """
    theirs, ours = new.metadata, old.metadata
    check(Preconditions(uid=theirs.uid or ""), ours, revision, call.resource)
    if theirs.resourceVersion not in (None, "", "0", str(revision)):
        raise Conflict(call.resource.group_resource, ours.name or "")
    theirs.resourceVersion = theirs.selfLink = None
    theirs.uid = ours.uid
    theirs.generation = ours.generation
    theirs.creationTimestamp = theirs.creationTimestamp or ours.creationTimestamp
    theirs.deletionTimestamp = ours.deletionTimestamp
    theirs.deletionGracePeriodSeconds = ours.deletionGracePeriodSeconds
    theirs.generateName = theirs.generateName or ours.generateName


def check(wanted: Preconditions, meta: ObjectMeta, revision: int, resource: Resource) -> None:
    """Hold an object against a write's preconditions.

    Raises:
        Conflict: one does not hold.
    """
    if wanted.uid and wanted.uid != meta.uid:
        why = f"Precondition failed: UID in precondition: {wanted.uid}, UID in object meta: {meta.uid}"
        raise Conflict(resource.group_resource, meta.name or "", why)
    if wanted.resource_version and wanted.resource_version != str(revision):
        why = (
            f"Precondition failed: ResourceVersion in precondition: {wanted.resource_version}, "
            f"ResourceVersion in object meta: {revision}"
        )
        raise Conflict(resource.group_resource, meta.name or "", why)


def count_generation(new: Any, old: Any, strategy: AnyStrategy) -> None:
    """Raise the generation by one when what it counts has changed."""
    if strategy.has_generation and strategy.counted(new) != strategy.counted(old):
        new.metadata.generation = (old.metadata.generation or 0) + 1
