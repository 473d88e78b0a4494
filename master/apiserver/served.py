"""What this server serves, as discovery and OpenAPI tell it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from master.registry.base import Resource, Verb
from master.registry.resources import Resources
from timonel.api.gvk import GVK


@dataclass(frozen=True, slots=True)
class ServedSubresource:
    """A subresource with the kind of its bodies."""

    name: str
    gvk: GVK
    struct: type[Any] | None
    verbs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServedResource:
    """A resource with its verbs and subresources."""

    resource: Resource
    verbs: tuple[str, ...]
    subresources: tuple[ServedSubresource, ...]


@dataclass(frozen=True, slots=True)
class GroupVersion:
    """A served version of a group with its resources, in order of name."""

    group: str
    version: str
    resources: tuple[ServedResource, ...]

    @property
    def api_version(self) -> str:
        """As objects and discovery name it: `v1`, `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def path(self) -> str:
        """Where it is served, without slashes around: `api/v1`, `apis/apps/v1`."""
        return f"apis/{self.api_version}" if self.group else f"api/{self.version}"


Groups = Mapping[str, tuple[GroupVersion, ...]]
"""The served groups, the core group first, each with its versions, the preferred one first."""


def served(resources: Resources) -> Groups:
    """What the registry's resources amount to."""
    everything = [_served_resource(resources, resource) for resource in resources]
    return {
        group: tuple(GroupVersion(group, version, _of(everything, group, version)) for version in versions)
        for group, versions in resources.versions().items()
    }


class Served:
    """What is served at present: custom resources come and go."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._generation = -1
        self._groups: Groups = {}
        self._by_path: Mapping[str, GroupVersion] = {}

    @property
    def groups(self) -> Groups:
        """The groups, as `served` gives them."""
        self._look()
        return self._groups

    @property
    def by_path(self) -> Mapping[str, GroupVersion]:
        """The group-versions by `GroupVersion.path`."""
        self._look()
        return self._by_path

    def _look(self) -> None:
        if self._generation != self._resources.generation:
            self._generation = self._resources.generation
            self._groups = served(self._resources)
            self._by_path = {gv.path: gv for versions in self._groups.values() for gv in versions}


def _of(everything: Iterable[ServedResource], group: str, version: str) -> tuple[ServedResource, ...]:
    chosen = [item for item in everything if item.resource.gvk[:2] == (group, version)]
    return tuple(sorted(chosen, key=lambda item: item.resource.plural))


def _served_resource(resources: Resources, resource: Resource) -> ServedResource:
    strategy = resources.strategy(resource)
    subresources = [
        ServedSubresource(sub.name, sub.gvk or resource.gvk, sub.struct or resource.struct, _names(sub.verbs))
        for sub in strategy.subresources
    ]
    return ServedResource(resource, _names(strategy.verbs), tuple(sorted(subresources, key=lambda sub: sub.name)))


def _names(verbs: Iterable[Verb]) -> tuple[str, ...]:
    return tuple(sorted(verb.value for verb in verbs))
