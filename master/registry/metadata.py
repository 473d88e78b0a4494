"""What happens to an object's metadata in a write; the same for every kind."""

from collections.abc import Callable
from itertools import compress
from typing import Any

from master.registry.base import Preconditions, Resource, Verb
from master.registry.objects import APIObject, Call
from master.registry.strategy import AnyStrategy
from master.registry.validation.common import repeats
from timonel.api import meta as metas
from timonel.api.errors import BadRequest, Conflict, Unexplained
from timonel.api.fields import Path, quoted
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
    match_namespace(obj, call)
    meta = obj.metadata
    if call.name:
        if not meta.name and call.verb in (Verb.UPDATE, Verb.PATCH):
            raise BadRequest(
                f"the name of the object ({call.name} based on URL) was undeterminable: name must be provided"
            )
        if meta.name and meta.name != call.name:
            raise BadRequest(f"the name of the object ({meta.name}) does not match the name on the URL ({call.name})")
        meta.name = call.name


def match_namespace(obj: APIObject, call: Call) -> None:
    """Make the body's namespace that of the request.

    Raises:
        BadRequest: the body says otherwise.
    """
    if obj.metadata.namespace not in (None, "", call.namespace):
        raise BadRequest("the namespace of the provided object does not match the namespace sent on the request")
    obj.metadata.namespace = call.namespace


def prepare_create(obj: APIObject, call: Call, strategy: AnyStrategy, uid: Callable[[], str]) -> None:
    """Give a new object what only the master gives.

    Raises:
        Unexplained: it claims to exist already.
    """
    meta = obj.metadata
    dedupe_owners(meta, call)
    if meta.resourceVersion not in ("", "0"):
        raise Unexplained("resourceVersion should not be set on objects to be created")
    meta.uid = uid()
    meta.creationTimestamp = call.now
    meta.resourceVersion = meta.selfLink = ""
    meta.deletionTimestamp = meta.deletionGracePeriodSeconds = None
    if strategy.has_generation:
        meta.generation = 1
    if not meta.name and meta.generateName:
        meta.name = metas.generated_name(meta.generateName)


def prepare_update(new: APIObject, old: APIObject, revision: int, call: Call) -> None:
    """Carry over what an update may not touch, and refuse an update of another state than the stored one.

    Raises:
        Conflict: a stale resourceVersion, or another object of the same name.
    """
    theirs, ours = new.metadata, old.metadata
    dedupe_owners(theirs, call)
    match_state(theirs, ours, revision, call)
    theirs.resourceVersion = theirs.selfLink = ""
    theirs.uid = theirs.uid or ours.uid
    theirs.generation = ours.generation
    theirs.creationTimestamp = ours.creationTimestamp
    theirs.deletionTimestamp = ours.deletionTimestamp or theirs.deletionTimestamp
    if theirs.deletionGracePeriodSeconds is None:
        theirs.deletionGracePeriodSeconds = ours.deletionGracePeriodSeconds
    theirs.generateName = theirs.generateName or ours.generateName


def match_state(theirs: ObjectMeta, ours: ObjectMeta, revision: int, call: Call) -> None:
    """Refuse what was made of another state of an object than the present one.

    Raises:
        Conflict: a stale resourceVersion, or another object of the same name.
        Unexplained: the resourceVersion is none.
    """
    if call.verb is Verb.UPDATE and theirs.uid not in ("", ours.uid):
        why = f"Precondition failed: UID in precondition: {theirs.uid}, UID in object meta: {ours.uid}"
        raise Conflict(call.resource.group_resource, ours.name or "", why)
    version = theirs.resourceVersion or "0"
    if not (version.isascii() and version.isdigit()):
        raise Unexplained(f"strconv.ParseUint: parsing {quoted(version)}: invalid syntax")
    if version not in ("0", str(revision)):
        raise Conflict(call.resource.group_resource, ours.name or "")


def dedupe_owners(meta: ObjectMeta, call: Call) -> None:
    """Leave each owner once, and warn of what that drops."""
    owners = {owner.uid: owner for owner in reversed(meta.ownerReferences)}
    if len(owners) == len(meta.ownerReferences):
        return
    uids = [owner.uid for owner in meta.ownerReferences]
    again = ", ".join(compress(uids, repeats(uids)))
    call.warn(
        ".metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may "
        f"reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {again}"
    )
    meta.ownerReferences = list(reversed(owners.values()))


def check(wanted: Preconditions, meta: ObjectMeta, revision: int, resource: Resource) -> None:
    """Hold an object against a delete's preconditions.

    Raises:
        Conflict: one does not hold.
    """
    if wanted.uid and wanted.uid != meta.uid:
        why = (
            f"the UID in the precondition ({wanted.uid}) does not match the UID in record ({meta.uid}). "
            "The object might have been deleted and then recreated"
        )
        raise Conflict(resource.gvk.group_kind, meta.name or "", why)
    if wanted.resource_version and wanted.resource_version != str(revision):
        why = (
            f"the ResourceVersion in the precondition ({wanted.resource_version}) does not match "
            f"the ResourceVersion in record ({revision}). The object might have been modified"
        )
        raise Conflict(resource.gvk.group_kind, meta.name or "", why)


def count_generation(new: Any, old: Any, strategy: AnyStrategy) -> None:
    """Raise the generation by one when what it counts has changed."""
    if strategy.has_generation and strategy.counted(new) != strategy.counted(old):
        new.metadata.generation = old.metadata.generation + 1
