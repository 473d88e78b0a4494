"""Follows APIServices: registers this server's own, and keeps saying which of those of others can be asked."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from typing import Any

from master.apiserver.aggregation import local
from master.apiserver.aggregation.availability import (
    Verdict,
    before_asking,
    failed_discovery,
    is_available,
    with_verdict,
)
from master.apiserver.aggregation.discovered import Document
from master.apiserver.aggregation.extension import Extension, server_name, tls_of
from master.apiserver.aggregation.local import GroupVersionName
from master.apiserver.aggregation.services import ToService
from master.apiserver.lifetimes import Lifetimes
from master.apiserver.proxy.forwarding import Server
from master.apiserver.proxy.routes import Tls
from master.apiserver.served import GroupVersion
from master.pki import KeyPair
from master.registry import endpoints
from master.registry.base import component
from master.registry.streams import NodeStreams
from master.registry.verbs import Registry
from timonel.api import codec
from timonel.api.errors import AlreadyExists, Conflict, NotFound, StatusError
from timonel.api.types import core_v1, discovery_v1
from timonel.api.types.apiregistration_v1 import APIService
from timonel.tasks import end

log = logging.getLogger(__name__)

LOOK_AGAIN = 30.0
"""Seconds between looks at servers that answer. Source: Kubernetes' availability controller."""
LOOK_AGAIN_SOON = 2.0
"""Seconds between looks while one does not."""
LOCAL = Verdict("True", "Local", "Local APIServices are always available")


