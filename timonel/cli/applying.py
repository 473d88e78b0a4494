"""Applies manifests: what is sent where, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from timonel.api.errors import Conflict, NotFound, StatusError
from timonel.api.lenient import Misfit, fit
from timonel.api.schema import schema_of
from timonel.api.scheme import lookup
from timonel.cli import fieldnames
from timonel.cli.errors import CliError
from timonel.cli.manifests import Manifest
from timonel.cli.targets import Ref
from timonel.client import Client
from timonel.discovery import Discovery, UnknownResource

Object = dict[str, Any]


class Outcome(StrEnum):
    """What applying did."""

    CREATED = "created"
    CONFIGURED = "configured"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Goal:
    """An object that is to be as a manifest says."""

    manifest: Manifest
    ref: Ref


def goals(found: Discovery, manifests: Iterable[Manifest], namespace: str, *, asked: bool) -> list[Goal]:
    """Where each manifest's object belongs.

    Args:
        found: what the server has.
        manifests: what is to be.
        namespace: where to put what names no namespace.
        asked: whether the user named the namespace; then objects must not name another.

    Raises:
        CliError: kinds are unknown, or a namespace contradicts the user's; the text names each place.
    """
    made: list[Goal] = []
    faults: list[str] = []
    for manifest in manifests:
        try:
            resource = found.of(manifest.gvk)
        except UnknownResource as error:
            faults.append(f"{manifest.where('kind')}: {error}")
            continue
        own = str(manifest.object["metadata"].get("namespace") or "")
        if asked and resource.namespaced and own and own != namespace:
            faults.append(f'{manifest.where("metadata.namespace")}: it says "{own}", but you asked for "{namespace}"')
        place = (own or namespace) if resource.namespaced else ""
        made.append(Goal(manifest, Ref(resource, place, manifest.name)))
    if faults:
        raise CliError("\n".join(faults))
    return made


def check(manifests: Iterable[Manifest]) -> list[str]:
    """All that is wrong with the manifests' fields, with places."""
    return [problem for manifest in manifests for problem in fieldnames.problems(manifest)]


async def current(client: Client, ref: Ref) -> Object | None:
    """The object as it is; None when there is none."""
    try:
        return await client.kind(ref.resource).get(ref.namespace, ref.name)
    except NotFound:
        return None


async def apply(
    client: Client, goal: Goal, *, force: bool = False, dry_run: bool = False, validation: str = "Strict"
) -> tuple[Object, Outcome]:
    """Server-side apply of one manifest: the object after it, and what has changed.

    Raises:
        StatusError: the server refuses; notes say where in the manifests the cause is.
    """
    ref, body = goal.ref, _body(goal.manifest, validation)
    before = await current(client, ref)
    if ref.namespace:
        body = {**body, "metadata": {**body["metadata"], "namespace": ref.namespace}}
    try:
        after = await client.kind(ref.resource).patch(
            ref.namespace, ref.name, body, "apply", force=force, dry_run=dry_run, validation=validation
        )
    except StatusError as error:
        _locate(error, goal.manifest)
        raise
    if before is None:
        return after, Outcome.CREATED
    unchanged = _applied(before, body, client.field_manager) == _applied(after, body, client.field_manager)
    return after, Outcome.UNCHANGED if unchanged else Outcome.CONFIGURED


def _body(manifest: Manifest, validation: str) -> Object:
    """What is sent: the object, without unknown fields unless they are to be refused (apply itself takes none)."""
    cls = lookup(manifest.gvk)
    if cls is None or validation == "Strict":
        return manifest.object
    try:
        known: Object = fit(schema_of(cls), manifest.object)
    except Misfit:
        return manifest.object  # for the server to refuse
    return known


def _applied(obj: Object, manifest: Object, manager: str) -> Any:
    """What of an object an apply may change; what others may write at the same time, status above all, is left out."""
    metadata = obj["metadata"]
    named = manifest["metadata"].get("annotations") or {}
    entries = metadata.get("managedFields") or ()
    return (
        {key: value for key, value in obj.items() if key not in ("metadata", "status")},
        metadata.get("labels"),
        {key: value for key, value in (metadata.get("annotations") or {}).items() if key in named},
        [entry["fieldsV1"] for entry in entries if (entry["manager"], entry["operation"]) == (manager, "Apply")],
    )


def without_bookkeeping(obj: Object) -> Object:
    """The object without what the server notes about its writes."""
    noted = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp")
    metadata = {key: value for key, value in obj["metadata"].items() if key not in noted}
    return {**obj, "metadata": metadata}


def _locate(error: StatusError, manifest: Manifest) -> None:
    """Note where in the manifests the causes of a refusal are."""
    fields = [cause.field for cause in error.causes] or [""]
    for place in dict.fromkeys(manifest.where(field.lstrip(".")) for field in fields):
        error.add_note(f"in {place}")
    if isinstance(error, Conflict) and error.causes:
        error.add_note("Others own these fields: --force-conflicts takes them over; or leave them out of the manifest.")
