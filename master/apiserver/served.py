"""What this server serves, as discovery and OpenAPI tell it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from master.registry.base import Resource, Verb
from master.registry.resources import Resources
from timonel.api.gvk import GVK

CURRENT, STALE = "Current", "Stale"
"""Whether what is known of a version is what its server says now."""


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
    freshness: str = CURRENT

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


class Elsewhere(Protocol):
    """What extension servers serve in this server's name."""

    generation: int
    """Raised with every change."""

    def versions(self) -> Mapping[tuple[str, str], GroupVersion]:
        """By group and version."""

    def rank(self, group: str, version: str) -> tuple[int, int]:
        """The priorities of a group and of a version in it: what is higher comes first."""

    def openapi_v2(self) -> list[tuple[str, dict[str, Any]]]:
        """OpenAPI 2 documents, each with the path below which what it tells of is served."""

    def openapi_v3_paths(self) -> list[str]:
        """The paths, as `GroupVersion.path`, of versions that have an OpenAPI 3 document."""

    async def openapi_v3(self, path: str) -> bytes | None:
        """The document of one of these; None when there is none."""


class Served:
    """What is served at present: custom resources and extension servers come and go."""

    def __init__(self, resources: Resources, elsewhere: Elsewhere) -> None:
        self.elsewhere = elsewhere
        self._resources = resources
        self._seen = (-1, -1)
        self._groups: Groups = {}
        self._own: Groups = {}
        self._by_path: Mapping[str, GroupVersion] = {}

    @property
    def groups(self) -> Groups:
        """All groups."""
        self._look()
        return self._groups

    @property
    def own(self) -> Groups:
        """Those that this server serves itself."""
        self._look()
        return self._own

    @property
    def by_path(self) -> Mapping[str, GroupVersion]:
        """All group-versions by `GroupVersion.path`."""
        self._look()
        return self._by_path

    def _look(self) -> None:
        now = (self._resources.generation, self.elsewhere.generation)
        if self._seen != now:
            self._seen, own, foreign = now, served(self._resources), self.elsewhere.versions()
            everything = {(gv.group, gv.version): gv for versions in own.values() for gv in versions}
            everything.update(foreign)
            self._groups = _arranged(everything.values(), self.elsewhere)
            self._own = _arranged((gv for key, gv in everything.items() if key not in foreign), self.elsewhere)
            self._by_path = {gv.path: gv for gv in everything.values()}


def _arranged(versions: Iterable[GroupVersion], elsewhere: Elsewhere) -> Groups:
    """By group; the core group first, then groups and their versions in order of their priorities."""
    ranked = [(elsewhere.rank(gv.group, gv.version), gv) for gv in versions]
    highest: dict[str, int] = {}
    for (priority, _), gv in ranked:
        highest[gv.group] = max(highest.get(gv.group, 0), priority)
    groups: dict[str, tuple[GroupVersion, ...]] = {}
    for _, gv in sorted(ranked, key=lambda each: (each[1].group != "", -highest[each[1].group], -each[0][1])):
        groups[gv.group] = (*groups.get(gv.group, ()), gv)
    return groups


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