class Aggregator:
    """The extension servers of this API.

    Args:
        registry: has the APIServices; started before this is.
        nodes: ways to servers in pods.
        pair: the certificate by which extension servers know this one.
        lifetimes: ends what runs long when the server closes.
    """

    def __init__(
        self, registry: Registry, nodes: NodeStreams | None, pair: KeyPair | None, lifetimes: Lifetimes
    ) -> None:
        self.generation = 0
        """Raised with every change of what others serve, or of the order in which discovery tells of it."""
        self._registry = registry
        self._reader = registry.reader
        self._nodes = nodes
        self._pair = pair
        self._lifetimes = lifetimes
        self._who = component("kube-aggregator")
        self._extensions: dict[GroupVersionName, Extension] = {}
        self._faults: dict[str, Verdict] = {}
        """Why the servers of some APIServices cannot be spoken to at all, by name."""
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to follow; what is there is looked at in the background."""
        for api in self._reader.all_cached(APIService):
            self._changed(None, api)
        self._reader.on_change(APIService, self._changed)
        self._reader.on_change(core_v1.Service, self._service_changed)
        self._reader.on_change(discovery_v1.EndpointSlice, self._slice_changed)
        self._undo = self._registry.on_kinds(self._woken.set)
        self._task = asyncio.create_task(self._run(), name="aggregator")

    async def close(self) -> None:
        """Stop. Idempotent."""
        task, self._task = self._task, None
        if task is None:
            return
        self._undo()
        await end([task])
        for key in list(self._extensions):
            self._drop(key)
        await asyncio.gather(*self._closing, return_exceptions=True)

    def serving(self, path: str) -> Extension | None:
        """Who else serves a path; None when this server does itself."""
        if not self._extensions:
            return None
        match path.strip("/").split("/", 3):
            case ["apis", group, version, *_]:
                return self._extensions.get((group, version))
        return None

    # What discovery and OpenAPI tell; see `served.Elsewhere`

    def versions(self) -> Mapping[GroupVersionName, GroupVersion]:
        """What others serve, as they said last."""
        return {key: each.shown for key, each in self._extensions.items()}

    def rank(self, group: str, version: str) -> tuple[int, int]:
        """The priorities of a group and of a version in it: what is higher comes first."""
        if group == local.OWN_GROUP:
            return local.FIRST, 0
        api = self._reader.cached(APIService, "", local.name_of(group, version))
        if api is None:
            api = local.wanted([(group, version)])[local.name_of(group, version)]
        return api.spec.groupPriorityMinimum, api.spec.versionPriority

    def openapi_v2(self) -> list[tuple[str, Document]]:
        """For each version that others serve the path of it, and its server's document."""
        return [(f"/{each.path}", each.openapi) for each in self._extensions.values() if each.openapi is not None]

    def openapi_v3_paths(self) -> list[str]:
        """The versions whose servers have an OpenAPI 3 document."""
        return [each.path for each in self._extensions.values() if each.openapi_url is not None]

    async def openapi_v3(self, path: str) -> bytes | None:
        """The document of a version that another server serves; None when there is none."""
        extension = self.serving(path)
        return await extension.openapi_v3() if extension else None

    # Following

    def _changed(self, old: APIService | None, new: APIService | None) -> None:
        if old is not None and new is not None and old.spec == new.spec:
            self._status_changed(old, new)
            return
        self.generation += 1
        self._woken.set()
        if new is None or new.spec.service is None:
            gone = new or old
            assert gone is not None
            self._drop(_key(gone))
            return
        self._drop(_key(new))
        self._faults.pop(new.metadata.name or "", None)
        try:
            tls = Tls(tls_of(new.spec, self._pair), server_name(new.spec.service))
        except ValueError as error:
            self._faults[new.metadata.name or ""] = failed_discovery(str(error))
            return
        server = Server(ToService(self._reader, self._nodes, new.spec.service), tls, self._lifetimes)
        self._extensions[_key(new)] = Extension(new, server, self._registry)

    def _status_changed(self, old: APIService, new: APIService) -> None:
        """Look again where it does not say what was found: others may write it too."""
        known = self._extensions.get(_key(new))
        if known is None:
            return
        known.api = new
        self.generation += is_available(old) != is_available(new)
        if known.found is not None and with_verdict(new, known.found, "") is not None:
            self._woken.set()

    def _drop(self, key: GroupVersionName) -> None:
        extension = self._extensions.pop(key, None)
        if extension is not None:
            task = asyncio.create_task(extension.close(), name="closing an extension server's connections")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def _service_changed(self, old: core_v1.Service | None, new: core_v1.Service | None) -> None:
        meta = (new or old or core_v1.Service()).metadata
        self._wake_for(meta.namespace or "", meta.name or "")

    def _slice_changed(self, old: discovery_v1.EndpointSlice | None, new: discovery_v1.EndpointSlice | None) -> None:
        meta = (new or old or discovery_v1.EndpointSlice()).metadata
        self._wake_for(meta.namespace or "", (meta.labels or {}).get(endpoints.SERVICE_NAME, ""))

    def _wake_for(self, namespace: str, service: str) -> None:
        references = (extension.api.spec.service for extension in self._extensions.values())
        if any(each and (each.namespace, each.name) == (namespace, service) for each in references):
            self._woken.set()

    # Looking

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            all_well = await self._settle()
            try:
                async with asyncio.timeout(LOOK_AGAIN if all_well else LOOK_AGAIN_SOON):
                    await self._woken.wait()
            except TimeoutError:
                continue

    async def _settle(self) -> bool:
        """Register what is served here, and look at all other servers. Whether all answer."""
        present = {api.metadata.name or "": api for api in self._reader.all_cached(APIService)}
        served = [(group, each) for group, versions in self._registry.resources.versions().items() for each in versions]
        want = local.wanted(served)
        for api in local.missing(want, present):
            await self._try(self._registry.create(self._who, APIService, "", api))
        for api in local.superfluous(want, present):
            await self._try(self._registry.delete(self._who, APIService, "", api.metadata.name or ""))
        verdicts = await asyncio.gather(*(self._judge(api) for api in present.values()))
        return all(verdict.status == "True" for verdict in verdicts)

    async def _judge(self, api: APIService) -> Verdict:
        """Look at the server of one APIService and write down what is found."""
        verdict = await self._verdict(api)
        if (extension := self._extensions.get(_key(api))) is not None:
            extension.found = verdict
        conditions = with_verdict(api, verdict, self._registry.core.now())
        if conditions is not None:
            changed = codec.copy(api)
            changed.status.conditions = conditions
            name = api.metadata.name or ""
            await self._try(self._registry.update(self._who, APIService, "", name, changed, subresource="status"))
        return verdict

    async def _verdict(self, api: APIService) -> Verdict:
        reference = api.spec.service
        if reference is None:
            return LOCAL
        namespace, name = reference.namespace or "", reference.name or ""
        service = self._reader.cached(core_v1.Service, namespace, name)
        slices = list(endpoints.slices_of(self._reader.all_cached(discovery_v1.EndpointSlice, namespace), name))
        found = before_asking(reference, service, slices) or self._faults.get(api.metadata.name or "")
        extension = self._extensions.get(_key(api))
        if found is not None or extension is None:
            return found or failed_discovery("it is not known any more")
        verdict, has_changed = await extension.look()
        self.generation += has_changed
        return verdict

    async def _try(self, write: Coroutine[Any, Any, object]) -> None:
        """Write, if what it is about is as it was seen; else it is seen, and this is done, again."""
        try:
            await write
        except (AlreadyExists, Conflict, NotFound):
            self._woken.set()
        except StatusError as error:
            log.warning("an APIService could not be written: %s", error)


def _key(api: APIService) -> GroupVersionName:
    return api.spec.group or "", api.spec.version or ""
