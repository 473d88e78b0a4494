"""The index of what is served, filled from the modules in ``kinds/``."""

import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from master.registry import kinds
from master.registry.base import Resource
from master.registry.faces import Face
from master.registry.strategy import KINDS, AnyStrategy
from timonel.api.errors import NoSuchPath
from timonel.api.gvk import GVK, version_preference


def load() -> Mapping[type[Any], AnyStrategy]:
    """Import every module of ``kinds/`` and return the strategies that they define."""
    for module in pkgutil.iter_modules(kinds.__path__):
        importlib.import_module(f"{kinds.__name__}.{module.name}")
    return KINDS


class Resources:
    """What is served: found by group, version and plural, by Struct, and by kind."""

    def __init__(self, strategies: Iterable[AnyStrategy]) -> None:
        self._strategies = {strategy.resource: strategy for strategy in strategies}
        self._by_path = {(r.gvk.group, r.gvk.version, r.plural): r for r in self._strategies}
        self._by_gvk = {r.gvk: r for r in self._strategies}
        self._by_struct: dict[type[Any] | None, Resource] = {
            r.struct: r for r in self._strategies if r.struct is not None
        }
        self.generation = 0
        """Raised with every change of what is served."""

    def __iter__(self) -> Iterator[Resource]:
        return iter(tuple(self._strategies))

    def add(self, strategy: AnyStrategy) -> None:
        """Serve one more resource."""
        resource = strategy.resource
        self._strategies[resource] = strategy
        self._by_path[(resource.gvk.group, resource.gvk.version, resource.plural)] = resource
        self._by_gvk[resource.gvk] = resource
        if resource.struct is not None:
            self._by_struct[resource.struct] = resource
        self.generation += 1

    def remove(self, resource: Resource) -> None:
        """Serve a resource no longer; one that took its place stays."""
        self._strategies.pop(resource, None)
        self._by_struct.pop(resource.struct, None)
        path = (resource.gvk.group, resource.gvk.version, resource.plural)
        if self._by_path.get(path) == resource:
            del self._by_path[path]
        if self._by_gvk.get(resource.gvk) == resource:
            del self._by_gvk[resource.gvk]
        self.generation += 1

    def strategy(self, resource: Resource) -> AnyStrategy:
        """The rules of a served resource."""
        try:
            return self._strategies[resource]
        except KeyError:
            raise NoSuchPath from None

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        """The resource at a URL's group, version and plural."""
        return self._by_path.get((group, version, plural))

    def stored(self, resource: Resource) -> Resource:
        """The resource whose objects the store has: itself, or the one that it is a face of."""
        strategy = self._strategies[resource]
        return self._by_struct[strategy.stored] if isinstance(strategy, Face) else resource

    def of_gvk(self, gvk: GVK) -> Resource | None:
        """The resource whose objects have this kind."""
        return self._by_gvk.get(gvk)

    def of(self, kind: Resource | type[Any]) -> Resource:
        """The resource of a Struct, or the resource itself.

        Raises:
            NoSuchPath: the Struct's kind is not served.
        """
        if isinstance(kind, Resource):
            return kind
        try:
            return self._by_struct[kind]
        except KeyError:
            raise NoSuchPath from None

    def serves(self, kind: type[Any]) -> bool:
        """Whether there is a resource of a Struct, or of the class of a custom kind."""
        return kind in self._by_struct

    def versions(self) -> Mapping[str, list[str]]:
        """The served groups, the core group first, each with its versions, the preferred one first."""
        groups: dict[str, list[str]] = {}
        for group, version in sorted({(r.gvk.group, r.gvk.version) for r in self._strategies}, key=_preference):
            groups.setdefault(group, []).append(version)
        return groups


def _preference(group_version: tuple[str, str]) -> tuple[str, tuple[int, int, int, str]]:
    """Sort key: groups by name, in each the versions by preference."""
    group, version = group_version
    return group, version_preference(version)
