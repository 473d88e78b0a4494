"""What a command acts on: `pods`, `pods,services`, `pod web-1 web-2`, `pod/web-1 deploy/web`, `all`."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from timonel.api.errors import NotFound
from timonel.cli.context import Session
from timonel.cli.errors import CliError
from timonel.discovery import ApiResource, Discovery


@dataclass(frozen=True, slots=True)
class Target:
    """Objects of one resource: those named, or all of them."""

    resource: ApiResource
    names: tuple[str, ...] = ()
    own_namespace: str = ""
    """Where they are, if they say so themselves."""

    def namespace(self, namespace: str) -> str:
        """The namespace as paths have it: none for what belongs to the whole cluster."""
        return (self.own_namespace or namespace) if self.resource.namespaced else ""


@dataclass(frozen=True, slots=True)
class Ref:
    """One object. The namespace is empty for what belongs to the whole cluster."""

    resource: ApiResource
    namespace: str
    name: str

    def __str__(self) -> str:
        return label(self.resource, self.name)


def parse(found: Discovery, words: Sequence[str]) -> list[Target]:
    """The targets that a command line names.

    Raises:
        CliError: it mixes the forms, or leaves something out.
        UnknownResource: the server has no such resource.
    """
    if not words:
        raise CliError("say what: a resource such as pods, or type/name such as pod/web")
    if any("/" in word for word in words):
        return _pairs(found, words)
    resources = [resource for word in words[0].split(",") if word for resource in _resources(found, word)]
    return [Target(resource, tuple(dict.fromkeys(words[1:]))) for resource in dict.fromkeys(resources)]


def named(found: Discovery, words: Sequence[str], default: str = "") -> list[Target]:
    """As `parse`, for commands that need names; a word alone is a name where there is a `default` type."""
    if default and len(words) == 1 and "/" not in words[0]:
        words = (default, *words)
    targets = parse(found, words)
    if not all(target.names for target in targets):
        raise CliError("name the objects: type and name, or type/name")
    return targets


def refs(wanted: Sequence[Target], namespace: str) -> list[Ref]:
    """The objects that targets name."""
    return [Ref(target.resource, target.namespace(namespace), name) for target in wanted for name in target.names]


def grouped(found: Sequence[Ref]) -> list[Target]:
    """The targets that name these objects, one for each resource and namespace."""
    names: dict[tuple[ApiResource, str], list[str]] = {}
    for ref in found:
        names.setdefault((ref.resource, ref.namespace), []).append(ref.name)
    return [Target(resource, tuple(own), namespace) for (resource, namespace), own in names.items()]


def label(resource: ApiResource, name: str) -> str:
    """An object as results name it: `pod/web-1`, `deployment.apps/web`."""
    return f"{type_name(resource)}/{name}"


def type_name(resource: ApiResource) -> str:
    """A resource's singular with its group: `pod`, `deployment.apps`."""
    kind = resource.singular or resource.gvk.kind.lower()
    return f"{kind}.{resource.gvk.group}" if resource.gvk.group else kind


async def read(session: Session, ref: Ref, subresource: str = "") -> dict[str, Any]:
    """One object, or a subresource of it, as plain values.

    Raises:
        NotFound: there is none; a note suggests the nearest name.
    """
    try:
        return await session.client.kind(ref.resource).get(ref.namespace, ref.name, subresource=subresource)
    except NotFound as error:
        await suggest_name(session, ref, error)
        raise


async def select(session: Session, target: Target, namespace: str, *, labels: str, fields: str) -> list[Ref]:
    """All objects of a target's resource that the selectors choose."""
    kind = session.client.kind(target.resource)
    listing = await kind.list(target.namespace(namespace), labels=labels, fields=fields)
    metas = [item["metadata"] for item in listing.items]
    return [Ref(target.resource, meta.get("namespace", ""), meta["name"]) for meta in metas]


async def suggest_name(session: Session, ref: Ref, error: NotFound) -> None:
    """Note on the error which name is nearest to the one that was not found."""
    listing = await session.client.kind(ref.resource).list(ref.namespace)
    near = difflib.get_close_matches(ref.name, [item["metadata"]["name"] for item in listing.items], n=1)
    if near:
        error.add_note(f'did you mean "{near[0]}"?')


def _pairs(found: Discovery, words: Sequence[str]) -> list[Target]:
    names: dict[ApiResource, list[str]] = {}
    for word in words:
        kind, slash, name = word.partition("/")
        if not slash or not kind or not name or "/" in name:
            raise CliError(f'{word!r} is not of the form type/name; there is no way to mix "type name" and "type/name"')
        names.setdefault(found.named(kind), []).append(name)
    return [Target(resource, tuple(dict.fromkeys(own))) for resource, own in names.items()]


def _resources(found: Discovery, word: str) -> list[ApiResource]:
    return found.category(word) or [found.named(word)]
