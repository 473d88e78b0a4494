"""Which resources an API server has, and the words by which people name them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from timonel.api.gvk import GVK

ACCEPT = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


class UnknownResource(LookupError):
    """The server has no such resource; the text suggests a near one."""


@dataclass(frozen=True, slots=True)
class ApiResource:
    """A resource as discovery tells it."""

    gvk: GVK
    plural: str
    singular: str
    namespaced: bool
    verbs: tuple[str, ...] = ()
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL's path of an object, or of the collection where `name` is empty."""
        parts = ["apis", self.gvk.group, self.gvk.version] if self.gvk.group else ["api", self.gvk.version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name, subresource) if part]
        return "/" + "/".join(parts)

    @property
    def group_resource(self) -> str:
        """As messages name it: `pods`, `deployments.apps`."""
        return f"{self.plural}.{self.gvk.group}" if self.gvk.group else self.plural


class Discovery:
    """Everything that a server has, the preferred versions first."""

    def __init__(self, documents: Iterable[Mapping[str, Any]]) -> None:
        self.resources = tuple(resource for document in documents for resource in _resources(document))
        self._by_gvk = {resource.gvk: resource for resource in reversed(self.resources)}

    def of(self, gvk: GVK) -> ApiResource:
        """The resource whose objects have this kind; raises UnknownResource when there is none."""
        try:
            return self._by_gvk[gvk]
        except KeyError:
            kinds = [resource.gvk.kind for resource in self.resources]
            hint = _suggestion(gvk.kind, kinds)
            raise UnknownResource(f'no kind "{gvk.kind}" in version "{gvk.api_version}"{hint}') from None

    def named(self, word: str) -> ApiResource:
        """The resource that `word` means: plural, singular, short name or kind, with the group behind a dot if need be.

        Raises UnknownResource, which suggests the nearest right word.
        """
        name, _, suffix = word.lower().partition(".")
        for resource in self.resources:
            if name in _words(resource) and suffix in _suffixes(resource):
                return resource
        words = [candidate for resource in self.resources for candidate in _words(resource)]
        raise UnknownResource(f'the server has no resource type "{word}"{_suggestion(name, words)}')

    def category(self, word: str) -> list[ApiResource]:
        """The resources of a category such as `all`."""
        return [resource for resource in self.resources if word in resource.categories]


def _words(resource: ApiResource) -> tuple[str, ...]:
    return (resource.plural, resource.singular, resource.gvk.kind.lower(), *resource.short_names)


def _suffixes(resource: ApiResource) -> tuple[str, ...]:
    return ("", resource.gvk.group, f"{resource.gvk.version}.{resource.gvk.group}".rstrip("."))


def _suggestion(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    return f'; did you mean "{near[0]}"?' if near else ""


def _resources(document: Mapping[str, Any]) -> Iterator[ApiResource]:
    for group in document.get("items", ()):
        for version in group["versions"]:
            for entry in version.get("resources", ()):
                kind = entry["responseKind"]
                yield ApiResource(
                    gvk=GVK(group["metadata"].get("name", ""), version["version"], kind["kind"]),
                    plural=entry["resource"],
                    singular=entry.get("singularResource", ""),
                    namespaced=entry["scope"] == "Namespaced",
                    verbs=tuple(entry["verbs"]),
                    short_names=tuple(entry.get("shortNames", ())),
                    categories=tuple(entry.get("categories", ())),
                    subresources=tuple(sub["subresource"] for sub in entry.get("subresources", ())),
                )
