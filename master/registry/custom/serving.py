"""Keeps what is served in step with the definitions: each served version of an established one is a resource."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from master.registry.base import Resource
from master.registry.core import Core
from master.registry.custom.conversion import MAX_ANSWER, converter_of
from master.registry.custom.kinds import CustomStrategy
from master.registry.custom.versions import VersionStore
from master.registry.webhookcalls import Client
from timonel.api import codec
from timonel.api.types.apiextensions_v1 import CustomResourceDefinition, CustomResourceDefinitionVersion
from timonel.tasks import end

log = logging.getLogger(__name__)

ESTABLISHED = "Established"
LOAD_SECONDS = 10.0
"""How long the start waits for the objects of all definitions; a version whose webhook is away is served later."""


@dataclass(slots=True)
class _Served:
    """What a definition is served as, and of what that was made."""

    made_of: bytes
    strategies: list[CustomStrategy]


class CustomResources:
    """Follows the definitions that the registry's cache shows."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._served: dict[str, _Served] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._client = Client(MAX_ANSWER)

    async def start(self) -> None:
        """Serve what is there; wait for its objects, then follow what changes."""
        self._core.on_change(CustomResourceDefinition, self._changed)
        for definition in self._core.all_cached(CustomResourceDefinition):
            self._apply(definition)
        loading = list(self._tasks)
        if loading:
            _, late = await asyncio.wait(loading, timeout=LOAD_SECONDS)
            if late:
                log.warning("%d versions of custom resources are not loaded yet; serving without them", len(late))

    async def close(self) -> None:
        """Stop following; the caches are the core's to close. Idempotent."""
        await self._client.close()
        await end(self._tasks)

    def _changed(self, old: CustomResourceDefinition | None, new: CustomResourceDefinition | None) -> None:
        if new is not None:
            self._apply(new)
        elif old is not None:
            self._drop(old.metadata.name or "")

    def _apply(self, definition: CustomResourceDefinition) -> None:
        """Serve a definition as it is now; one that has not changed in what matters is left alone."""
        name = definition.metadata.name or ""
        if not is_established(definition):
            self._drop(name)
            return
        made_of = _material(definition)
        served = self._served.get(name)
        if served is None or served.made_of != made_of:
            self._drop(name)
            self._serve(definition, made_of)
        for strategy in self._served[name].strategies:
            strategy.terminating = definition.metadata.deletionTimestamp is not None

    def _serve(self, definition: CustomResourceDefinition, made_of: bytes) -> None:
        name, strategies = definition.metadata.name or "", strategies_of(definition)
        self._served[name] = _Served(made_of, strategies)
        converter = converter_of(definition, self._core, self._client)
        stored = f"{definition.spec.group}/{storage_version(definition)}"
        for strategy in strategies:
            kind, prefix = strategy.kind, strategy.resource.prefix
            cache = self._core.serve(strategy, VersionStore(self._core.store, prefix, kind, stored, converter))
            self._run(self._load(cache.start(), strategy.resource))
        log.info("serving %s", name)

    async def _load(self, start: Coroutine[Any, Any, None], resource: Resource) -> None:
        await start
        log.debug("loaded %s %s", resource.gvk.api_version, resource.plural)
        self._core.announce()

    def _drop(self, name: str) -> None:
        served = self._served.pop(name, None)
        for strategy in served.strategies if served else ():
            self._run(self._core.unserve(strategy.resource).close())

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("a custom resource is not served", exc_info=error)


def strategies_of(definition: CustomResourceDefinition) -> list[CustomStrategy]:
    """The rules of each version that is served; one of them, the stored one where it is served, stands for all."""
    served = sorted(served_versions(definition), key=lambda version: not version.storage)
    return [CustomStrategy(definition, version, stands_for_all=not place) for place, version in enumerate(served)]


def served_versions(definition: CustomResourceDefinition) -> list[CustomResourceDefinitionVersion]:
    """The versions that are served; of a definition that goes, and has none, the stored one, to empty it."""
    served = [version for version in definition.spec.versions if version.served]
    if not served and definition.metadata.deletionTimestamp:
        return [version for version in definition.spec.versions if version.storage]
    return served


def storage_version(definition: CustomResourceDefinition) -> str:
    """The version in which objects are stored."""
    return next(version.name for version in definition.spec.versions if version.storage)


def is_established(definition: CustomResourceDefinition) -> bool:
    """Whether a definition's names were granted, so that it is served."""
    return any(each.type == ESTABLISHED and each.status == "True" for each in definition.status.conditions)


def _material(definition: CustomResourceDefinition) -> bytes:
    """What the serving of a definition depends on."""
    names: Any = definition.status.acceptedNames
    served = [version.name for version in served_versions(definition)]
    parts: Mapping[str, Any] = {"spec": definition.spec, "names": names, "served": served}
    return codec.encode(parts)
